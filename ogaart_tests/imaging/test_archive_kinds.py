"""Archives of rarer kinds, behind other bytes, and of formats that are not read: members, or a truthful reason."""

import base64
import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from ogaart.core.states import MemberStatus
from ogaart.imaging.errors import Reason
from ogaart.imaging.unpacker import Unpacker
from ogaart_tests.imaging.builders import BUSH, FROG, png, tarred, written, zipped
from ogaart_tests.imaging.conftest import Unpack
from ogaart_tests.imaging.rar_store import rar5

MEMBERS = {"art/frog.png": FROG, "readme.txt": b"hello"}
PROGRAM = b"MZ" + bytes(range(256)) * 300


def lha(name: bytes, data: bytes) -> bytes:
    """A stored member with a level 0 header."""
    fields = b"-lh0-" + struct.pack("<IIIBBB", len(data), len(data), 0, 0x20, 0, len(name)) + name
    fields += struct.pack("<H", _crc16(data))
    return bytes([len(fields), sum(fields) & 0xFF]) + fields + data + b"\0"


def _crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def cab(name: bytes, data: bytes) -> bytes:
    """One stored file in one folder."""
    blocks = [data[n : n + 32768] for n in range(0, len(data), 32768)]
    stored = b"".join(struct.pack("<IHH", 0, len(b), len(b)) + b for b in blocks)
    file = struct.pack("<IIHHHH", len(data), 0, 0, 0, 0, 0x20) + name + b"\0"
    at = 36 + 8
    folder = struct.pack("<IHH", at + len(file), len(blocks), 0)
    total = at + len(file) + len(stored)
    head = b"MSCF" + struct.pack("<IIIIIBBHHHHH", 0, total, 0, at, 0, 3, 1, 1, 1, 0, 0, 0)
    return head + folder + file + stored


def rpm(payload: bytes) -> bytes:
    """A lead, two empty headers, and a payload."""
    header = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", 0, 0)
    return b"\xed\xab\xee\xdb\x03\0" + bytes(90) + header + header + payload


def deb() -> bytes:
    return written({"debian-binary": b"2.0\n", "data.tar.xz": tarred(MEMBERS, "xz")}, "ar_bsd")


@pytest.mark.parametrize(
    ("name", "data", "paths"),
    [
        ("lzh", lha(b"frog.png", FROG), ["frog.png"]),
        ("cab", cab(b"frog.png", FROG), ["frog.png"]),
        ("iso", written({"FROG.PNG": FROG}, "iso9660"), ["FROG.PNG"]),
        ("cpio", written(MEMBERS, "cpio_newc"), ["art/frog.png"]),
        ("cpio.odc", written(MEMBERS, "cpio"), ["art/frog.png"]),
        ("deb", deb(), ["data.tar.xz!/art/frog.png"]),
        ("rpm", rpm(written(MEMBERS, "cpio_newc", "gzip")), ["art/frog.png"]),
        ("tar.Z", written(MEMBERS, "gnutar", "compress"), ["art/frog.png"]),
        ("tar.lzma", written(MEMBERS, "gnutar", "lzma"), ["art/frog.png"]),
        ("tar.lz", written(MEMBERS, "gnutar", "lzip"), ["art/frog.png"]),
        ("tar.lz4", written(MEMBERS, "gnutar", "lz4"), ["art/frog.png"]),
    ],
)
def test_rarer_archives_are_read(name: str, data: bytes, paths: list[str], unpack: Unpack) -> None:
    rows = unpack(data)
    assert [r.member_path for r in rows if r.content == FROG] == paths, (name, rows)

    inside = unpack(zipped({"pack": data, "b.png": BUSH}))
    assert [r.member_path for r in inside if r.content == FROG] == [f"pack!/{path}" for path in paths]
    assert inside[-1].content == BUSH


NOISE = b"\x03\x07\x8b" * (2 << 20)


