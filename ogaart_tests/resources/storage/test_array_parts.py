"""Arrays in parts: equal to one that is written whole, with files shared that did not change."""

import errno
import os
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ogaart.resources.storage.array_parts import IDS, PLACES, ArrayParts, RowKind, parts_in, to_merge, write_array

ROW = RowKind((2, 3), np.uint8)


def value(number: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(1, 255, ROW.shape, np.uint8)


class Store:
    """Rows of all numbers but multiples of ten; remembers which were read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __call__(self, ids: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        there = [number for number in reversed(ids.tolist()) if number % 10]
        self.read += there
        for start in range(0, len(there), 7):
            some = there[start : start + 7]
            yield np.array(some, np.int64), np.stack([value(number) for number in some])


def published(folder: Path, ids: list[int], previous: Path | None = None) -> tuple[ArrayParts, list[int]]:
    store = Store()
    write_array(folder, np.array(ids, np.int64), ROW, previous, store)
    return ArrayParts.open(folder, ROW), sorted(store.read)


def is_as_stored(found: ArrayParts) -> bool:
    return all((row == value(i) if i % 10 else row == 0).all() for i, row in zip(found.ids, found[:], strict=True))


def test_only_what_is_new_is_read_and_written(tmp_path: Path) -> None:
    ids = list(range(1, 100))
    first, _ = published(tmp_path / "1", ids)

    second, read = published(tmp_path / "2", [*ids[5:], 500, 501], tmp_path / "1")

    assert is_as_stored(first)
    assert is_as_stored(second)
    assert read == [501]  # 500 has no row, nor have 10, 20, ...
    [part] = [part for part in parts_in(tmp_path / "2", ROW) if len(part) > 1]
    assert (part.path / "values").samefile(tmp_path / "1" / part.path.name / "values")


def test_any_sequence_of_changes_has_the_rows_of_one_that_is_written_whole(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    ids: list[int] = []
    previous: Path | None = None
    for number in range(12):
        gone = set(chance.choice(ids, len(ids) // 4, replace=False).tolist()) if number % 3 == 2 else set()
        ids = sorted({*(set(ids) - gone), *chance.integers(1, 10_000, 20).tolist()})
        found, _ = published(tmp_path / str(number), ids, previous)
        previous = tmp_path / str(number)
        assert found.ids.tolist() == ids
        assert is_as_stored(found)
        assert found[[0, len(ids) - 1]].shape == (2, *ROW.shape)
        assert to_merge(sorted(len(part) for part in parts_in(previous, ROW))) == 0


def test_eight_parts_of_about_one_size_become_one(tmp_path: Path) -> None:
    ids: list[int] = list(range(1001, 1010))
    previous: Path | None = None
    parts = []
    for number in range(64):
        ids += [10 * number + digit for digit in range(1, 10)]
        published(tmp_path / str(number), sorted(ids), previous)
        previous = tmp_path / str(number)
        parts.append(len(parts_in(previous, ROW)))

    assert parts[:8] == [1, 2, 3, 4, 5, 6, 7, 1]
    assert max(parts) == 11
    assert sorted(len(part) for part in parts_in(tmp_path / "63", ROW))[-1] > 9 * 8
    assert is_as_stored(ArrayParts.open(tmp_path / "63", ROW))


def test_arrays_of_the_same_pictures_have_their_ids_once(tmp_path: Path) -> None:
    published(tmp_path / "one", [1, 2, 3])
    published(tmp_path / "other", [1, 2, 3])
    published(tmp_path / "fewer", [1, 2])

    assert (tmp_path / "one" / IDS).samefile(tmp_path / "other" / IDS)
    assert not (tmp_path / "one" / IDS).samefile(tmp_path / "fewer" / IDS)


def test_parts_that_cannot_be_read_are_written_again(tmp_path: Path) -> None:
    published(tmp_path / "1", list(range(1, 30)))
    [part] = parts_in(tmp_path / "1", ROW)
    (part.path / "values").write_bytes(b"short")

    found, _ = published(tmp_path / "2", list(range(1, 30)), tmp_path / "1")

    assert is_as_stored(found)


def swap_places(folder: Path) -> None:
    places = np.load(folder / PLACES)
    places["row"] = places["row"][::-1]
    np.save(folder / PLACES, places)


def lose_places(folder: Path) -> None:
    (folder / PLACES).unlink()


def lose_an_id(folder: Path) -> None:
    np.save(folder / IDS, np.load(folder / IDS)[1:])


def lose_first_part(folder: Path) -> None:
    shutil.rmtree(parts_in(folder, ROW)[0].path)


@pytest.mark.parametrize("harm", [swap_places, lose_places, lose_an_id, lose_first_part])
def test_places_that_are_not_of_the_parts_are_found_again(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    published(tmp_path / "1", list(range(1, 30)))
    published(tmp_path / "2", list(range(1, 50)), tmp_path / "1")
    harm(tmp_path / "2")

    found, read = published(tmp_path / "3", list(range(1, 60)), tmp_path / "2")

    assert is_as_stored(found)
    assert (read[0] == 51) == (harm is not lose_first_part)  # what is there is not read again


def test_what_rotted_is_not_copied_into_another_part(tmp_path: Path) -> None:
    ids: list[int] = []
    for number in range(7):
        ids += [number * 10 + digit for digit in range(1, 10)]
        published(tmp_path / str(number), ids, tmp_path / str(number - 1) if number else None)
    [part, *_] = [part for part in parts_in(tmp_path / "6", ROW) if 1 in part.ids]
    content = bytearray((part.path / "values").read_bytes())
    content[5] ^= 1
    (part.path / "values").write_bytes(content)

    found, read = published(tmp_path / "7", [*ids, *range(71, 80)], tmp_path / "6")

    assert len(parts_in(tmp_path / "7", ROW)) == 1
    assert is_as_stored(found)
    assert 1 in read


def test_what_rotted_is_not_copied_where_links_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published(tmp_path / "1", list(range(1, 50)))
    [part] = parts_in(tmp_path / "1", ROW)
    content = bytearray((part.path / "values").read_bytes())
    content[5] ^= 1
    (part.path / "values").write_bytes(content)

    def no_links(source: object, _target: object) -> None:
        raise PermissionError(errno.EPERM, "no links here", str(source))

    monkeypatch.setattr(os, "link", no_links)
    found, read = published(tmp_path / "2", list(range(1, 52)), tmp_path / "1")

    assert is_as_stored(found)
    assert len(set(read)) == 46  # all that have a row


def test_a_publication_may_have_no_pictures(tmp_path: Path) -> None:
    found, _ = published(tmp_path / "1", [])

    assert found.shape == (0, *ROW.shape)
    assert len(found[:]) == 0


def test_what_was_written_is_let_go(tmp_path: Path) -> None:
    """Ids are often a view of the batch that they came with; a publication would have all batches in memory."""
    batches: list[weakref.ref[NDArray[np.int64]]] = []
    kept: list[int] = []

    def stored(ids: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        for some in np.array_split(ids, 5):
            batch = np.zeros((len(some), 1_000), np.int64)
            batch[:, 0] = some
            batches.append(weakref.ref(batch))
            rows = np.stack([value(number) for number in some.tolist()])
            yield batch[:, 0], rows
            del batch
            kept.append(sum(one() is not None for one in batches))

    write_array(tmp_path / "1", np.arange(1, 51), ROW, None, stored)

    assert len(ArrayParts.open(tmp_path / "1", ROW)) == 50
    assert max(kept) <= 1  # the last one
