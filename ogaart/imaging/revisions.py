"""Which results of earlier decoders may differ now: only these members are decoded again.

A revision of the decoders raises ``REVISION`` and states here what it may change. ``UNPACKER_VERSION`` rises only where
everything may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from ogaart.core.states import MemberStatus
from ogaart.imaging import unity
from ogaart.imaging.errors import Reason
from ogaart.imaging.formats import bmp, png, psd

REVISION = 8
"""Revision of the decoders and archive readers."""

_REREAD = frozenset(
    {Reason.CORRUPT, Reason.WORKER_CRASHED, Reason.UNSUPPORTED, Reason.TOO_MANY_PIXELS, Reason.NOT_A_PICTURE}
)
RECENT = frozenset({2, 3, 4, 5, 6, 7})
"""Revisions whose results differ from these of revision 8 in a few formats alone."""
_SINCE_7 = frozenset({"text", "unknown"})
"""Formats of which an atlas may differ from that of revision 7: a text in UTF-16 is unknown."""
_SINCE_6 = frozenset({"unknown"})
"""Formats of which a result other than a picture may differ from that of revision 6."""
_SINCE_5 = frozenset({"unknown", "exe", "elf", "png", "jpg", "psd"})
"""Formats of which a result other than a picture may differ from that of revision 5."""
_SINCE_4 = _SINCE_5 | {"kra", "ora"}
"""Formats of which a result other than a picture may differ from that of revision 4."""
_SINCE_2 = _SINCE_4 | {"mp4", "riff", "ico", "cur", "tga", "png", "bmp", "dds"}
"""Formats of which a result other than a picture may differ from that of revision 2 or 3."""
_LINEAR = "32 bits"
"""How the mode of a PSD ends whose pixels were shown without their gamma."""
_GREYS = ("grey", "duotone", "indexed, 16", "indexed, 32")
"""How the mode of a PSD begins whose saved selections were taken for transparency, or that does not exist."""
_LIBRARIES = frozenset({".a", ".lib"})
"""Endings of static libraries, which were read as archives, some of them as damaged ones."""
_ATLASES = frozenset({".json", ".xml", ".plist", ".atlas", ".tsx", ".tmx", ".tsj", ".tmj", ".tres", ".tscn", ".meta"})
"""Endings of texts that were passed over and may be texture atlases."""
_MAY_BE_MORE = _ATLASES | {".svg"}
"""Endings of texts that were passed over and may be more: SVGs that begin with a long comment were."""
_UNKNOWN = frozenset({"unknown", "mp4", "riff", "ico", "cur", "tga", "exe", "elf", "xcf", "psb", "svg", "aseprite"})
"""Types of members that were passed over and may be pictures or archives now."""
_ANIMATED = frozenset({"gif", "webp", "png", "tiff", "avif"})
_ORIENTED = frozenset({"png", "jpg", "webp", "tiff", "avif"})
_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation(?:=["']|>)[2-8]""")
_METADATA_BYTES = 256 << 10
_UNITY = re.compile(r"(?:^|/)[0-9a-fA-F]{6,64}/pathname$")
_LAYERED_ZIP = "mergedimage.png"


@dataclass(frozen=True)
class Result:
    """What an earlier version found in a member.

    Attributes:
        status: of the member.
        error_class: where it failed.
        format: by magic bytes.
        mode: of the picture as stored, where it is one.
        colours: distinct visible colours, where it is a picture.
        has_alpha: whether any pixel is not opaque, where it is a picture.
        path: of the member.
        revision: that found it; 0: before there were any.
    """

    status: str
    error_class: str | None
    format: str | None
    mode: str | None = None
    colours: int | None = None
    has_alpha: bool | None = None
    path: str = ""
    revision: int = 0


def may_differ(result: Result, content: Callable[[], bytes | memoryview]) -> bool:
    """Whether this revision may find something else in a member.

    Args:
        result: what was found before.
        content: the bytes of the member; called for pictures only, and only where they decide.
    """
    if result.revision == 7:
        return result.status == MemberStatus.NOT_A_PICTURE and result.format in _SINCE_7 and _may_be_atlas(result)
    if result.status == MemberStatus.NOT_A_PICTURE and result.format == "text":
        # The file itself has no path here.
        return not result.path or PurePosixPath(result.path).suffix.lower() in _MAY_BE_MORE
    if result.status == MemberStatus.PICTURE and result.colours == 1 and not result.has_alpha:
        return result.format in _ANIMATED  # an animation that begins with a frame of one colour
    if result.revision in RECENT:
        return _differs_from_recent(result)
    if result.status == MemberStatus.FAILED:
        return result.error_class in _REREAD
    if result.status != MemberStatus.PICTURE:
        return result.status == MemberStatus.NOT_A_PICTURE and result.format in _UNKNOWN
    if result.colours == 0:  # fully transparent
        return True
    if result.format == "psd":
        return not psd.is_plain(bytes(content()))
    if result.format == "bmp":
        return bmp.bit_fields(bytes(content()[:256])) is not None
    if result.format == "tiff" and result.mode == "I;16":  # greys of 12 bits
        return True
    return result.format in _ORIENTED and _turned_by_other_than_exif(str(result.format), content())


def _may_be_atlas(result: Result) -> bool:
    return not result.path or PurePosixPath(result.path).suffix.lower() in _ATLASES


def _differs_from_recent(result: Result) -> bool:
    """Whether this revision may find something else than one of ``RECENT``."""
    suffix = PurePosixPath(result.path).suffix.lower()
    if result.status == MemberStatus.PICTURE:
        gamma = result.revision < 5 and str(result.mode).endswith(_LINEAR)
        return result.format == "psd" and (gamma or str(result.mode).startswith(_GREYS))
    if (
        result.revision < 6 and result.error_class == Reason.CORRUPT and result.format is None
    ):  # behind an unread member of a 7z
        return True
    if result.status == MemberStatus.FAILED and result.revision < 5 and suffix in _LIBRARIES:
        return True
    return result.format in {6: _SINCE_6, 5: _SINCE_5, 4: _SINCE_4}.get(result.revision, _SINCE_2)


def becomes_a_picture(paths: Iterable[str]) -> bool:
    """Whether a file's members include those of a Krita or OpenRaster file that was zipped again."""
    return any(path.rpartition("!/")[2] == _LAYERED_ZIP for path in paths)


def members_are_renamed(paths: Iterable[str]) -> bool:
    """Whether a file's members get other names or become one picture: Unity packages, Krita and OpenRaster files."""
    names = list(paths)
    return becomes_a_picture(names) or any(_UNITY.search(path) for path in names)


def has_icon_before_assets(paths: Iterable[str]) -> bool:
    """Whether a file's members include a Unity package that begins with its icon, which was not taken for one."""
    names = [path.rpartition("!/")[2].removeprefix("./") for path in paths]
    return unity.ICON in names and any(_UNITY.search(name) for name in names)


def _turned_by_other_than_exif(name: str, data: bytes | memoryview) -> bool:
    """Whether metadata that only Pillow takes for an orientation may have turned a picture."""
    if name == "png":
        text = b"".join(png.text_chunks(data))
        return bool(_XMP_ORIENTATION.search(text)) or b"Raw profile type exif" in text or b"xmp\0\1" in text
    return any(_XMP_ORIENTATION.search(part) for part in (data[:_METADATA_BYTES], data[-_METADATA_BYTES:]))
