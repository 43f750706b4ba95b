"""Atlases in texts of their own: LibGDX's and Spine's .atlas, Godot's .tres and .tscn, Unity's .meta."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ogaart.imaging.atlases.base import Atlas, InvalidAtlas, Region, atlas, region

if TYPE_CHECKING:
    from collections.abc import Iterator

_PICTURE = r"[^\n]+\.(?:png|jpe?g|webp|gif|bmp|tga)"
_PAGE = re.compile(_PICTURE, re.IGNORECASE)
_OF_PAGES = r"(?:size|format|filter|repeat|pma|scale)"  # older texts state no size
_LIBGDX = re.compile(rf"\A\s*{_PICTURE}[ \t]*\r?\n\s*{_OF_PAGES}[ \t]*:", re.IGNORECASE)
_LIBGDX_PAGE_FACT = re.compile(_OF_PAGES, re.IGNORECASE)
_LIBGDX_FACT = re.compile(rf"{_OF_PAGES}|rotate|xy|orig|offsets?|index|bounds|split|pad", re.IGNORECASE)
_LIBGDX_NUMBERS = re.compile(r"[-+\d., \t]+")
_UNITY_SPRITE = re.compile(
    r"name: (?P<name>[^\n]{0,300})\n\s+rect:\n(?:\s+serializedVersion: \d+\n)?"
    r"\s+x: (?P<x>[-\d.e]+)\n\s+y: (?P<y>[-\d.e]+)\n\s+width: (?P<width>[-\d.e]+)\n\s+height: (?P<height>[-\d.e]+)"
)
_GODOT_RESOURCE = re.compile(
    r'\[ext_resource (?=[^\]\n]*path="(?:res://)?(?P<path>[^"\n]+)")[^\]\n]*\bid="?(?P<id>[^"\s\]]+)'
)
_GODOT_SECTION = re.compile(r"^\[(?P<head>[^\n]*)\]\s*$", re.MULTILINE)
_GODOT_TEXTURE = re.compile(r'^(?:atlas|texture)\s*=\s*ExtResource\(\s*"?(?P<id>[^"\s)]+)"?\s*\)', re.MULTILINE)
_GODOT_REGION = re.compile(r"^region\s*=\s*Rect2\(([^)\n]*)\)", re.MULTILINE)
_GODOT_VECTOR = r"\s*=\s*Vector2i?\(\s*(\d{1,6})\s*,\s*(\d{1,6})\s*\)"
_GODOT_GRID = re.compile(rf"^(texture_region_size|margins|separation){_GODOT_VECTOR}", re.MULTILINE)
_GODOT_TILE = re.compile(rf"^(\d{{1,6}}):(\d{{1,6}})/(?:size_in_atlas{_GODOT_VECTOR}|0\s*=)", re.MULTILINE)
_GODOT_TILE_SIDE = 16  # where a tile set states none
_NAME = re.compile(r'\bid="?([^"\s\]]+)')


def is_libgdx(text: str) -> bool:
    """Whether a text begins as a LibGDX atlas does: a picture's name, then its size."""
    return _LIBGDX.match(text) is not None


def libgdx(text: str) -> Iterator[Atlas]:
    """The atlases of a LibGDX or Spine text: one for each of its pictures.

    Raises:
        InvalidAtlas: a region's numbers are invalid.
    """
    picture, name = "", ""
    facts: dict[str, str] = {}
    regions: list[Region | None] = []

    def finish() -> None:
        if name and facts:
            regions.append(_libgdx_region(name, facts))
        facts.clear()

    lines = text.splitlines()
    indented = any(line[:1].isspace() and line.strip() for line in lines)
    for line in lines:
        stripped = line.strip()
        fact = _libgdx_fact(line, indented=indented, in_region=bool(name))
        if not stripped:
            finish()
            yield from atlas("LibGDX", picture, regions)
            picture, name, regions = "", "", []
        elif not picture and _PAGE.fullmatch(stripped):
            picture = stripped
        elif fact is not None:
            facts[fact[0]] = fact[1]
        else:
            finish()
            name = stripped
    finish()
    yield from atlas("LibGDX", picture, regions)


