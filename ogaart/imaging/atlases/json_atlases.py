"""Atlases in JSON: TexturePacker's hash and array, Phaser's of several pictures, Aseprite's, Tiled's tile sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ogaart.imaging.atlases.base import Atlas, Region, TileGrid, atlas, region, tiles, whole_number


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
        app = about.get("app")
        kind = "Aseprite JSON" if isinstance(app, str) and "aseprite" in app else "TexturePacker JSON"
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
    def number(name: str) -> int:
        return whole_number(found.get(name) or 0)

    grid = TileGrid((number("tilewidth"), number("tileheight")), number("margin"), number("spacing"))
    width, height = number("imagewidth"), number("imageheight")
    columns, count = number("columns"), number("tilecount")
    size = (width, height) if width and height else None
    yield from atlas("Tiled", found["image"], tiles(grid, size, columns, count))
