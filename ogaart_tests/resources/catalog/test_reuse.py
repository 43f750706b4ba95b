"""Pictures that contain others, as a table, and entries that contain parts of others, as a view."""

from pathlib import Path

import pytest

from ogaart.likeness import patches
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.storage.derived import DerivedBytes
from ogaart_tests.likeness.patch_art import sheet, sprite
from ogaart_tests.resources.catalog.catalog_world import World, ask, fill, publish, sha, words

PARTS = {f"sprite {n}": sprite(n, 40, 40) for n in range(3)}
PICTURES = {**PARTS, "sheet": sheet(list(PARTS.values()), 2, 48), "other": sprite(9)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    store = DerivedBytes(tmp_path / "derived", patches.SPACE)
    store.add({sha(name): patches.packed(patches.patches(rgba)) for name, rgba in PICTURES.items()})
    made.partition("all/0", {
        "sprites": {"pack.zip": [*PARTS, "other"]},
        "sheet": {"sheet.png": ["sheet"]},
    })  # fmt: skip
    return made


def test_reuse_names_both_entries_with_share_and_licences(world: World, index: VectorIndex, tmp_path: Path) -> None:
    fill(index, *(("sprites", name) for name in [*PARTS, "other"]), ("sheet", "sheet"))

    generation = publish(world, index, derived=tmp_path / "derived")

    found = ask(generation, "SELECT slug, other_slug, pictures, wholes, share, same_author, common_licences FROM reuse")
    assert found == [("sheet", "sprites", 3, 1, 0.75, True, ["CC0"])]
    places = ask(generation, "SELECT part_pixel_sha256, x, y, width, height FROM picture_parts ORDER BY y, x")
    assert places == [(sha(f"sprite {n}"), n % 2 * 48, n // 2 * 48, 40, 40) for n in range(3)]
    assert words(generation, "SELECT count(*) FROM parts WHERE whole = ?", bytes.fromhex(sha("sheet"))) == [(3,)]
    assert generation.manifest["files"]["patches"] == sum(
        path.stat().st_size for path in generation.patches.rglob("*") if path.is_file()
    )


def test_a_publication_without_derived_spaces_has_no_parts(world: World, index: VectorIndex) -> None:
    fill(index, ("sheet", "sheet"))

    generation = publish(world, index)

    assert ask(generation, "SELECT count(*) FROM reuse") == [(0,)]
    assert not generation.patches.exists()
