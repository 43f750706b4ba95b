"""Unity packages: a tar whose members are named by hashes; each asset's real name is in a member beside it."""

from __future__ import annotations

import os
import re
from typing import IO, TYPE_CHECKING

from libarchive import ArchiveError

from ogaart.imaging.errors import Unreadable
from ogaart.imaging.names import decode_name
from ogaart.imaging.reader import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ogaart.imaging.reader import Archive
    from ogaart.imaging.sniff import FileType

MAX_ASSETS = 100_000
ICON = ".icon.png"
"""The icon of a package of the Asset Store, in front of its assets."""
_MEMBER = re.compile(r"(?:\./)?([0-9a-fA-F]{6,64})/(asset|asset\.meta|pathname|preview\.png|)")
_BEFORE_ASSETS = frozenset({".", "./", ICON, f"./{ICON}"})
_PATHNAME_BYTES = 4096


def assets_of(stream: IO[bytes], kind: FileType) -> dict[str, str]:
    """Read the real names of a Unity package's assets; a first look at any other tar ends with its first header.

    Args:
        stream: an open file with a descriptor, at its start, where it is left again.
        kind: its type by its first bytes.

    Returns:
        The folder (a hash) of each asset to its path in the project; empty where this is not a Unity package, or
        where it is damaged, which reading its members reports.
    """
    if kind.format not in ("tar", "gz"):
        return {}
    try:
        with opened(stream, kind) as archive:
            first = None if archive.is_raw else archive.next()
            while first is not None and first.name in _BEFORE_ASSETS:
                first = archive.next()
            if first is None or archive.is_raw or _MEMBER.fullmatch(first.name) is None:
                return {}
        os.lseek(stream.fileno(), 0, os.SEEK_SET)
        with opened(stream, kind) as archive:
            return _asset_names(archive)
    except (ArchiveError, Unreadable):
        return {}
    finally:
        os.lseek(stream.fileno(), 0, os.SEEK_SET)


def _asset_names(archive: Archive) -> dict[str, str]:
    """The names, from a package opened for this alone: it is read to its end."""
    found: dict[str, str] = {}
    while (entry := archive.next()) is not None and len(found) < MAX_ASSETS:
        match = _MEMBER.fullmatch(entry.name)
        if match is not None and match[2] == "pathname":
            text = b"".join(_first_bytes(archive))[:_PATHNAME_BYTES]
            name = decode_name(text.split(b"\n", 1)[0].strip(b"\r\0 "))
            if name:
                found[match[1]] = name
    return found


def _first_bytes(archive: Archive) -> Iterator[bytes]:
    length = 0
    for block in archive.blocks():
        yield block
        length += len(block)
        if length >= _PATHNAME_BYTES:
            return


def shown_name(name: str, assets: dict[str, str]) -> str:
    """A member's name for people: the asset's own path, where it is known."""
    match = _MEMBER.fullmatch(name)
    if match is None or match[1] not in assets:
        return name
    return {"asset": assets[match[1]], "asset.meta": f"{assets[match[1]]}.meta"}.get(match[2], name)


def is_preview(name: str, assets: dict[str, str]) -> bool:
    """Whether a member is the small picture that Unity made of an asset."""
    match = _MEMBER.fullmatch(name)
    return match is not None and match[2] == "preview.png" and match[1] in assets
