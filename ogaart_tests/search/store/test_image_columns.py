"""A condition on any key of the payload lets the same images through as in the index, however the key is stored."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.index.factory import open_index
from ogaart.resources.index.filters import AllOf, AnyOf, Condition, IndexFilter, Is, NoneOf, Range
from ogaart.resources.serving.layers import WORDS
from ogaart.search.store.image_columns import ImageColumns
from ogaart.search.store.serving_store import ServingStore
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import DIMENSION, SPACE

YEAR = 365 * 24 * 3600


@pytest.fixture(scope="module")
def generation(settings: Settings) -> Generation:
    current = Generations(settings.data / "generations").current()
    assert current is not None
    return current


@pytest.fixture(scope="module")
def columns(generation: Generation) -> Iterator[ImageColumns]:
    store = ServingStore(generation.path, generation.number)
    yield store.columns
    store.close()


@pytest.fixture(scope="module")
def index(generation: Generation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorIndex]:
    elsewhere: Path = tmp_path_factory.mktemp("scratch")
    with open_index(Settings(data=elsewhere), generation.index, SPACE, DIMENSION, read_only=True) as opened:
        yield opened


@pytest.mark.parametrize(
    "condition",
    [
        Is("has_alpha", True),
        Range("colours", at_least=20),
        Range("fetched_at", at_least=50 * YEAR),  # of the entry
        AllOf("tags", ("robot", "animated")),
        AnyOf("colour_names", ("blue", "red")),
    ],
    ids=lambda condition: condition.key,
)
def test_columns_and_index_agree(columns: ImageColumns, index: VectorIndex, condition: Condition) -> None:
    found = int(np.count_nonzero(columns.mask(condition)))

    assert found == index.count(IndexFilter().where("one", condition))
    assert found > 0


def test_a_text_of_each_image_needs_no_array(columns: ImageColumns, index: VectorIndex) -> None:
    [pixels] = index.facet("pixel_sha256", limit=1)
    of_one, of_others = AnyOf("pixel_sha256", (pixels,)), NoneOf("pixel_sha256", (pixels,))

    found = columns.mask(of_one)

    assert np.count_nonzero(found) == index.count(IndexFilter().where("one", of_one)) > 0
    assert (columns.mask(of_others) == ~found).all()


def test_images_of_the_same_pixels_are_found_with_and_without_others_of_theirs(columns: ImageColumns) -> None:
    by_pixels: dict[int, list[int]] = {}
    for row, pixels in enumerate(columns.pixels.tolist()):
        by_pixels.setdefault(pixels, []).append(row)
    alone = next(rows for rows in by_pixels.values() if len(rows) == 1)
    several = next(rows for rows in by_pixels.values() if len(rows) > 1)

    assert columns.with_pixels_of(np.array([-1, *alone])).tolist() == alone
    assert columns.with_pixels_of(np.array(several[-1:])).tolist() == several
    assert columns.with_pixels_of(np.array([several[0], alone[0], several[-1]])).tolist() == sorted([*alone, *several])
    assert columns.with_pixels_of(np.array([-1, -1])).tolist() == []


def test_an_image_of_no_entry_and_of_no_index_has_no_part_in_a_condition(
    generation: Generation, columns: ImageColumns, tmp_path: Path
) -> None:
    copy = shutil.copytree(generation.path, tmp_path / "copy")
    (copy / WORDS).chmod(0o600)
    with closing(sqlite3.connect(copy / WORDS)) as words, words:
        words.row_factory = sqlite3.Row
        row = dict(words.execute("SELECT * FROM images LIMIT 1").fetchone()) | {"image_id": -1, "slug": "gone"}
        words.execute(f"INSERT INTO images ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))

    condition = Range("colours", at_least=20)
    with closing(ServingStore(copy, generation.number)) as store:
        found = store.columns.mask(condition)

    assert (found == columns.mask(condition)).all()
