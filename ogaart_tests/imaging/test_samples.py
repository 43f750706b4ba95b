"""Archives by other programs and from other projects' tests: volumes of sets, encrypted ones, old and odd ones."""

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import pytest

from ogaart.core.states import MemberStatus
from ogaart.imaging.errors import Reason
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import UnpackedMember, Unpacker
from ogaart_tests.imaging.builders import BUSH, FROG, zipped
from ogaart_tests.imaging.conftest import Unpack

SAMPLES = Path(__file__).parent / "samples"
GiB = 1 << 30


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    for pack in sorted(SAMPLES.glob("*.tar.xz")):
        with tarfile.open(pack) as archive:
            archive.extractall(folder / pack.name.removesuffix(".tar.xz"), filter="data")
    return folder


def kinds(rows: list[UnpackedMember]) -> dict[str, int]:
    return dict(Counter(str(row.error_class or row.status) for row in rows))


def test_every_sample_yields_rows_with_reasons(samples: Path, tmp_path: Path) -> None:
    files = sorted(path for path in samples.rglob("*") if path.is_file())
    assert len(files) > 70
    with Unpacker(Limits(), tmp_path) as unpacker:
        for path in files:
            rows = list(unpacker.unpack(path))
            assert rows, path
            assert len({row.member_index for row in rows}) == len(rows), path
            for row in rows:
                assert row.status is not MemberStatus.FAILED or row.message, (path, row)
                assert row.error_class not in (Reason.WORKER_CRASHED, Reason.TIMED_OUT), (path, row)
                row.member_path.encode()
        assert unpacker.peak_bytes < 256 << 20
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("made/zipcrypto.zip", {"Encrypted": 2}),
        ("made/aes256.zip", {"Encrypted": 2}),
        ("made/partly.zip", {"picture": 1, "Encrypted": 1}),
        ("made/data-encrypted.7z", {"Encrypted": 2}),
        ("made/headers-encrypted.7z", {"Encrypted": 1}),
        ("rarfile/rar5-psw.rar", {"Encrypted": 2}),
        ("rarfile/rar5-psw-blake.rar", {"Encrypted": 2}),
        ("rarfile/rar5-hpsw.rar", {"Encrypted": 1}),
        ("rarfile/rar3-comment-psw.rar", {"Encrypted": 1, "Unsupported": 1}),
        ("rarfile/rar3-comment-hpsw.rar", {"Encrypted": 1}),
        ("rarfile/rar3-solid.rar", {"not_a_picture": 1, "Unsupported": 1}),
        ("rarfile/rar3-vols.part1.rar", {"MultiVolume": 1}),
        ("rarfile/rar3-vols.part2.rar", {"MultiVolume": 1}),
        ("rarfile/rar3-vols.part3.rar", {"MultiVolume": 1, "not_a_picture": 1}),
        ("rarfile/rar15-comment.rar", {"Unsupported": 1}),
        ("rarfile/rar202-comment-nopsw.rar", {"Unsupported": 1}),
        ("rarfile/rar2-unix-owner.rar", {"Unsupported": 2}),
        ("rarfile/rar3-old.r00", {"MultiVolume": 1}),
        ("rarfile/rar5-vols.part1.rar", {"MultiVolume": 2}),
        ("rarfile/rar5-vols.part2.rar", {"MultiVolume": 1}),
        ("made/split.z01", {"picture": 1, "MultiVolume": 2}),
        ("made/split.zip", {"MultiVolume": 1}),
        ("made/volumes.zip.001", {"picture": 2, "Corrupt": 2}),
        ("made/volumes.7z.001", {"Corrupt": 1}),
        ("made/volumes.7z.002", {"not_a_picture": 1}),
        ("libarchive-c/special.tar", {"picture": 2, "not_a_picture": 7}),
        ("libarchive-c/unicode.zip", {"picture": 1}),
        ("libarchive-c/unicode2.zip", {"picture": 1}),
    ],
)
def test_what_becomes_of_a_sample(name: str, expected: dict[str, int], samples: Path, unpacker: Unpacker) -> None:
    assert kinds(list(unpacker.unpack(samples / name))) == expected