def _libgdx_fact(line: str, *, indented: bool, in_region: bool) -> tuple[str, str] | None:
    """What a line states of a page or region; None of a name, which may hold a colon: ``ui: button``.

    Args:
        line: of the text.
        indented: whether the text has indented lines: those state what is of regions. Else the format's own words do,
            and numbers of any name.
        in_region: whether a region's name came before it.
    """
    key, colon, value = (part.strip() for part in line.partition(":"))
    if not colon:
        return None
    if line[:1].isspace():
        stated = True
    elif indented:
        stated = not in_region and _LIBGDX_PAGE_FACT.fullmatch(key) is not None
    else:
        stated = _LIBGDX_FACT.fullmatch(key) is not None or _LIBGDX_NUMBERS.fullmatch(value) is not None
    return (key, value) if stated else None


def _libgdx_region(name: str, facts: dict[str, str]) -> Region | None:
    rotated = facts.get("rotate", "false") not in ("false", "0", "180")
    numbers = facts["bounds"].split(",") if "bounds" in facts else []
    if not numbers:
        numbers = [*facts.get("xy", "").split(","), *facts.get("size", "").split(",")]
    if len(numbers) != 4:
        raise InvalidAtlas(f"region {name[:80]!r}: {facts}")
    number = facts.get("index", "-1")
    return region(name if number == "-1" else f"{name}_{number}", *numbers, rotated=rotated)


def unity(text: str) -> Iterator[Atlas]:
    """The sprites of a Unity .meta; its picture has the same name without .meta.

    Raises:
        InvalidAtlas: a sprite's numbers are invalid.
    """
    found = (
        region(m["name"].strip().strip("\"'"), m["x"], m["y"], m["width"], m["height"])
        for m in _UNITY_SPRITE.finditer(text.replace("\r\n", "\n"))
    )
    yield from atlas("Unity meta", "", found, from_below=True)


def godot(text: str) -> Iterator[Atlas]:
    """The atlases of a Godot resource or scene: one for each picture that it cuts.

    Raises:
        InvalidAtlas: a region's numbers are invalid.
    """
    pictures = {m["id"]: m["path"] for m in _GODOT_RESOURCE.finditer(text)}
    regions: dict[str, list[Region | None]] = {}
    heads = [*_GODOT_SECTION.finditer(text)]
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
        body = text[head.end() : end]
        texture, box = _GODOT_TEXTURE.search(body), _GODOT_REGION.search(body)
        if texture is None or texture["id"] not in pictures:
            continue
        if "TileSetAtlasSource" in head["head"]:
            regions.setdefault(texture["id"], []).extend(_godot_tiles(body))
        if box is None:
            continue
        numbers = box[1].split(",")
        if len(numbers) != 4:
            raise InvalidAtlas(f"region Rect2({box[1][:80]})")
        name = _NAME.search(head["head"])
        regions.setdefault(texture["id"], []).append(region(name[1] if name else "", *numbers))
    for key, found in regions.items():
        yield from atlas("Godot", pictures[key], found)


def _godot_tiles(body: str) -> Iterator[Region | None]:
    """The tiles that a source of a tile set uses, each named by its column and row."""
    grid = {name: (int(x), int(y)) for name, x, y in _GODOT_GRID.findall(body)}
    width, height = grid.get("texture_region_size", (_GODOT_TILE_SIDE, _GODOT_TILE_SIDE))
    (left, top), (across, down) = grid.get("margins", (0, 0)), grid.get("separation", (0, 0))
    sizes: dict[tuple[int, int], tuple[int, int]] = {}
    for column, row, columns, rows in _GODOT_TILE.findall(body):
        at = int(column), int(row)
        sizes[at] = (int(columns), int(rows)) if columns else sizes.get(at, (1, 1))
    for (column, row), (columns, rows) in sizes.items():
        yield region(
            f"{column}:{row}", left + column * (width + across), top + row * (height + down),
            columns * width + (columns - 1) * across, rows * height + (rows - 1) * down,
        )  # fmt: skip
