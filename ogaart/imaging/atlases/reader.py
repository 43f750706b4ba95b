"""Reads any text that may be a texture atlas; any other text has none."""

from __future__ import annotations

import posixpath
import unicodedata
from typing import TYPE_CHECKING, TypeVar

from ogaart.imaging.atlases import json_atlases, text_atlases, xml_atlases
from ogaart.imaging.atlases.base import MAX_BYTES, MAX_OF_FILE, Atlas, InvalidAtlas
from ogaart.imaging.atlases.encodings import as_utf8, decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")


def may_be_atlas(head: bytes) -> bool:
    """Whether a text may be an atlas, by its first bytes.

    Args:
        head: some 36 KiB of them.
    """
    head = as_utf8(head)
    start = head[:2048]
    if start.startswith(b"{"):
        # A map of Tiled names its tile sets behind its layers, which may be long.
        return any(word in head for word in (b'"frames"', b'"textures"', b'"tilewidth"', b'"layers"'))
    if start.startswith(b"<"):
        return any(word in head for word in (b"<TextureAtlas", b"<tileset", b"<plist"))
    if start.startswith((b"[gd_resource", b"[gd_scene")):
        return b"AtlasTexture" in head or b"TileSetAtlasSource" in head
    if start.startswith(b"fileFormatVersion:"):
        return b"TextureImporter:" in head
    return text_atlases.is_libgdx(start.decode("utf-8", "replace"))


def read_atlases(data: bytes, most: int = MAX_OF_FILE) -> tuple[Atlas, ...]:
    """The atlases that a text holds.

    Args:
        data: the text, of at most ``MAX_BYTES``; what is longer is not read.
        most: regions of all of them; those of which there is no room for all, and what is behind, are left out.

    Returns:
        None where it is not an atlas, or where its values are invalid: a picture is then divided by what it shows.
    """
    if len(data) > MAX_BYTES:
        return ()
    found: list[Atlas] = []
    try:
        for atlas in _read(data):
            most -= len(atlas.regions)
            if most < 0:
                break
            found.append(atlas)
    except InvalidAtlas:
        return ()
    return tuple(found)


def _read(data: bytes) -> Iterator[Atlas]:
    data = as_utf8(data)
    if data.startswith(b"<"):
        return xml_atlases.parse(data)
    text = decoded(data)
    if text.startswith("{"):
        return json_atlases.parse(text)
    if text.startswith("[gd_"):
        return text_atlases.godot(text)
    if text.startswith("fileFormatVersion:"):
        return text_atlases.unity(text)
    return text_atlases.libgdx(text) if text_atlases.is_libgdx(text) else iter(())


def picture_of(stated: str, atlas_path: str, pictures: Mapping[str, T]) -> T | None:
    """The picture that an atlas means.

    Args:
        stated: path or name as the atlas states it; empty: the atlas's own name.
        atlas_path: the atlas's path among the pictures; archives in archives are joined by ``!/``.
        pictures: every picture of the same archive or entry, by its path.

    Returns:
        The one at the stated path beside the atlas; else the only one of that name; else None.
    """
    own = _plain(atlas_path)
    folder, name = posixpath.split(own)
    wanted = _plain(stated).removeprefix("res://")
    if not wanted:
        wanted = name[: -len(".meta")] if name.endswith(".meta") else f"{posixpath.splitext(name)[0]}.png"
    by_path = {_plain(path): picture for path, picture in pictures.items()}
    beside = posixpath.normpath(posixpath.join(folder, wanted))
    if beside in by_path:
        return by_path[beside]
    last = posixpath.basename(wanted)
    named = [picture for path, picture in by_path.items() if posixpath.basename(path) == last]
    return named[0] if len(named) == 1 else None


def _plain(path: str) -> str:
    """A path as it is compared: archives of macOS write ``ä`` as two characters, atlases as one."""
    return unicodedata.normalize("NFC", path.replace("!/", "/").replace("\\", "/")).lower()
