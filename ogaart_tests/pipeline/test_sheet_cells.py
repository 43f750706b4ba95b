"""Cells of sheets in the graph: named by an atlas beside the picture, else recognised; and in older data roots."""

import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from ogaart.demo import pictures, plan
from ogaart.demo.model import DemoContent
from ogaart.imaging.atlases.base import MAX_REGIONS
from ogaart.likeness import cells as sheet_cells
from ogaart.likeness.sheets import CellKind
from ogaart.operations import garbage_collection
from ogaart.resources.cells.pieces import pieces_in
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.schema import ATLAS_REGIONS, CELLS, EMBEDDINGS, IMAGES, OCCURRENCES
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.imaging.builders import FROG, zipped
from ogaart_tests.likeness.test_sheets import walk
from ogaart_tests.world import World, open_world

ATLAS = b"""<TextureAtlas imagePath="trees.png">
  <SubTexture name="oak" x="0" y="0" width="32" height="32"/>
  <SubTexture name="birch" x="32" y="0" width="32" height="64"/>
  <SubTexture name="outside" x="120" y="0" width="32" height="64"/>
</TextureAtlas>"""


NO_TEXT = b'{"frames": {"\\ud83d": {"frame": {"x": 0, "y": 0, "w": 8, "h": 8}}}, "meta": {"image": "\\ud83d"}}'
TILE_SET = '<tileset tilewidth="32" tileheight="32"><image source="floor.png"/></tileset>'


def godot(picture: str, x: int, y: int) -> bytes:
    """A part as Godot's editor keeps it: a file of its own, named like the part."""
    head = '[gd_resource type="AtlasTexture" load_steps=2 format=3]'
    texture = f'[ext_resource type="Texture2D" path="res://{picture}" id="1"]'
    return f'{head}\n{texture}\n[resource]\natlas = ExtResource("1")\nregion = Rect2({x}, {y}, 32, 32)\n'.encode()


