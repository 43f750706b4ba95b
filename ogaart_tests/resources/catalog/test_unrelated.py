"""What is called similar is nearer than unrelated pictures are to each other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ogaart.resources.catalog.unrelated import QUANTILE, lasting_facts, unrelated_cosine
from ogaart.resources.index.base import Point, VectorIndex
from ogaart.resources.index.edge import EdgeIndex

COUNT = 80


def miniature(seed: int) -> NDArray[np.uint8]:
    cells = np.random.default_rng(seed).integers(0, 255, (4, 4, 4), np.uint8)
    cells[..., 3] = 255
    return cells.repeat(8, 0).repeat(8, 1)


def published(index: VectorIndex, vectors: NDArray[np.float32], *, reuploads: bool = False) -> None:
    """With ``reuploads`` every vector is there once more."""
    for n, vector in enumerate(vectors):
        index.upsert([Point(n, vector), *([Point(1_000 + n, vector)] if reuploads else [])])


def by_number(ids: Sequence[int]) -> dict[int, tuple[object, ...]]:
    """Two pictures an entry, two entries an author; those from 1,000 on are elsewhere."""
    return {n: (f"e{n // 2}", [f"a{n // 4}"], f"p{n}") if n < 1_000 else (f"again{n}", [f"b{n}"], f"q{n}") for n in ids}


def same_as_source(ids: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    return {i: miniature(i % 1_000) for i in ids}


@pytest.mark.parametrize("reuploads", [False, True])
def test_nine_of_ten_pictures_have_no_unrelated_one_as_near(tmp_path: Path, reuploads: bool) -> None:
    vectors = np.abs(np.random.default_rng(1).standard_normal((COUNT, 8))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    authors = np.arange(COUNT) // 4
    cosines[authors[:, None] == authors] = -1
    expected = float(np.quantile(cosines.max(axis=1), QUANTILE))

    with EdgeIndex(tmp_path, "tiny-unrelated-1", 8) as index:
        published(index, vectors, reuploads=reuploads)
        found = unrelated_cosine(index, np.array(sorted(index.ids())), same_as_source, by_number)

    # Copies elsewhere are near copies of what they are copies of, and as near to everything else as that.
    assert found == pytest.approx(expected, abs=0.02)


def test_few_pictures_tell_nothing(tmp_path: Path) -> None:
    with EdgeIndex(tmp_path, "tiny-unrelated-1", 8) as index:
        published(index, np.abs(np.random.default_rng(1).standard_normal((8, 8))).astype(np.float32))

        assert unrelated_cosine(index, np.array(sorted(index.ids())), same_as_source, by_number) is None


BEFORE = {
    "dimension": 8,
    "typical_cosine": 0.4,
    "unrelated_cosine": 0.8,
    "facts_measured_of": 100,
    "facts_changed_since": 1,
    "counts": {"points_in_collection": 101},
}


@pytest.mark.parametrize(
    ("held", "unchanged", "changed"),
    [
        (range(101), range(101), 1),
        (range(103), range(101), 3),
        (range(2, 103), range(2, 101), 5),
        (range(2, 104), range(2, 101), None),  # two are gone, three came, and one came before
        (range(96), range(96), None),
    ],
)
def test_facts_of_a_collection_last_while_little_of_it_changes(held: range, unchanged: range, changed: int) -> None:
    found = lasting_facts(BEFORE, np.array(held), np.array(unchanged))

    kept = {name: value for name, value in BEFORE.items() if name != "counts"}
    assert found == (None if changed is None else {**kept, "facts_changed_since": changed})


@pytest.mark.parametrize("missing", ["facts_measured_of", "counts", "unrelated_cosine"])
def test_facts_that_say_not_of_what_they_are_do_not_last(missing: str) -> None:
    before = {name: value for name, value in BEFORE.items() if name != missing}

    assert lasting_facts(before, np.arange(101), np.arange(101)) is None


@pytest.mark.parametrize(
    "damaged",
    [
        {"facts_changed_since": -1_000},
        {"facts_changed_since": "1"},
        {"facts_changed_since": None},
        {"facts_changed_since": float("nan")},
        {"facts_measured_of": True},
        {"facts_measured_of": float("inf")},
        {"counts": {"points_in_collection": -101}},
        {"typical_cosine": float("nan")},
        {"unrelated_cosine": "0.8"},
    ],
    ids=str,
)
def test_damaged_facts_do_not_last(damaged: dict[str, object]) -> None:
    assert lasting_facts({**BEFORE, **damaged}, np.arange(101), np.arange(101)) is None
