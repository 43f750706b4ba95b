"""Fused vectors of a publication: rows of which all is known are linked, all others are made again."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from ogaart.likeness import parts, subjects
from ogaart.likeness.projections import SUBJECT
from ogaart.likeness.subjects import Subject
from ogaart.resources.catalog.fused_files import FUSED, FUSED_INCOMPLETE, FUSED_SUBJECTS, FusedRows, fused_row
from ogaart.resources.catalog.fused_vectors import FusedSource, fresh_images, write_fused
from ogaart.resources.catalog.generations import HASHES
from ogaart.resources.embedding.projections import default_projection
from ogaart.resources.storage.array_parts import parts_in
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.file_hashes import record_hashes
from ogaart.resources.storage.vectors import Vectors

PROJECTION = default_projection()
ON_GROUND = {"c", "f"}


def raw(key: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.random.default_rng(ord(key)).integers(1, 255, parts.RAW_BYTES, np.uint8)


@pytest.fixture
def source(tmp_path: Path) -> FusedSource:
    return FusedSource(
        PROJECTION,
        Vectors(tmp_path / "vectors", "space"),
        DerivedBytes(tmp_path / "derived", parts.SPACE),
        DerivedBytes(tmp_path / "derived", subjects.SPACE),
    )


def know(source: FusedSource, keys: str, *, of_pixels: bool = True) -> None:
    """Store the vectors of pictures, and what is derived from their pixels."""
    width = next(block.matrix.shape[0] for block in PROJECTION.blocks if block.name == SUBJECT)
    vectors = np.stack([np.random.default_rng(ord(key)).normal(size=width) for key in keys]).astype(np.float32)
    source.vectors.add(list(keys), vectors)
    if of_pixels:
        derive(source, keys)


def derive(source: FusedSource, keys: str) -> None:
    source.parts.add({key: raw(key).tobytes() for key in keys})
    miniature = np.zeros((32, 32, 4), np.uint8)
    source.subjects.add(
        {key: Subject(9, 9, miniature, raw(key.upper())).to_bytes() if key in ON_GROUND else b"" for key in keys}
    )


def catalog(images: dict[int, str]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("CREATE TABLE images (image_id BIGINT, pixel_sha256 VARCHAR, indexed BOOLEAN)")
    con.executemany("INSERT INTO images VALUES (?, ?, true)", list(images.items()))
    return con


def publish(source: FusedSource, folder: Path, images: dict[int, str], shared: Path | None = None) -> int:
    folder.mkdir()
    con = catalog(images)
    found = write_fused(con, folder, source, shared)
    record_hashes(folder, folder / HASHES)
    if shared is not None:
        fresh = fresh_images(con, shared)
        assert fresh is not None
        assert fresh.tolist() == sorted(set(images) - set(whole(shared)))
    return int(found["with_parts"])


def whole(folder: Path) -> list[int]:
    return [int(i) for i in np.load(folder / FUSED / "ids.npy")]


def rows(folder: Path) -> tuple[list[int], np.ndarray[tuple[int, int], np.dtype[np.int8]]]:
    found = FusedRows.open(folder, PROJECTION.dimension)
    return found.ids.tolist(), found[np.arange(len(found))]


def linked(folder: Path, shared: Path, name: str) -> int:
    """How many rows of an array are in files of another publication."""
    some = parts_in(folder / name, fused_row(PROJECTION.dimension))
    return sum(len(one) for one in some if (shared / name / one.path.name).exists()
               and (one.path / "values").samefile(shared / name / one.path.name / "values"))  # fmt: skip


def test_rows_of_which_all_is_known_are_linked_and_all_equal_those_made_in_full(
    source: FusedSource, tmp_path: Path
) -> None:
    first, second, full = (tmp_path / name for name in ("first", "second", "full"))
    know(source, "abcdghijkm")
    know(source, "ef", of_pixels=False)
    images = {9: "a", 3: "b", 5: "c", 7: "d", 2: "a", 20: "g", 21: "h", 22: "i", 23: "j", 24: "k", 6: "f", 4: "e"}

    # b to k and twice a, and the second row of c; e and f have none yet, and so no second row
    assert publish(source, first, images) == 11
    assert rows(first)[0] == [2, 3, 4, 5, 5, 6, 7, 9, 20, 21, 22, 23, 24]
    assert np.load(first / FUSED_INCOMPLETE / "ids.npy").tolist() == [4, 6]

    derive(source, "f")
    images = {number: key for number, key in images.items() if number != 9} | {1: "m"}
    assert publish(source, second, images, first) == publish(source, full, images)

    assert rows(second)[0] == rows(full)[0] == [1, 2, 3, 4, 5, 5, 6, 6, 7, 20, 21, 22, 23, 24]
    assert np.array_equal(rows(second)[1], rows(full)[1])
    assert linked(second, first, FUSED) == 10  # 9 among them, which is not published any more
    assert np.load(second / FUSED_INCOMPLETE / "ids.npy").tolist() == [4]
    assert not linked(full, first, FUSED_SUBJECTS)


def test_the_rows_as_they_lie_are_those_of_their_places(source: FusedSource, tmp_path: Path) -> None:
    know(source, "abcdf")
    publish(source, tmp_path / "first", {9: "a", 3: "b", 5: "c", 7: "d", 8: "d"})
    publish(source, tmp_path / "second", {3: "b", 5: "c", 7: "d", 8: "d", 1: "f"}, tmp_path / "first")

    found = FusedRows.open(tmp_path / "second", PROJECTION.dimension)

    seen: dict[int, list[int]] = {}
    for places, values in found.blocks:
        seen |= {place: row.tolist() for place, row in zip(places.tolist(), values, strict=True) if place >= 0}
    assert sorted(seen) == list(range(len(found)))
    assert [seen[n] for n in range(len(found))] == found[np.arange(len(found))].tolist()
    assert len(np.unique(found[np.arange(len(found))], axis=0)) == len(found) - 1  # of d, two pictures


def test_what_cannot_be_read_is_made_again(source: FusedSource, tmp_path: Path) -> None:
    first = tmp_path / "first"
    know(source, "abcd")
    images = {1: "a", 2: "b", 3: "c", 4: "d"}
    publish(source, first, images)
    [part] = parts_in(first / FUSED, fused_row(PROJECTION.dimension))
    (part.path / "values").write_bytes(b"short")

    publish(source, tmp_path / "second", images, first)
    publish(source, tmp_path / "full", images)

    assert np.array_equal(rows(tmp_path / "second")[1], rows(tmp_path / "full")[1])


def test_a_picture_whose_parts_cannot_be_read_is_not_taken_over_as_it_is(source: FusedSource, tmp_path: Path) -> None:
    know(source, "abcd")
    [segment] = (tmp_path / "derived" / parts.SPACE).glob("segment-*.parquet")
    segment.write_bytes(segment.read_bytes()[:2_000])

    assert publish(source, tmp_path / "first", {1: "a", 2: "b"}) == 0
    assert whole(tmp_path / "first") == []


def test_another_projection_shares_nothing(source: FusedSource, tmp_path: Path) -> None:
    know(source, "abcd")
    images = {1: "a", 2: "b", 3: "c"}
    publish(source, tmp_path / "first", images)
    other = FusedSource(PROJECTION.without_subject(), source.vectors, source.parts, source.subjects)

    (tmp_path / "second").mkdir()

    assert write_fused(catalog(images), tmp_path / "second", other, tmp_path / "first")["with_parts"] == 4
    found = FusedRows.open(tmp_path / "second", other.projection.dimension)
    assert found.ids.tolist() == [1, 2, 3, 3]
    assert np.array_equal(found[np.arange(3)], rows(tmp_path / "first")[1][:3, PROJECTION.places[SUBJECT].stop :])