def absolute(before: bytes = PROGRAM) -> bytes:
    """A zip with offsets of the whole file."""
    out = io.BytesIO(before)
    out.seek(0, io.SEEK_END)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("art/frog.png", FROG)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        PROGRAM + zipped(MEMBERS),
        absolute(),
        PROGRAM + written(MEMBERS, "7zip"),
        PROGRAM + rar5(MEMBERS.items()),
        b"\x7fELF" + bytes(90_000) + zipped(MEMBERS),
        b"#!/bin/sh\nexit 0\n" + zipped(MEMBERS),
        bytes(512) + zipped(MEMBERS),
        b"\n\n\n\n" + written(MEMBERS, "7zip"),
        zipped(MEMBERS) + bytes(100_000),
        written(MEMBERS, "7zip") + b"padding" * 1000,
        PROGRAM + zipped(MEMBERS) + bytes(3000),
        PROGRAM + bytes(5 << 20) + zipped(MEMBERS),
        b"\x7fELF" + bytes((6 << 20) - 6) + written(MEMBERS, "7zip"),
        NOISE + zipped(MEMBERS),
        NOISE + zipped(MEMBERS) + bytes(70_000),
        absolute(NOISE),
        PROGRAM + zipped({"icon.png": BUSH})[:-22] + bytes(5 << 20) + rar5(MEMBERS.items()),
    ],
    ids=["sfx zip", "sfx zip, absolute", "sfx 7z", "sfx rar", "elf", "script", "padded zip", "padded 7z", "zip, tail",
         "7z, tail", "sfx zip, tail", "far zip", "far 7z, across blocks", "zip behind noise",
         "zip behind noise, tail", "zip behind noise, absolute", "rar behind half a zip"],
)  # fmt: skip
def test_an_archive_behind_other_bytes_is_read(data: bytes, unpack: Unpack) -> None:
    assert [r.member_path for r in unpack(data) if r.content == FROG] == ["art/frog.png"]
    inside = unpack(tarred({"setup.exe": data, "b.png": BUSH}))
    assert [r.member_path for r in inside if r.content == FROG] == ["setup.exe!/art/frog.png"]
    assert inside[-1].content == BUSH


@pytest.mark.parametrize("before", [b"OggS" + bytes(5 << 20), b"a text\n" * 10, b"%PDF-1.7\n" + bytes(70_000)])
def test_a_zip_is_found_behind_a_file_of_any_other_type(before: bytes, unpack: Unpack) -> None:
    for data in (before + zipped(MEMBERS), absolute(before)):
        assert [r.member_path for r in unpack(data) if r.content == FROG] == ["art/frog.png"]
    [row] = unpack(before + b"PK\x05\x06" + bytes(18))
    assert row.status is MemberStatus.NOT_A_PICTURE


@pytest.mark.parametrize("data", [PROGRAM, PROGRAM + b"PK\x03\x04" + bytes(40), b"\x7fELF" + b"Rar!\x1a\x07\0" * 9])
def test_a_program_without_an_archive_is_not_a_picture(data: bytes, unpack: Unpack) -> None:
    [row] = unpack(data)

    assert (row.status, row.error_class) == (MemberStatus.NOT_A_PICTURE, None)


def zip_of_method(method: int) -> bytes:
    data = bytearray(zipped({"a.png": FROG}))
    for magic, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", data, data.index(magic) + at, method)
    return bytes(data)


