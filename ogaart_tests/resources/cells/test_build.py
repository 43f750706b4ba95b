"""The cells of publications: only new sheets are read, pieces are shared and merged, other recipes are made again."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ogaart.likeness import cells
from ogaart.likeness.projections import Projection
from ogaart.resources.cells.build import IMAGES, CellSource, build_cells
from ogaart.resources.cells.pieces import pieces_in
from ogaart.resources.embedding.projections import default_projection
from ogaart.resources.storage.derived import DerivedBytes
from ogaart_tests.likeness.patch_art import sprite
from ogaart_tests.likeness.test_cells import laid_out

KEYS = [f"{n:064x}" for n in range(1, 9)]


@pytest.fixture(scope="module")
def projection() -> Projection:
    return default_projection().without_subject()


class Root:
    """A store of some sheets of four sprites each, and the publications of them."""

    def __init__(self, path: Path, projection: Projection) -> None:
        self.path = path
        self.projection = projection
        self.store = DerivedBytes(path / "derived", cells.SPACE)
        self.number = 0

    def add(self, keys: Sequence[str]) -> None:
        made = {}
        for key in keys:
            picture, sheet = laid_out([sprite(4 * int(key, 16) + n, 20, 20) for n in range(4)])
            made[key] = cells.describe(picture, sheet)
        self.store.add(made)

    def build(self, wanted: Mapping[str, Sequence[int]], most: int = 32) -> int:
        before = self.path / str(self.number) if self.number else None
        self.number += 1
        source = CellSource(self.projection, DerivedBytes(self.path / "derived", cells.SPACE), most)
        return build_cells(self.path / str(self.number), before, source, wanted)

    @property
    def folder(self) -> Path:
        return self.path / str(self.number)


@pytest.fixture
def root(tmp_path: Path, projection: Projection) -> Root:
    found = Root(tmp_path, projection)
    found.add(KEYS[:6])
    return found


def images(keys: Sequence[str]) -> dict[str, list[int]]:
    return {key: [int(key, 16)] for key in keys}


def test_a_publication_without_changes_is_links_of_the_one_before(root: Root) -> None:
    counts = [root.build(images(KEYS[:6])) for _ in range(2)]

    [one], [other] = (pieces_in(root.path / name) for name in ("1", "2"))
    assert counts == [24, 24]
    assert one.name == other.name
    assert (one.path / "vectors.npy").samefile(other.path / "vectors.npy")
    assert other.intact()


def test_only_new_sheets_are_read_and_all_of_them_are_there(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.build(images(KEYS[:6]))
    root.add(KEYS[6:7])
    read: list[str] = []
    by_segment = DerivedBytes.by_segment

    def noted(store: DerivedBytes, keys: Sequence[str]) -> Iterator[Any]:
        read.extend(keys)
        return by_segment(store, keys)

    monkeypatch.setattr(DerivedBytes, "by_segment", noted)

    count = root.build(images(KEYS[:7]))

    assert (count, read) == (28, [KEYS[6]])
    held = {bytes(key.tobytes()).hex() for piece in pieces_in(root.folder) for key in piece.keys}
    assert held == set(KEYS[:7])


def test_merged_pieces_hold_what_one_of_all_would(root: Root, tmp_path: Path, projection: Projection) -> None:
    root.build(images(KEYS[:1]))
    for n in (2, 3, 6):
        root.build(images(KEYS[:n]))
    whole = Root(tmp_path / "whole", projection)
    whole.add(KEYS[:6])
    whole.build(images(KEYS[:6]))

    def rows(folder: Path) -> dict[tuple[str, int], bytes]:
        return {
            (bytes(piece.keys[place["picture"]].tobytes()).hex(), int(place["x"])): (
                piece.vectors[n].tobytes() + piece.miniatures[n].tobytes()
            )
            for piece in pieces_in(folder)
            for n, place in enumerate(piece.cells)
        }

    assert rows(root.folder) == rows(whole.folder)
    assert len(pieces_in(root.folder)) < 4


def test_sheets_that_are_no_longer_published_count_no_more_and_leave_at_last(root: Root) -> None:
    root.build(images(KEYS[:6]))

    few = root.build(images(KEYS[:5]))
    [still] = pieces_in(root.folder)
    fewer = root.build(images(KEYS[:2]))
    [rewritten] = pieces_in(root.folder)

    assert (few, len(still.keys)) == (20, 6)
    assert (fewer, len(rewritten.keys), len(rewritten)) == (8, 2, 8)


def test_another_number_of_cells_makes_other_pieces(root: Root) -> None:
    root.build(images(KEYS[:6]))

    assert root.build(images(KEYS[:6]), most=2) == 12
    assert root.build(images(KEYS[:6]), most=0) == 0


def test_a_damaged_piece_is_made_again(root: Root) -> None:
    root.build(images(KEYS[:6]))
    [piece] = pieces_in(root.folder)
    content = bytearray((piece.path / "vectors.npy").read_bytes())
    content[-1] ^= 1
    (piece.path / "vectors.npy").write_bytes(bytes(content))

    root.build(images(KEYS[:6]))

    assert not piece.intact()
    assert all(other.intact() for other in pieces_in(root.folder))


def test_images_are_named_for_each_picture(root: Root) -> None:
    root.build({KEYS[0]: [5, 3], KEYS[1]: [9]})

    [piece] = pieces_in(root.folder)
    pairs = np.load(root.folder / IMAGES)
    named = {(bytes(piece.keys[one["picture"]].tobytes()).hex(), int(one["image_id"])) for one in pairs}
    assert named == {(KEYS[0], 3), (KEYS[0], 5), (KEYS[1], 9)}
