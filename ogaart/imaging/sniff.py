"""What bytes are, by their first few: names and extensions lie, and a decoder is chosen by this alone.

An own small table: the libraries for it know hundreds of types we never read and not the ones that need a look at
several fields (TGA, tar, PCX, SVG), on which a wrong guess costs a false failure.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from ogaart.imaging.formats.layered_zip import MIMETYPES
from ogaart.imaging.magic_bytes import ARCHIVES, COMPRESSED, OTHERS, PICTURES, UNSUPPORTED
from ogaart.imaging.unread_pictures import unread_picture

HEAD_BYTES = 36 << 10
"""How many first bytes ``sniff`` needs: an ISO image is known by bytes at 32 KiB."""
TEXT_BYTES = 4096
"""How many of them decide whether it is a text."""
PROLOG_BYTES = 4 << 20
"""How far into an XML text its root element is searched: a licence in full may come before it."""


class Kind(StrEnum):
    """What is done with a type."""

    PICTURE = "picture"
    VECTOR = "vector"  # SVG
    ARCHIVE = "archive"  # holds members
    COMPRESSED = "compressed"  # one stream: a tar or a single file
    UNSUPPORTED = "unsupported"  # an archive or a picture of a known format that is not read
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


_OBJECT_LIBRARY = re.compile(
    rb"!<(?:thin>\n|arch>\n(?:/ {15}|/SYM64/ {8}|//? {14}|__\.SYMDEF|#1/[\d ]{13}.{42}`\n__\.SYMDEF))", re.DOTALL
)
"""Static and import libraries: ar archives whose first member is a table of symbols or of names."""
_ISO_BRANDS = {b"avif": "avif", b"avis": "avif"}
_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)(?=[\s>/])")
_DOCTYPE = re.compile(rb"<![^\[>]*(?:\[(?:[^\]\"']|\"[^\"]*\"|'[^']*')*\]\s*)?>")
_NAME_BYTES = 256
"""How long the name of an element may be."""
_PNM = re.compile(rb"P([1-6])(?:\s|#)")


def needs_more(head: bytes) -> bool:
    """Whether the type shows only further on: an XML text's comments before its root element go on behind ``head``.

    Args:
        head: the first bytes, ``HEAD_BYTES`` or more, or all where there are fewer.
    """
    if not HEAD_BYTES <= len(head) < PROLOG_BYTES:
        return False
    text = _as_utf8(head)
    return not text or (text[:1] == b"<" and _root_of(text) is None)


def read_head(stream: IO[bytes]) -> bytes:
    """The first bytes of a file, as many as ``sniff`` needs."""
    head = stream.read(HEAD_BYTES)
    while needs_more(head) and (more := stream.read(len(head))):
        head += more
    return head


def sniff(head: bytes) -> FileType:
    """Identify the type of bytes.

    Args:
        head: the first ``HEAD_BYTES`` bytes, more where ``needs_more`` says so, or all where there are fewer.

    Returns:
        The type; never raises.
    """
    if not head:
        return FileType(Kind.OTHER, "empty")
    if _OBJECT_LIBRARY.match(head):
        return FileType(Kind.OTHER, "object library")
    for kind, table in (
        (Kind.PICTURE, PICTURES),
        (Kind.ARCHIVE, ARCHIVES),
        (Kind.COMPRESSED, COMPRESSED),
        (Kind.UNSUPPORTED, UNSUPPORTED),
    ):
        for magic, name in table:
            if head.startswith(magic):
                return _layered_zip(head) if name == "zip" else FileType(kind, name)
    if (unread := unread_picture(head)) is not None:
        return FileType(Kind.UNSUPPORTED, unread)
    return _by_structure(head) or _by_text(head) or _by_other_magic(head) or _by_header_fields(head)


def _layered_zip(head: bytes) -> FileType:
    """A zip, or a picture of Krita's or OpenRaster's as both write them: the first member is mimetype, and stored."""
    if head[:4] == b"PK\x03\x04" and len(head) >= 38:
        name, extra = struct.unpack_from("<HH", head, 26)
        if head[30 : 30 + name] == b"mimetype":
            content = head[30 + name + extra : 30 + name + extra + 40]
            for mimetype, form in MIMETYPES.items():
                if content.startswith(mimetype):
                    return FileType(Kind.PICTURE, form)
    return FileType(Kind.ARCHIVE, "zip")


def _by_structure(head: bytes) -> FileType | None:
    """Types whose magic is in several places."""
    if head[:4] == b"RIFF":
        forms = {
            b"WEBP": (Kind.PICTURE, "webp"),
            b"WAVE": (Kind.OTHER, "wav"),
            b"AVI ": (Kind.OTHER, "avi"),
        }
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
    if head[4:6] == b"\xe0\xa5" and head[12:14] in (b"\x08\0", b"\x10\0", b"\x20\0"):
        return FileType(Kind.PICTURE, "aseprite", certain=head[132:134] == b"\xfa\xf1")
    return _other_archive(head)


def _other_archive(head: bytes) -> FileType | None:
    """Archives whose magic is not at the start."""
    if head[2:5] in (b"-lh", b"-lz", b"-pm") and head[6:7] == b"-":
        return FileType(Kind.ARCHIVE, "lha")
    if head[32769:32774] == b"CD001":
        return FileType(Kind.ARCHIVE, "iso")
    if _is_lzma(head):
        return FileType(Kind.COMPRESSED, "lzma", certain=False)
    if head[:2] == b"\x60\xea" and len(head) >= 34 and 30 <= struct.unpack_from("<H", head, 2)[0] <= 2600:
        return FileType(Kind.UNSUPPORTED, "arj")
    if head[7:14] == b"**ACE**":
        return FileType(Kind.UNSUPPORTED, "ace")
    if head[20:24] == b"\xdc\xa7\xc4\xfd":
        return FileType(Kind.UNSUPPORTED, "zoo")
    return None


def _is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are a tar header: its checksum fits, whatever its flavour."""
    if len(head) < 512 or not head[0]:
        return False
    try:
        stored = int(head[148:156].strip(b"\0 ") or b"x", 8)
    except ValueError:
        return False
    header = head[:148] + 8 * b" " + head[156:512]
    # Old programs add the bytes as signed numbers, which differs where a name has other letters than ASCII's.
    return stored in (sum(header), sum(header) - 256 * sum(byte > 127 for byte in header))