def seven_zip_of_filter(identity: bytes) -> bytes:
    """A 7z by hand: one member, stored through a branch filter of that id."""
    number = bytes([0x80 | len(FROG) >> 8, len(FROG) & 0xFF])  # two bytes hold up to 14 bits
    streams = b"\x06\x00\x01\x09" + number + b"\x00"
    folder = b"\x07\x0b\x01\x00" + b"\x01" + bytes([len(identity)]) + identity
    unpacked = b"\x0c" + number + b"\x00"
    name = "a.png\0".encode("utf-16-le")
    files = b"\x05\x01\x11" + bytes([len(name) + 1]) + b"\x00" + name + b"\x00"
    header = b"\x01\x04" + streams + folder + unpacked + b"\x08\x00\x00" + files + b"\x00"
    start = struct.pack("<QQI", len(FROG), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start + FROG + header


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zip_of_method(9), "Unsupported ZIP compression method (9"),
        (zip_of_method(1), "nsupported ZIP compression method (1"),
        (zip_of_method(97), "nsupported ZIP compression method (97"),
        (seven_zip_of_filter(b"\x0a"), "odec"),
        (seven_zip_of_filter(b"\x0b"), "odec"),
        (b"\x60\xea" + struct.pack("<H", 40) + bytes(60), "arj: unsupported format"),
        (b"RE\x7e\x5e" + bytes(60), "rar 1: unsupported format"),
        (bytes(7) + b"**ACE**" + bytes(60), "ace: unsupported format"),
    ],
)
def test_what_is_not_supported_is_a_failure_that_says_so(data: bytes, words: str, unpack: Unpack) -> None:
    for rows in (unpack(data), unpack(zipped({"x": data}, zipfile.ZIP_STORED))):
        assert [r.error_class for r in rows if r.error_class] == [Reason.UNSUPPORTED], rows
        assert words in str(rows[-1].message)


def test_a_method_that_does_not_exist_is_damage(unpack: Unpack) -> None:
    assert unpack(zip_of_method(31_000))[-1].error_class in (Reason.CORRUPT, Reason.UNSUPPORTED)


def test_an_archive_of_folders_alone_has_its_row(unpack: Unpack) -> None:
    folder = tarfile.TarInfo("only/")
    folder.type = tarfile.DIRTYPE
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.mkdir("only")
        archive.mkdir("only/more")
    for data in (tarred({}, extra=(folder,)), tarred({}, "gz", extra=(folder,)), out.getvalue()):
        [row] = unpack(data)
        assert (row.member_index, row.status) == ("", MemberStatus.NOT_A_PICTURE)
        assert "folders and no files" in str(row.message)


def unity(names: dict[str, str], compression: str = "gz") -> bytes:
    members: dict[str, bytes] = {}
    for guid, name in names.items():
        members |= {
            f"{guid}/asset": FROG, f"{guid}/asset.meta": b"guid", f"{guid}/pathname": name.encode() + b"\n00",
            f"{guid}/preview.png": png(),
        }  # fmt: skip
    return tarred(members, compression)


def test_a_unity_package_has_the_names_of_its_assets(unpack: Unpack, unpacker: Unpacker) -> None:
    data = unity({"0123456789abcdef0123456789abcdef": "Assets/Ünï/hero.png", "f" * 32: "Assets/b.png"})
    for rows, prefix in ((unpack(data), ""), (unpack(zipped({"p.unitypackage": data})), "p.unitypackage!/")):
        pictures = [r.member_path for r in rows if r.status is MemberStatus.PICTURE]
        assert pictures == [f"{prefix}Assets/Ünï/hero.png", f"{prefix}Assets/b.png"]

    [case] = [r for r in unpacker.unpack(Path(__file__).parent / "cases" / "unity.unitypackage") if r.content]
    assert case.member_path == "Assets/Hero/hero.png"
    ordinary = unpack(tarred({"abcdef/asset": FROG, "abcdef/preview.png": BUSH}, "gz"))
    assert [r.member_path for r in ordinary if r.content] == ["abcdef/asset", "abcdef/preview.png"]


@pytest.mark.parametrize("before", [".icon.png", "./.icon.png"])
def test_a_unity_package_may_begin_with_its_icon(before: str, unpack: Unpack) -> None:
    guid = "0123456789abcdef0123456789abcdef"
    folder = "./" if before.startswith("./") else ""
    asset = {"pathname": b"Assets/hero.png", "asset": FROG, "preview.png": BUSH}
    data = tarred({before: BUSH} | {f"{folder}{guid}/{name}": content for name, content in asset.items()}, "gz")

    for rows, prefix in ((unpack(data), ""), (unpack(zipped({"p.unitypackage": data})), "p.unitypackage!/")):
        assert [(r.member_path, r.content) for r in rows if r.content] == [(f"{prefix}Assets/hero.png", FROG)]
    ordinary = unpack(tarred({before: BUSH, "art/frog.png": FROG}, "gz"))
    assert [r.member_path for r in ordinary if r.content] == ["art/frog.png"]