def test_the_message_says_what_it_is_and_what_is_missing(samples: Path, unpacker: Unpacker) -> None:
    def said(name: str) -> str:
        return " | ".join(str(row.message) for row in unpacker.unpack(samples / name) if row.error_class)

    assert "continues in another volume; volumes are not joined" in said("rarfile/rar5-vols.part1.rar")
    assert "volume 2 of a set" in said("rarfile/rar5-vols.part2.rar")
    assert "the first volume of a set" in said("made/split.z01")
    assert "volume 3 of a set" in said("made/split.zip")
    assert "91,633 bytes are missing: truncated, or the first volume of a set" in said("made/volumes.7z.001")
    assert "password is not known" in said("rarfile/rar5-psw.rar")


def test_pictures_of_a_volume_that_are_whole_are_found(samples: Path, unpacker: Unpacker) -> None:
    rows = list(unpacker.unpack(samples / "made" / "split.z01"))

    assert rows[0].content == FROG


def test_a_volume_inside_an_archive_leaves_its_neighbours(samples: Path, unpack: Unpack) -> None:
    part = (samples / "rarfile" / "rar5-vols.part2.rar").read_bytes()

    rows = unpack(zipped({"set.part2.rar": part, "frog.png": FROG}))

    assert [(row.member_index, str(row.error_class or row.status)) for row in rows] == [
        ("0", "MultiVolume"),
        ("1", "picture"),
    ]


def huge_zip(path: Path, head: bytes) -> None:
    """A true zip64: a member of 4 GiB and a byte, made of zeros behind ``head``, then a picture."""
    length = 4 * GiB + 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("huge.png", "w", force_zip64=True) as out:
            out.write(head)
            block, left = bytes(64 << 20), length - len(head)
            while left:
                left -= out.write(block[:left])
        archive.writestr("frog.png", FROG)


def huge_tar(path: Path, head: bytes) -> None:
    """A true tar of 4 GiB and more, whose file has holes instead of zeros on disk."""
    length = 4 * GiB + 1
    info = tarfile.TarInfo("huge.png")
    info.size = length
    with path.open("wb") as out:
        out.write(info.tobuf(tarfile.GNU_FORMAT) + head)
        out.seek(512 + -(-length // 512) * 512)
        rest = io.BytesIO()
        with tarfile.open(fileobj=rest, mode="w") as archive:
            small = tarfile.TarInfo("frog.png")
            small.size = len(FROG)
            archive.addfile(small, io.BytesIO(FROG))
        out.write(rest.getvalue())


def huge_gz(plain: Path) -> Path:
    """A file compressed by gzip; blocks of the same content are compressed once, each to a full flush."""
    path = plain.with_suffix(".gz")
    crc, length, compressed = 0, 0, dict[bytes, bytes]()
    with plain.open("rb") as source, path.open("wb") as out:
        out.write(gzip.compress(b"")[:10])
        while block := source.read(32 << 20):
            crc, length = zlib.crc32(block, crc), length + len(block)
            key = hashlib.blake2b(block).digest()
            if key not in compressed:
                packer = zlib.compressobj(1, wbits=-15)
                compressed[key] = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
            out.write(compressed[key])
        out.write(zlib.compressobj(1, wbits=-15).flush() + struct.pack("<II", crc, length & 0xFFFFFFFF))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("form", ["zip", "tar", "gz"])
@pytest.mark.parametrize("head", [FROG[:16], b"no picture"], ids=["as a picture", "as nothing"])
def test_a_member_of_four_gigabytes(form: str, head: bytes, tmp_path: Path) -> None:
    """It is skipped or fails by its limit, in bounded memory and time; its neighbour is found."""
    path = tmp_path / "huge"
    (huge_zip if form == "zip" else huge_tar)(path, head)
    if form == "gz":
        path = huge_gz(path)

    with Unpacker(Limits(), tmp_path / "scratch") as unpacker:
        rows = list(unpacker.unpack(path))
        peak = unpacker.peak_bytes

    first = "not_a_picture" if head == b"no picture" else "TooLarge"
    assert [str(row.error_class or row.status) for row in rows] == [first, "picture"]
    assert peak < 1 * GiB  # the largest member that is taken has 512 MiB
    assert rows[1].content == FROG
    assert BUSH != FROG