def _is_lzma(head: bytes) -> bool:
    """Whether an LZMA alone header is plausible: usual properties, a power of two as dictionary, a sensible length."""
    if len(head) < 14 or head[0] != 0x5D or head[13] != 0:
        return False
    dictionary, length = struct.unpack_from("<IQ", head, 1)
    usual = dictionary in {1 << n for n in range(12, 31)} | {3 << n for n in range(11, 30)}
    return usual and (length == 0xFFFF_FFFF_FFFF_FFFF or 0 < length < 1 << 40)


def _by_text(head: bytes) -> FileType | None:
    """SVG (also in UTF-16), PNM and other texts."""
    text = _as_utf8(head)
    if text[:1] == b"<" and _root_of(text) == b"svg":
        return FileType(Kind.VECTOR, "svg")
    if _PNM.match(head):
        return FileType(Kind.PICTURE, "ppm", certain=False)
    if text.startswith(b"#define") and b"_width" in text[:HEAD_BYTES] and b"_bits" in text[:HEAD_BYTES]:
        return FileType(Kind.PICTURE, "xbm", certain=False)
    if text.startswith(b"/* XPM"):
        return FileType(Kind.PICTURE, "xpm")
    return None


def _as_utf8(head: bytes) -> bytes:
    """A text without its byte order mark and the white space before it."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()


def _root_of(text: bytes) -> bytes | None:
    """Local name of an XML text's root element, behind its declaration, comments and document type.

    Returns:
        The name; empty if there is none; None if the text ends before it.
    """
    place = 0
    while text.startswith(b"<", place):
        if text.startswith(b"<!--", place):
            end = text.find(b"-->", place + 4)
            end = end + 3 if end >= 0 else -1
        elif text.startswith(b"<?", place):
            end = text.find(b"?>", place + 2)
            end = end + 2 if end >= 0 else -1
        elif text.startswith(b"<!", place):
            found = _DOCTYPE.match(text, place)
            end = found.end() if found else -1
        else:
            root = _ROOT.match(text, place)
            return root[1] if root else b"" if len(text) - place > _NAME_BYTES else None
        if end < 0:
            return b"svg" if text.startswith(b"<!DOCTYPE svg", place) else None
        while text[end : end + 1].isspace():
            end += 1
        place = end
    return None if place == len(text) else b""


def _by_other_magic(head: bytes) -> FileType | None:
    for magic, name in OTHERS:
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
        text = head.decode("utf-8") if len(head) < TEXT_BYTES else head[: TEXT_BYTES - 4].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return "\0" not in text