def library(*members: tuple[bytes, bytes]) -> bytes:
    """An ar archive as compilers' librarians write it."""
    rest = b"0".ljust(12) + b"0     0     644     %-10d`\n"
    return b"!<arch>\n" + b"".join(name.ljust(16) + rest % len(data) + data for name, data in members)


LIBRARIES = {
    "import library": library(
        (b"/", bytes(4)), (b"/", bytes(8)), (b"//", b"a_very_long_name.obj\0\0"), (b"/0", bytes(20))
    ),
    "static library": library((b"/", bytes(4)), (b"//", b"a_very_long_name.o/\n"), (b"/0", b"\x7fELF" + bytes(20))),
    "BSD's": library((b"__.SYMDEF", bytes(8)), (b"a.o", bytes(20))),
    "Apple's": library((b"#1/20", b"__.SYMDEF SORTED".ljust(20, b"\0") + bytes(8)), (b"a.o", bytes(20))),
    "without symbols": library((b"//", b"a_very_long_name.o/\n"), (b"/0", bytes(20))),
    "thin": b"!<thin>\n" + library((b"/", bytes(4)))[8:],
}


@pytest.mark.parametrize("data", LIBRARIES.values(), ids=LIBRARIES)
def test_a_library_of_machine_code_is_not_a_damaged_archive(data: bytes, unpack: Unpack) -> None:
    [row] = unpack(data)
    assert (row.status, row.format, row.error_class) == (MemberStatus.NOT_A_PICTURE, "object library", None)

    rows = unpack(zipped({"lib/png.lib": data, "b.png": BUSH}))
    assert [(r.member_path, r.status) for r in rows] == [
        ("lib/png.lib", MemberStatus.NOT_A_PICTURE),
        ("b.png", MemberStatus.PICTURE),
    ]


def test_an_ar_of_pictures_is_read(unpack: Unpack) -> None:
    [row] = unpack(library((b"bush.png/", BUSH)))
    assert (row.member_path, row.content) == ("bush.png", BUSH)


@pytest.mark.parametrize("name", ["décor/flèche.png", "ÿ.png", "Straße/Bäume.png"])
def test_a_tar_whose_checksum_adds_signed_bytes_is_read(name: str, unpack: Unpack) -> None:
    data = bytearray(tarred({"x" * len(name): FROG}))
    data[: len(name)] = name.encode("latin-1")
    header = data[:148] + b" " * 8 + data[156:512]
    data[148:156] = b"%06o\0 " % sum(byte - 256 * (byte > 127) for byte in header)

    for packed, pictures in ((bytes(data), 1), (zipped({"old.tar": bytes(data), "b.png": BUSH}), 2)):
        rows = unpack(packed)
        assert len([r for r in rows if r.status is MemberStatus.PICTURE]) == pictures, rows
        assert FROG in [r.content for r in rows]


