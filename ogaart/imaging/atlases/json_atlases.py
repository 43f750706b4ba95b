"""Atlases in JSON: TexturePacker's hash and array, Phaser's of several pictures, Aseprite's, Tiled's tile sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ogaart.imaging.atlases.base import Atlas, InvalidAtlas, Region, TileGrid, atlas, region, tiles


def parse(text: str) -> Iterator[Atlas]:
    """Every atlas in a JSON text; none where it is something else.

    Raises:
        InvalidAtlas: it is one, with invalid values.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(found, dict):
        return
    if isinstance(found.get("textures"), list):  # Phaser
        for texture in found["textures"]:
            if isinstance(texture, dict) and "frames" in texture:
                yield from atlas("TexturePacker JSON", texture.get("image"), _frames(texture["frames"]))
    elif "frames" in found:
        stated = found.get("meta")
        about = stated if isinstance(stated, dict) else {}
        kind = "Aseprite JSON" if "aseprite" in str(about.get("app", "")) else "TexturePacker JSON"
        yield from atlas(kind, about.get("image"), _frames(found["frames"]))
    elif "tilewidth" in found and "image" in found:
        yield from _tile_set(found)
    else:
        tile_sets = found.get("tilesets")
        for tile_set in tile_sets if isinstance(tile_sets, list) else ():
            if isinstance(tile_set, dict) and "image" in tile_set:
                yield from _tile_set(tile_set)


def _frames(frames: object) -> Iterator[Region | None]:
    if isinstance(frames, dict):
        named = frames.items()
    elif isinstance(frames, list):
        named = [(f.get("filename", n) if isinstance(f, dict) else n, f) for n, f in enumerate(frames)]  # type: ignore[assignment]
    else:
        return
    for name, value in named:
        frame = value.get("frame") if isinstance(value, dict) else None
        if not isinstance(frame, dict) or not {"x", "y", "w", "h"} <= frame.keys():
            return  # frames of something else: an animation's numbers, say
        yield region(name, frame["x"], frame["y"], frame["w"], frame["h"], rotated=value.get("rotated") is True)


def _tile_set(found: Mapping[str, Any]) -> Iterator[Atlas]:
    try:
        tile = int(found["tilewidth"]), int(found["tileheight"])
        grid = TileGrid(tile, int(found.get("margin") or 0), int(found.get("spacing") or 0))
        width, height = int(found.get("imagewidth") or 0), int(found.get("imageheight") or 0)
        columns, count = int(found.get("columns") or 0), int(found.get("tilecount") or 0)
    except (KeyError, TypeError, ValueError) as cause:
        raise InvalidAtlas(f"tile set without {cause}") from cause
    size = (width, height) if width and height else None
    yield from atlas("Tiled", found["image"], tiles(grid, size, columns, count))
