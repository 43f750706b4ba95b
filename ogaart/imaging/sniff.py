"""What bytes are, by their first few: names and extensions lie, and a decoder is chosen by this alone.

An own small table: the libraries for it know hundreds of types we never read and not the ones that need a look at
several fields (TGA, tar, PCX, SVG), on which a wrong guess costs a false failure.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import StrEnum

HEAD_BYTES = 4096
"""How many first bytes ``sniff`` wants to see."""


class Kind(StrEnum):
    """What is done with a type."""

    PICTURE = "picture"
    VECTOR = "vector"  # SVG
    ARCHIVE = "archive"  # holds members
    COMPRESSED = "compressed"  # one stream: a tar or a single file
    OTHER = "other"


@dataclass(frozen=True)
class FileType:
    """A type of bytes.

    Attributes:
        kind: what is done with it.
        format: short name such as png, zip, gz; "empty" or "unknown" where nothing fits.
        certain: False where the type has no magic of its own and only its header's fields fit.
    """

    kind: Kind
    format: str
    certain: bool = True


_PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\xff\xd8\xff", "jpg"),
    (b"8BPS\0\x01", "psd"),
    (b"8BPS\0\x02", "psb"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"gimp xcf ", "xcf"),
    (b"/* XPM */", "xpm"),
    (b"DDS ", "dds"),
    (b"qoif", "qoi"),
    (b"icns", "icns"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\x01\xda\0\x01", "sgi"),
    (b"\x01\xda\x01\x01", "sgi"),
)
_ARCHIVES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"PK00PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07\0", "rar"),
    (b"Rar!\x1a\x07\x01\0", "rar"),
)
_COMPRESSED: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b\x08", "gz"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"%PDF-", "pdf"),
    (b"BLENDER", "blend"),
    (b"glTF", "glb"),
    (b"MThd", "midi"),
    (b"\x7fELF", "elf"),
    (b"MZ", "exe"),
    (b"OTTO", "otf"),
    (b"\0\x01\0\0\0", "ttf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"Kaydara FBX", "fbx"),
)
_ISO_BRANDS = {b"avif": "avif", b"avis": "avif"}
_SVG_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?svg[\s>/]")
_PNM = re.compile(rb"P([1-6])(?:\s|#)")


def sniff(head: bytes) -> FileType:
    """Tell the type of bytes.

    Args:
        head: the first ``HEAD_BYTES`` bytes, or all where there are fewer.

    Returns:
        The type; never raises.
    """
    if not head:
        return FileType(Kind.OTHER, "empty")
    for kind, table in (
        (Kind.PICTURE, _PICTURES),
        (Kind.ARCHIVE, _ARCHIVES),
        (Kind.COMPRESSED, _COMPRESSED),
    ):
        for magic, name in table:
            if head.startswith(magic):
                return FileType(kind, name)
    return _by_structure(head) or _by_text(head) or _by_other_magic(head) or _by_header_fields(head)


def _by_structure(head: bytes) -> FileType | None:
    """Types whose magic is in several places."""
    if head[:4] == b"RIFF":
        forms = {b"WEBP": (Kind.PICTURE, "webp"), b"WAVE": (Kind.OTHER, "wav"), b"AVI ": (Kind.OTHER, "avi")}
        kind, name = forms.get(head[8:12], (Kind.OTHER, "riff"))
        return FileType(kind, name)
    if head[4:8] == b"ftyp":
        name = _ISO_BRANDS.get(head[8:12], "")
        if not name and b"avif" in head[16:64]:
            name = "avif"
        return FileType(Kind.PICTURE, name) if name else FileType(Kind.OTHER, "mp4")
    if head[:3] == b"BZh" and head[3:4] in b"123456789" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return FileType(Kind.COMPRESSED, "bz2")
    if head[:2] == b"BM" and len(head) >= 26:
        header_bytes = struct.unpack_from("<I", head, 14)[0]
        if header_bytes in (12, 16, 40, 52, 56, 64, 108, 124):
            return FileType(Kind.PICTURE, "bmp")
    if _is_tar(head):
        return FileType(Kind.ARCHIVE, "tar")
    return None


def _is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are a tar header: its checksum fits, whatever its flavour."""
    if len(head) < 512 or not head[0]:
        return False
    try:
        stored = int(head[148:156].strip(b"\0 ") or b"x", 8)
    except ValueError:
        return False
    return stored == sum(head[:148]) + 8 * 32 + sum(head[156:512])


def _by_text(head: bytes) -> FileType | None:
    """SVG (also in UTF-16), PNM and other texts."""
    text = head
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    text = text.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<" and _SVG_ROOT.search(text):
        return FileType(Kind.VECTOR, "svg")
    if _PNM.match(head):
        return FileType(Kind.PICTURE, "ppm", certain=False)
    if text.startswith(b"#define") and b"_width" in text and b"_bits" in text:
        return FileType(Kind.PICTURE, "xbm", certain=False)
    if text.startswith(b"/* XPM"):
        return FileType(Kind.PICTURE, "xpm")
    return None


def _by_other_magic(head: bytes) -> FileType | None:
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return FileType(Kind.OTHER, name)
    return None


def _by_header_fields(head: bytes) -> FileType:
    """Formats without a magic of their own, each field checked; last, since other bytes may fit by chance."""
    if _is_ico(head):
        return FileType(Kind.PICTURE, "cur" if head[2] == 2 else "ico", certain=False)
    if _is_pcx(head):
        return FileType(Kind.PICTURE, "pcx", certain=False)
    if _is_tga(head):
        return FileType(Kind.PICTURE, "tga", certain=False)
    return FileType(Kind.OTHER, "text" if _is_text(head) else "unknown")


def _is_ico(head: bytes) -> bool:
    if len(head) < 22 or head[:2] != b"\0\0" or head[2:4] not in (b"\x01\0", b"\x02\0"):
        return False
    count = struct.unpack_from("<H", head, 4)[0]
    size, offset = struct.unpack_from("<II", head, 14)
    return 0 < count <= 256 and size > 0 and offset >= 6 + 16 * count and head[9] == 0


def _is_pcx(head: bytes) -> bool:
    if len(head) < 128 or head[0] != 10 or head[1] not in (0, 2, 3, 4, 5) or head[2] > 1:
        return False
    left, top, right, bottom = struct.unpack_from("<HHHH", head, 4)
    return head[3] in (1, 2, 4, 8) and right >= left and bottom >= top and head[65] in (1, 2, 3, 4)


def _is_tga(head: bytes) -> bool:
    if len(head) < 18:
        return False
    colour_map, image_type = head[1], head[2]
    entries, entry_bits = struct.unpack_from("<xxxxxHB", head)
    width, height, depth, descriptor = struct.unpack_from("<HHBB", head, 12)
    if not width or not height or descriptor & 0xC0 or (descriptor & 0x0F) > 8:
        return False
    if image_type in (1, 9):
        return colour_map == 1 and 0 < entries <= 256 and entry_bits in (15, 16, 24, 32) and depth == 8
    if image_type in (2, 10):
        return colour_map in (0, 1) and depth in (15, 16, 24, 32)
    return image_type in (3, 11) and colour_map == 0 and depth in (8, 16)


def _is_text(head: bytes) -> bool:
    try:
        # The last character may be cut by the end of the head.
        text = head.decode("utf-8") if len(head) < HEAD_BYTES else head[:-4].decode("utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return "\0" not in text