def solid_7z(codec: bytes, members: dict[str, bytes]) -> bytes:
    """A 7z by hand: members of less than 16 KiB in one stream by the codec of that id, stored as it is."""

    def number(value: int) -> bytes:
        return bytes([0x80 | value >> 8, value & 0xFF])

    packed = b"".join(members.values())
    sizes = [number(len(data)) for data in members.values()]
    names = "".join(f"{name}\0" for name in members).encode("utf-16-le")
    folder = b"\x07\x0b\x01\x00\x01" + bytes([len(codec)]) + codec + b"\x0c" + number(len(packed)) + b"\x00"
    parts = b"\x08\x0d" + bytes([len(members)]) + b"\x09" + b"".join(sizes[:-1]) + b"\x00\x00"
    files = b"\x05" + bytes([len(members)]) + b"\x11" + bytes([len(names) + 1]) + b"\x00" + names + b"\x00"
    header = b"\x01\x04\x06\x00\x01\x09" + number(len(packed)) + b"\x00" + folder + parts + files + b"\x00"
    start = struct.pack("<QQI", len(packed), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start + packed + header


@pytest.mark.parametrize(
    "codec", [b"\x04\xf7\x11\x01", b"\x04\xf7\x11\x04", b"\x04\xf7\x11\x02"], ids=["zstd", "lz4", "brotli"]
)
def test_what_is_packed_with_an_unsupported_member_is_not_damaged(codec: bytes, unpack: Unpack) -> None:
    members = {"a.png": FROG, "b.png": BUSH, "c.png": BUSH}
    stored = unpack(solid_7z(b"\0", members))
    assert [r.content for r in stored] == list(members.values())

    packed = solid_7z(codec, members)
    for rows in (unpack(packed), unpack(zipped({"art.7z": packed}))[1:]):
        assert [r.error_class for r in rows] == [Reason.UNSUPPORTED] * 3, rows
        assert "packed together with a member that is not supported" in str(rows[2].message)


CHAINS = (
    (
        "N3q8ryccAARBTE/KrwAAAAAAAAAgAAAAAAAAABYiTwYARJQFxHon9vfuiY5QkIizqtVQIVnELXKyhmd1X9iLcPmA4ueET/l8258ZiV88"
        "I+59rcgpxDvccjU6z6YmGf3kDmolGqxW1LIRuKiHra6XwhqOB3aoVtswCuB6zQAAAIEzB64P02kuPUC7lGQtaSYyNx4ttME2z7WJluNM"
        "JvXSrHD2PySOYrQBX9vrP3LkiBtytNetEbzSenFVgkz/ShkrKYPluXj5/30P4fhZJb7gFwZdAQlSAAcLAQABIwMBAQVdABAAAAxaCgHV"
        "eTwPAAA=",
        "the filter ARM over LZMA",
    ),
    (
        "N3q8ryccAAREAcRVvAAAAAAAAAAgAAAAAAAAAJKZFwoAiMX71V/bxRnxhV0FCAKJBg/aRNw2UnE9y9pw859s4WrtaRUJc6G6HFJmoBS/"
        "ISKVtWlpxfUVsZrP5SSp2aPn0ZYwNZh6OVQJwx1oSwFevNwF2PXicc/iUNkIFQoHxBOqYPtlIh0RxAtHWwIAAACBMweuD9Q3oj1Au5Rk"
        "LWlD1KFkY23+v2KcPfU6oM9gltt14F3Qpsp/+UMKRX/mvWqpsm6NVD9F7dKzyNtyBfVNGxiSbgKffXUOhyBAABcGbQEJTwAHCwEAASMD"
        "AQEFXQAQAAAMWgoBSJMiRQAA",
        "the filter x86 over PPMd",
    ),
    (
        "N3q8ryccAARHeAuqsAAAAAAAAAAgAAAAAAAAADjSGcsARJQFxHon9vfuiY5QkIizqtVQIVnELXKyhmd1X9iLcPmA4ueET/l8258ZiV88"
        "I+59rcgpxDwm0cLHW/hVJTLKvkcqcog9CdBum3EYyMdCp4kbQoK9uZvTuzpA0QAAAIEzB64P02kuPUC7lGQtaSYyNx4ttME2z7arw5DW"
        "1rlOxEdfwjAaoD7ldaNG1FPkftHfnqKB3/HRDwAfcrRhUVM6z/DARqC6ad2zqkQkQvEgABcGXQEJUwAHCwEAASMDAQEFXQAQAAAMWgoB"
        "yDx96gAA",
        "the filter SPARC over LZMA",
    ),
    (
        "N3q8ryccAARjQqzZ4wAAAAAAAAAhAAAAAAAAAEglvmZQiUdOCg0KGgAADQBISVJEAAAEAAAAAwAGCAAAtACu9ADGAABJFUFEeFRjnCE8"
        "8acBnzAJoDEMAQAB62MTApBrPuAAAAAARUlETkKugmBQiUdOCg0KGgAADQBISVJEAAAFAAAABQAGCAAAjQAmbwDlAABJFUFEeFRjnGRk"
        "/mKAz5gGBdAgqAAIeWkPAY082cEAAAAARUlETkKugmAAAIEzB64P1TBGSBZsJwHkbKiwYkvme9Hh3u7VCwZk5QXlmw3m2uQKqx8Jllyx"
        "zMse2lBrWWkUfro7RY7eDuICr2+Fvo8gABcGgJwBCUcABwsBAAEjAwEBBV0AEAAADFoKAR7a2VAAAA==",
        "packed together with a member that is not supported",
    ),
    (
        "N3q8ryccAAQ4/aXNDQEAAAAAAAAhAAAAAAAAAHN9FpZCWmg5MUFZJlNZJUUtOQAAMP//7utqyRaCBlRAMGBBODCAQAFiFAQIASSQkYAg"
        "IBJAQ3+gAHQaqAABoGgADT0g0aAxGJo2IyDVNTT1BoaANAAAGgAYAAaBVI30xIQlpqAwIAcg2geiQ6xlTRCZR7PHeQaCAoLuabWG0aws"
        "Gd2jYyQcXKBA9bDfJhju0umPgCPmg8fF1FHQlvIHS0TvFgSFhC+Zw0R1QVAMEKgfWgeMLBAiGJQQ00pEgu5IpwoSBKilpyAAAIEzB64P"
        "1TEjhdck0c/i15ZIWOWr1DQ1H79tiJ/WK6NINg0XagPGxJpVYNvP8kSIq08xwdCv4Zyq+b7MaPiOBXuGg+WSQWLwABcGgMMBCUoABwsB"
        "AAEjAwEBBV0AEAAADFoKAZL2EK8AAA==",
        "packed together with a member that is not supported",
    ),
    (
        "N3q8ryccAAT7zIv6wQAAAAAAAAAgAAAAAAAAAEQVCyAARJQFxHon9vfuiY5QkIizqtVQIVnELXKyhmd1X9iLcPmA4ueET/l8258ZiV88"
        "I+59rcgpxDwm0cLHW/hVJTLKvkcqcog9CdBum3ElXQpByJvjmdLSe5DXkLt5F5V5J3NbdmdERQtrmxNpqVFVrJhq0GsAAAAAgTMHrg/U"
        "kfZdQhD6InzkRpLpY+NxmCzmraxmEcvuWvkDmbx1NNSEsPO2A7H9kQblLyqBEomDv/uO0qtmaidN6xt0TbLSUreI1BwAFwZ0AQlNAAcL"
        "AQABIwMBAQVdABAAAAxaCgH9F5GcAAA=",
        "packed together with a member that is not supported",
    ),
)
"""Archives of two members by 7-Zip 26, with chains of coders that libarchive takes for damage, in base64."""


@pytest.mark.parametrize(("packed", "words"), CHAINS)
def test_a_chain_of_coders_that_is_not_read_is_not_damage(packed: str, words: str, unpack: Unpack) -> None:
    data = base64.b64decode(packed)

    for rows in (unpack(data), unpack(zipped({"art.7z": data}))[1:]):
        assert [r.error_class for r in rows] == [Reason.UNSUPPORTED] * 2, rows
        assert words in str(rows[-1].message)


@pytest.mark.parametrize("packed", [packed for packed, _ in CHAINS])
def test_headers_of_a_7z_that_are_damaged_are_damage(packed: str, unpack: Unpack) -> None:
    data = base64.b64decode(packed)
    for cut in (40, len(data) // 2, len(data) - 1):
        assert {r.error_class for r in unpack(data[:cut])} == {Reason.CORRUPT}
    changed = bytearray(data)
    for place in range(32, len(data), 7):
        changed[place] ^= 0x55
        assert all(r.error_class is None or r.message for r in unpack(bytes(changed)))


def test_damage_in_a_solid_7z_is_still_damage(unpack: Unpack) -> None:
    whole = written({"a.png": FROG, "b.png": BUSH}, "7zip")
    broken = whole[:200] + bytes(64) + whole[264:]
    assert {r.error_class for r in unpack(broken) if r.error_class} == {Reason.CORRUPT}
