"""Unity packages: a tar whose members are named by hashes; each asset's real name is in a member beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ogaart.imaging.names import decode_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ogaart.imaging.reader import Archive

MAX_ASSETS = 100_000
_MEMBER = re.compile(r"(?:\./)?([0-9a-fA-F]{6,64})/(asset|asset\.meta|pathname|preview\.png|)")
_PATHNAME_BYTES = 4096


def is_member(name: str) -> bool:
    """Whether an archive whose first member has this name may be a Unity package."""
    return _MEMBER.fullmatch(name) is not None


def asset_names(archive: Archive) -> dict[str, str]:
    """Read the real names of all assets of a package.

    Args:
        archive: opened for this alone: it is read to its end.

    Returns:
        The folder (a hash) of each asset to its path in the project; empty where this is not a Unity package.

    Raises:
        ArchiveError: damaged.
    """
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
