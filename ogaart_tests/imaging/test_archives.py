"""Archives of every kind, friendly and hostile, through the real child process: plain rows come out."""

import dataclasses
import hashlib
import io
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ogaart.core.states import MemberStatus
from ogaart.imaging.atlases.base import MAX_OF_FILE
from ogaart.imaging.errors import Reason
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import UnpackedMember
from ogaart_tests.imaging.builders import BUSH, FROG, compressed, every_archive, png, saved, tarred, written, zipped
from ogaart_tests.imaging.conftest import Unpack
from ogaart_tests.imaging.rar_store import rar5

MEMBERS = {"a/frog.png": FROG, "readme.txt": b"hello", "bush é.png": BUSH}


def brief(rows: list[UnpackedMember]) -> list[tuple[str, str, str]]:
    return [(row.member_index, row.member_path, row.error_class or row.status) for row in rows]


@pytest.mark.parametrize("name", list(every_archive({"x": b"x"})))
def test_every_format(name: str, unpack: Unpack) -> None:
    rows = unpack(every_archive(MEMBERS)[name])

    assert brief(rows) == [
        ("0", "a/frog.png", "picture"),
        ("1", "readme.txt", "not_a_picture"),
        ("2", "bush é.png", "picture"),
    ]
    assert rows[0].content == FROG
    assert rows[2].content == BUSH


def test_what_all_atlases_of_an_archive_state_is_bounded(unpack: Unpack) -> None:
    tile_set = b'<tileset tilewidth="1" tileheight="1"><image source="a.png"/></tileset>'
    several = b"<map>" + tile_set * 40 + b"</map>"

    rows = unpack(zipped({"one.tmx": several, "two.tmx": several, "frog.png": FROG, "three.tsx": tile_set}))

    counts = [sum(len(atlas.regions) for atlas in row.atlases) for row in rows]
    assert sum(counts) == MAX_OF_FILE
    assert counts[0] > counts[1] > 0
    assert rows[2].status == MemberStatus.PICTURE


@pytest.mark.parametrize("how", ["gz", "bz2", "xz", "zst"])
def test_a_compressed_picture(how: str, unpack: Unpack) -> None:
    rows = unpack(compressed(FROG, how))

    assert brief(rows) == [("0", "data", "picture")]
    assert rows[0].content == FROG


def test_an_archive_in_an_archive(unpack: Unpack) -> None:
    inner = written({"deep.png": FROG}, "7zip")
    rows = unpack(zipped({"first.png": BUSH, "pack.7z": inner, "one.png.gz": compressed(BUSH, "gz")}))

    assert brief(rows) == [
        ("0", "first.png", "picture"),
        ("1", "pack.7z", "not_a_picture"),
        ("1/0", "pack.7z!/deep.png", "picture"),
        ("2", "one.png.gz", "not_a_picture"),
        ("2/0", "one.png.gz!/one.png", "picture"),
    ]
    assert rows[1].message == "archive: its members follow"
    assert rows[1].bytes == len(inner)


def test_a_loose_picture(unpack: Unpack) -> None:
    (row,) = unpack(FROG)

    assert (row.member_index, row.status, row.format) == ("", MemberStatus.PICTURE, "png")
    assert (row.width, row.height, row.mode, row.frames) == (128, 128, "RGBA", 1)
    assert row.content is None
    assert row.bytes == len(FROG)
    assert row.thumbnail is not None
    assert row.thumbnail[8:12] == b"WEBP"
    assert row.features is not None
    assert len(row.features.signature) == 4096


def test_a_loose_picture_of_many_bytes_is_what_it_is_in_an_archive(unpack: Unpack) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (2400, 2400, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), "BMP")
    assert len(data) > 16 << 20  # beyond what is read at once

    (loose,), (member,) = unpack(data), unpack(zipped({"large.bmp": data}))

    assert loose.sha256 == hashlib.sha256(data).hexdigest()
    assert (loose.sha256, loose.pixel_sha256, loose.features) == (member.sha256, member.pixel_sha256, member.features)


def test_any_bytes_give_a_row(unpack: Unpack) -> None:
    for data in (b"", b"text", b"\0" * 5000, bytes(range(256)) * 40):
        assert brief(unpack(data)) == [("", "", "not_a_picture")]
    assert brief(unpack(zipped({}))) == [("", "", "not_a_picture")]


def test_damage_without_a_reason_is_said_to_be_damage(unpack: Unpack) -> None:
    damaged = bytearray(every_archive(MEMBERS)["7z"])
    damaged[14] ^= 0xFF  # the place of the archive's table of members; libarchive gives no message for it

    [row] = unpack(bytes(damaged))

    assert (row.status, row.error_class) == ("failed", Reason.CORRUPT)
    assert str(row.message).startswith("7z: damaged or unsupported; libarchive returned no reason")


