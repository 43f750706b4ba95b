"""Pictures and archives for the tests, made by the libraries that other people's are made with."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import libarchive
from PIL import Image

from ogaart_tests.imaging.rar_store import rar5

ART = Path(__file__).parent / "art"
FROG = (ART / "frog_move.png").read_bytes()
BUSH = (ART / "bush.png").read_bytes()


def png(size: tuple[int, int] = (4, 3), colour: tuple[int, ...] = (200, 30, 40, 255)) -> bytes:
    return saved(Image.new("RGBA", size, colour), "PNG")


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members: Mapping[str, bytes], compression: str = "", extra: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info in extra:
            archive.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return compressed(out.getvalue(), compression)


def compressed(data: bytes, how: str) -> bytes:
    if how == "zst":
        return written({"data": data}, "raw", "zstd")
    ways: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    return ways[how](data) if how else data


def written(members: Mapping[str, bytes], form: str, codec: str | None = None) -> bytes:
    """An archive by libarchive's own writer."""
    blocks: list[bytes] = []

    def keep(block: bytes) -> int:
        blocks.append(bytes(block))
        return len(block)

    if form == "raw" and "raw" not in libarchive.ffi.WRITE_FORMATS:
        libarchive.ffi.WRITE_FORMATS.add("raw")
    with libarchive.custom_writer(keep, form, codec) as archive:
        for name, data in members.items():
            archive.add_file_from_memory(name, len(data), data)
    return b"".join(blocks)


def every_archive(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same members in every format that is read."""
    return {
        "zip": zipped(members),
        "zip-stored": zipped(members, zipfile.ZIP_STORED),
        "7z": written(members, "7zip"),
        "rar": rar5(members.items()),
        **{f"tar.{how}": tarred(members, how) for how in ("", "gz", "bz2", "xz", "zst")},
    }