def png(columns: int, rows: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(walk(columns, rows)).save(out, "PNG")
    return out.getvalue()


def named(world: World, partition: str) -> dict[str, list[tuple[object, ...]]]:
    """The cells of each picture by its path in the archive."""
    tables = world.stores.tables
    paths = {row["image_id"]: row["member_path"] for row in tables.read(OCCURRENCES, partition)}
    found: dict[str, list[tuple[object, ...]]] = {}
    for row in tables.read(CELLS, partition):
        box = (row["x"], row["y"], row["width"], row["height"])
        found.setdefault(paths[row["image_id"]], []).append((row["kind"], row["name"], box, row["source"]))
    return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    entry = next(e for e in plan.load().by_age() if any(f.pictures and not f.planted for f in e.files))
    file = next(f for f in entry.files if f.pictures)
    members = {
        "art/trees.png": png(4, 3),
        "data/trees.xml": ATLAS,
        "walk.png": png(6, 2),
        "one step.tres": godot("walk.png", 0, 0),  # does not tell of the rest of it
        "hero.png": png(5, 1),
        **{f"hero {way}.tres": godot("hero.png", 32 * n, 0) for n, way in enumerate(("left", "right", "up"))},
        "floor.png": png(3, 2),
        "floor.tsx": TILE_SET.encode("utf-16"),
        "odd.json": NO_TEXT,
        "odd.tsj": b'{"tilewidth": 1e999, "tileheight": 8, "image": "frog.png"}',
        "frog.png": FROG,
        "readme.txt": b"hello",
    }
    site = ChangingSite(site=DemoContent([entry]))
    site.replace_file(file.fid, zipped(members), [pictures.expected(FROG)])
    with open_world(tmp_path, site) as opened:
        assert opened.discover().errors == []
        assert opened.materialize().errors == []
        yield opened


@pytest.mark.slow
def test_an_atlas_names_cells_and_other_sheets_are_recognised(world: World) -> None:
    [partition] = world.stores.tables.partitions(CELLS)
    source = "TextureAtlas XML: data/trees.xml"

    assert len(world.stores.tables.read(ATLAS_REGIONS, partition)) == 8 + MAX_REGIONS
    cells = named(world, partition)
    assert cells["art/trees.png"] == [
        (CellKind.NAMED, "oak", (0, 0, 32, 32), source),
        (CellKind.NAMED, "birch", (32, 0, 32, 64), source),
    ]
    assert cells["hero.png"] == [
        (CellKind.NAMED, name, (x, 0, 32, 32), "Godot")
        for x, name in ((0, "hero left"), (32, "hero right"), (64, "hero up"))
    ]
    assert len(cells["walk.png"]) == 12
    assert cells["walk.png"][1] == (CellKind.GRID, None, (32, 0, 32, 32), None)
    assert [(kind, name) for kind, name, _, _ in cells["floor.png"]] == [
        (CellKind.NAMED, f"{column}:{row}") for row in range(2) for column in range(3)
    ]
    assert "frog.png" not in cells
    assert {row["cells"] for row in world.stores.tables.read(EMBEDDINGS, partition)} == {0, 2, 3, 6, 12}

    again = world.materialize([partition], ("extracted_images", "embeddings"))

    assert again.errors == []
    assert [row["unchanged"] for row in again.rows if row["asset"] == "embeddings"] == [5]
    assert {row["run_id"] for row in world.stores.tables.read(CELLS, partition)} == {
        row["run_id"] for row in world.stores.tables.read(EMBEDDINGS, partition)
    }

    tables = world.stores.tables
    present, stored = tables.read(CELLS, partition), tables.read(EMBEDDINGS, partition)
    [walk_id] = {row["image_id"] for row in present if row["kind"] == CellKind.GRID}
    others = [row for row in present if row["image_id"] != walk_id]
    band = [{**row, "width": 192, "fingerprint": "of before"} for row in present if row["image_id"] == walk_id][:1]
    for left in (band, []):  # as an earlier version of the recognition left it: one band, or no sheet
        counted = [{**row, "cells": len(left)} if row["image_id"] == walk_id else row for row in stored]
        tables.commit("embeddings", partition, {CELLS.name: [*others, *left], EMBEDDINGS.name: counted})

        assert world.materialize([partition], ("embeddings",)).errors == []
        assert named(world, partition) == cells

    assert world.publish().errors == []

    # What the atlas names is compared, and not what was recognised; and it is not garbage.
    [trees] = {row["pixel_sha256"] for row in world.stores.tables.read(EMBEDDINGS, partition) if row["cells"] == 2}
    key = sheet_cells.key_of_named(trees, [(32, 0, 32, 64), (0, 0, 32, 32)])
    store = DerivedBytes(world.stores.root.derived, sheet_cells.SPACE)
    assert sorted(int(cell["height"]) for cell in sheet_cells.unpacked(store.get([key])[key])) == [32, 64]
    compared = {bytes(k.tobytes()).hex() for piece in pieces_in(world.generation.cells) for k in piece.keys}
    assert key in compared
    assert trees not in compared
    assert [row for row in garbage_collection.collect(world.settings).rows if row["what"].startswith("derived")] == []
    assert world.sql("SELECT count(*), count(name) FROM cells") == [(23, 11)]
    assert world.sql("SELECT count(*) FROM atlas_regions") == [(8 + MAX_REGIONS,)]
    served = sqlite3.connect(world.generation.path / "words.sqlite")
    assert served.execute("SELECT count(*) FROM cells").fetchone() == (23,)
    served.close()


def test_every_picture_was_looked_at_and_cells_lie_within(demo_world: World) -> None:
    tables = demo_world.stores.tables
    for partition in tables.partitions(IMAGES):
        images = {row["image_id"]: row for row in tables.read(IMAGES, partition)}
        embedded = {row["image_id"]: row for row in tables.read(EMBEDDINGS, partition)}
        cells: dict[int, int] = {}
        for cell in tables.read(CELLS, partition):
            image = images[cell["image_id"]]
            assert cell["x"] >= 0
            assert cell["y"] >= 0
            assert cell["x"] + cell["width"] <= (image["width"] or 0)
            assert cell["y"] + cell["height"] <= (image["height"] or 0)
            cells[cell["image_id"]] = cells.get(cell["image_id"], 0) + 1
        assert {number: row["cells"] for number, row in embedded.items() if row["status"] == "ok"} == {
            number: cells.get(number, 0) for number, row in embedded.items() if row["status"] == "ok"
        }