def test_junk_and_a_damaged_picture(unpack: Unpack) -> None:
    names = ["__MACOSX/._a.png", ".DS_Store", "a/.hidden.png", "a/Thumbs.db", "desktop.ini", "./a.png"]
    rows = unpack(zipped({**dict.fromkeys(names, FROG), "b.xcf": b"gimp xcf v003\0rest"}))

    assert [row.status for row in rows] == ["junk"] * 5 + ["picture", "failed"]
    assert (rows[-1].error_class, rows[-1].message) == (
        Reason.CORRUPT,
        "xcf: XCF ends early: 18 bytes, 12 expected at 14",
    )


def test_names_lead_nowhere(unpack: Unpack, tmp_path: Path) -> None:
    names = ["../../evil.png", "/etc/evil.png", "C:\\evil.png", "a\x1b[31m\u202egnp.png", "a" * 3000]
    rows = unpack(tarred(dict.fromkeys(names, FROG)))

    assert [row.status for row in rows] == ["picture"] * 5
    assert rows[0].member_path == "../../evil.png"
    assert rows[3].member_path == "a\\x1b[31m\\u202egnp.png"
    assert len(rows[4].member_path) == 1024
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file"]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Zeichnung für.png".encode("cp437"), "Zeichnung für.png"),
        ("キャラクター.png".encode("cp932"), "キャラクター.png"),
        ("картинка.png".encode("koi8-r"), None),
        (b"bad\xff\xfe.png", None),
        ("naïve.png".encode(), "naïve.png"),
    ],
)
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_names_of_any_encoding(raw: bytes, shown: str | None, form: str, unpack: Unpack) -> None:
    placeholder = "N" * len(raw)
    if form == "zip":
        data = zipped({placeholder: FROG}).replace(placeholder.encode(), raw)
    else:
        data = tarred({raw.decode("utf-8", "surrogateescape"): FROG})
    (row,) = unpack(data)

    assert row.status is MemberStatus.PICTURE
    assert shown is None or row.member_path == shown
    row.member_path.encode()


def test_links_and_devices_are_not_followed(unpack: Unpack) -> None:
    kinds = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "dev": tarfile.CHRTYPE, "fifo": tarfile.FIFOTYPE}
    infos = []
    for name, kind in kinds.items():
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        infos.append(info)
    rows = unpack(tarred({"a.png": FROG}, extra=tuple(infos)))

    assert [(r.member_path, r.message) for r in rows[:4]] == [
        ("sym", "symbolic link: not followed"),
        ("hard", "hard link: not followed"),
        ("dev", "device: not followed"),
        ("fifo", "pipe: not followed"),
    ]
    assert rows[4].status is MemberStatus.PICTURE


def test_a_link_in_a_zip_is_not_followed(unpack: Unpack) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("link.png")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    (row,) = unpack(out.getvalue())

    assert row.message == "symbolic link: not followed"


def test_duplicate_names_are_two_members(unpack: Unpack) -> None:
    rows = unpack(zipped({"a.png": FROG, "b.png": BUSH}).replace(b"b.png", b"a.png"))

    assert brief(rows) == [("0", "a.png", "picture"), ("1", "a.png", "picture")]
    assert rows[0].pixel_sha256 != rows[1].pixel_sha256


def test_a_damaged_member_leaves_its_neighbours(unpack: Unpack) -> None:
    data = bytearray(zipped({"a.png": FROG, "b.png": BUSH, "c.png": png()}, zipfile.ZIP_STORED))
    place = data.index(BUSH) + len(BUSH) // 2
    data[place] ^= 0xFF
    rows = unpack(bytes(data))

    assert brief(rows) == [("0", "a.png", "picture"), ("1", "b.png", "Corrupt"), ("2", "c.png", "picture")]
    assert "CRC" in (rows[1].message or "")


@pytest.mark.parametrize("name", list(every_archive({"x": b"x"})))
def test_cut_off_anywhere(name: str, unpack: Unpack) -> None:
    whole = every_archive({"a.png": FROG, "b.png": BUSH})[name]
    for share in (0.02, 0.5, 0.9, 0.999):
        rows = unpack(whole[: int(len(whole) * share)])
        assert rows
        assert len({row.member_index for row in rows}) == len(rows)
        assert all(row.message for row in rows if row.status is MemberStatus.FAILED)


