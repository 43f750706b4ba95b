"""Atlases in XML: Starling's and Sparrow's, TexturePacker's generic one, Tiled's TSX and TMX, cocos2d's plist."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from xml.parsers.expat import ExpatError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from ogaart.imaging.atlases.base import Atlas, InvalidAtlas, Region, TileGrid, atlas, region, tiles

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NUMBERS = re.compile(r"-?\d+(?:\.\d+)?")


def parse(data: bytes) -> Iterator[Atlas]:
    """Every atlas in an XML text; none where it is something else, is invalid, or declares entities.

    Raises:
        InvalidAtlas: it is one, with invalid values.
    """
    if b"<plist" in data[:2048]:
        yield from _plist(data)
        return
    try:
        root = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return
    if root.tag == "TextureAtlas":
        yield from atlas("TextureAtlas XML", root.get("imagePath"), _sub_textures(root))
    elif root.tag == "tileset":
        yield from _tile_set(root)
    elif root.tag == "map":
        for element in root.iter("tileset"):
            yield from _tile_set(element)


def _sub_textures(root: Element) -> Iterator[Region | None]:
    # Both kinds state the size as it lies in the picture, rotated or not.
    for one in root.iter("SubTexture"):
        yield region(one.get("name"), one.get("x"), one.get("y"), one.get("width"), one.get("height"))
    for one in root.iter("sprite"):
        yield region(one.get("n"), one.get("x"), one.get("y"), one.get("w"), one.get("h"))


def _tile_set(element: Element) -> Iterator[Atlas]:
    image = element.find("image")
    if image is None or image.get("source") is None:
        return  # it is elsewhere, or has a picture for each tile
    try:
        # A picture's size is optional; newer files state how many tiles there are.
        width, height = (int(image.get(name) or 0) for name in ("width", "height"))
        columns, count = (int(element.get(name) or 0) for name in ("columns", "tilecount"))
        tile = int(element.get("tilewidth", "")), int(element.get("tileheight", ""))
        grid = TileGrid(tile, *(int(element.get(name) or 0) for name in ("margin", "spacing")))
    except ValueError as cause:
        raise InvalidAtlas(f"tile set {element.get('name')!r}: {cause}") from cause
    size = (width, height) if width and height else None
    yield from atlas("Tiled", image.get("source"), tiles(grid, size, columns, count))


def _plist(data: bytes) -> Iterator[Atlas]:
    try:
        found = plistlib.loads(data, fmt=plistlib.FMT_XML)  # refuses declarations of entities
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError, LookupError, AttributeError):
        return
    frames = found.get("frames") if isinstance(found, dict) else None
    if not isinstance(frames, dict):
        return
    stated = found.get("metadata")
    about = stated if isinstance(stated, dict) else {}
    picture = about.get("realTextureFileName") or about.get("textureFileName")
    yield from atlas("cocos2d plist", picture, _plist_frames(frames))


def _plist_frames(frames: Mapping[str, object]) -> Iterator[Region | None]:
    for name, frame in frames.items():
        if not isinstance(frame, dict):
            return
        if "width" in frame:  # the first of its formats
            yield region(name, frame.get("x"), frame.get("y"), frame["width"], frame.get("height"))
            continue
        stated = frame.get("frame") or frame.get("textureRect")
        numbers = _NUMBERS.findall(stated) if isinstance(stated, str) else []
        if len(numbers) != 4:
            raise InvalidAtlas(f"region {name[:80]!r} has no place")
        yield region(name, *numbers, rotated=bool(frame.get("rotated") or frame.get("textureRotated")))