def test_truncated_tar_keeps_what_came_before(unpack: Unpack) -> None:
    whole = tarred({"a.png": FROG, "b.png": BUSH})
    rows = unpack(whole[: 512 + 4608 + 512 + 100])

    assert brief(rows)[:2] == [("0", "a.png", "picture"), ("1", "b.png", "Corrupt")]


def test_encrypted_members(unpack: Unpack) -> None:
    plain = zipped({"a.png": FROG, "b.png": BUSH}, zipfile.ZIP_STORED)
    data = bytearray(plain)
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", data, data.index(magic) + offset, 1)
    rows = unpack(bytes(data))

    assert brief(rows) == [("0", "a.png", "Encrypted"), ("1", "b.png", "picture")]


def test_too_deep(unpack: Unpack) -> None:
    data = zipped({"x.png": FROG})
    for _ in range(4):
        data = zipped({"n.zip": data})
    rows = unpack(data)

    assert [r.member_index for r in rows] == ["0/0/0/0", "0/0/0", "0/0", "0"][::-1]
    assert rows[-1].error_class == Reason.TOO_DEEP
    assert "OGAART_MAX_DEPTH is 3" in (rows[-1].message or "")


def test_too_many_members(unpack: Unpack) -> None:
    data = zipped({f"{n}.png": FROG for n in range(6)})
    rows = unpack(data, dataclasses.replace(Limits(), max_members=4))

    assert [r.status for r in rows] == ["picture"] * 4 + ["failed"]
    assert rows[-1].error_class == Reason.TOO_MANY_MEMBERS


@pytest.mark.slow
def test_a_hundred_thousand_members(unpack: Unpack) -> None:
    rows = unpack(tarred({f"{n}.txt": b"x" for n in range(100_000)}, "gz"))

    assert len(rows) == 50_001
    assert rows[-1].error_class == Reason.TOO_MANY_MEMBERS


BMP_BOMB = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, 4, 4, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(30 << 20)


@pytest.mark.parametrize("form", ["zip", "tar.gz", "7z", "nested"])
def test_a_bomb_leaves_its_neighbours(form: str, unpack: Unpack) -> None:
    members = {"a.png": FROG, "bomb.bmp": BMP_BOMB, "b.png": BUSH}
    if form == "nested":
        members["bomb.bmp"] = tarred({"bomb.bmp": BMP_BOMB}, "gz")
        data = zipped({**members, "bomb.tar": tarred({"x": BMP_BOMB})})
    else:
        data = {"zip": zipped(members), "tar.gz": tarred(members, "gz"), "7z": written(members, "7zip")}[form]
    rows = unpack(data, dataclasses.replace(Limits(), max_ratio=100))

    assert [r.status for r in rows if r.member_path in ("a.png", "b.png")] == ["picture", "picture"]
    failed = [r for r in rows if r.status is MemberStatus.FAILED]
    assert failed
    assert {r.error_class for r in failed} == {Reason.BOMB}


def test_limits_of_bytes(unpack: Unpack) -> None:
    big = b"BM" + BMP_BOMB[2:2000]
    members = {"a.png": FROG, "big.bmp": big + bytes(100_000), "b.png": BUSH}
    one = unpack(zipped(members), dataclasses.replace(Limits(), max_member_bytes=50_000))
    assert [r.error_class or r.status for r in one] == ["picture", "TooLarge", "picture"]

    everything = unpack(tarred(members), dataclasses.replace(Limits(), max_unpacked_bytes=50_000))
    assert [r.error_class or r.status for r in everything] == ["picture", "TooManyBytes"]


def test_a_zip_that_lies_about_sizes(unpack: Unpack) -> None:
    data = bytearray(zipped({"a.bmp": BMP_BOMB, "b.png": BUSH}))
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(magic) + offset, 10)
    rows = unpack(bytes(data), dataclasses.replace(Limits(), max_member_bytes=1 << 20))

    assert rows[0].status is MemberStatus.FAILED
    assert rows[1].status is MemberStatus.PICTURE


def test_a_polyglot_is_what_its_first_bytes_say(unpack: Unpack) -> None:
    (row,) = unpack(FROG + zipped({"evil.png": BUSH}))

    assert (row.status, row.format) == (MemberStatus.PICTURE, "png")


def test_a_rar_that_is_none(unpack: Unpack) -> None:
    rows = unpack(b"Rar!\x1a\x07\x01\0" + b"\xff" * 100)
    assert brief(rows) == [("", "", "Corrupt")]
    # Cut inside the first member's header: libarchive takes that for the end.
    assert brief(unpack(rar5([("a.png", FROG)])[:40])) == [("", "", "not_a_picture")]
