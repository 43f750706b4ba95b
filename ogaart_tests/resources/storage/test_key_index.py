"""The file of keys: where each row lies, without reading every segment's key column."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ogaart.resources.storage import segments
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.key_index import FILE, KeyIndex
from ogaart.resources.storage.vectors import SegmentDamaged, Vectors
from ogaart_tests.descriptors import files_left

SPACE = "model-1"
FLIPS = range(0, 100, 9)


def some_keys(count: int, start: int = 0) -> list[str]:
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(start, start + count)]


def some_vectors(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The segments whose key column is read; the file is written from 100 new rows on."""
    monkeypatch.setattr(segments, "_LEAST_NEW", 100)
    names: list[str] = []
    original = Vectors._read_locations

    def noting(store: Vectors, name: str) -> object:
        names.append(name)
        return original(store, name)

    monkeypatch.setattr(Vectors, "_read_locations", noting)
    return names


def test_a_later_process_reads_the_file_instead_of_the_segments(tmp_path: Path, read: list[str]) -> None:
    keys, matrix = some_keys(1500), some_vectors(1500)
    writer = Vectors(tmp_path, SPACE)
    names = writer.add(keys, matrix)
    (late,) = Vectors(tmp_path, SPACE).add(some_keys(20, start=5000), some_vectors(20))  # too few to write it again
    read.clear()

    later = Vectors(tmp_path, SPACE)
    places = later.locate([*keys, *some_keys(5, start=9000)])

    assert read == [late]
    assert places == writer.locate(keys)
    assert (places[keys[600]].segment, places[keys[600]].row) == (names[1], 88)
    assert later.keys() == {*keys, *some_keys(20, start=5000)}
    assert np.array_equal(later.get(keys), writer.get(keys))


@pytest.mark.parametrize("percent", FLIPS)
def test_a_rotten_file_counts_as_missing(tmp_path: Path, read: list[str], percent: int) -> None:
    keys = some_keys(200)
    names = Vectors(tmp_path, SPACE).add(keys, some_vectors(200))
    path = tmp_path / SPACE / FILE
    content = bytearray(path.read_bytes())
    content[len(content) * percent // 100] ^= 0x20
    path.write_bytes(content)
    read.clear()

    found = Vectors(tmp_path, SPACE).locate(keys)

    assert {key: (place.segment, place.row) for key, place in found.items()} == {
        key: (names[0], row) for row, key in enumerate(keys)
    }
    assert KeyIndex.read(path.parent) is None or read == []  # a flip that no row depends on, such as one of a date


def test_a_cut_file_counts_as_missing(tmp_path: Path, read: list[str]) -> None:
    keys = some_keys(200)
    Vectors(tmp_path, SPACE).add(keys, some_vectors(200))
    path = tmp_path / SPACE / FILE
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])

        assert Vectors(tmp_path, SPACE).keys() == set(keys)


def test_segments_that_changed_their_size_or_went_are_not_believed(tmp_path: Path, read: list[str]) -> None:
    keys = some_keys(1500)
    first, second, _ = Vectors(tmp_path, SPACE).add(keys, some_vectors(1500))
    (tmp_path / SPACE / first).write_bytes((tmp_path / SPACE / first).read_bytes()[:-3])
    (tmp_path / SPACE / second).unlink()

    store = Vectors(tmp_path, SPACE)

    assert store.keys() == set(keys[1024:])
    assert list(store.damaged) == [first]
    assert store.locate(keys[:1024]) == {}


def test_a_key_of_a_rotten_segment_is_found_in_another(tmp_path: Path, read: list[str]) -> None:
    keys = some_keys(150)
    Vectors(tmp_path, SPACE).add(keys[:100], some_vectors(100))
    Vectors(tmp_path, SPACE).add(keys[50:], some_vectors(100, seed=2))
    store = Vectors(tmp_path, SPACE)
    chosen = store.locate([keys[75]])[keys[75]].segment
    content = bytearray((tmp_path / SPACE / chosen).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / SPACE / chosen).write_bytes(content)

    with pytest.raises(SegmentDamaged):
        store.get([keys[75]])

    other = store.locate([keys[75]])[keys[75]]
    assert other.segment != chosen
    assert store.get([keys[75]]).shape == (1, 8)


def test_rows_that_gc_removed_are_gone_from_the_file_too(tmp_path: Path, read: list[str]) -> None:
    keys = some_keys(700)
    store = Vectors(tmp_path, SPACE)
    store.add(keys, some_vectors(700))

    store.gc(keep=set(keys[:30]))

    assert store.keys() == set(keys[:30])
    assert Vectors(tmp_path, SPACE).keys() == set(keys[:30])


def test_derived_bytes_have_one_too(tmp_path: Path, read: list[str]) -> None:
    contents = {key: key.encode() for key in some_keys(300)}
    DerivedBytes(tmp_path, "parts-1").add(contents)

    later = DerivedBytes(tmp_path, "parts-1")

    assert (tmp_path / "parts-1" / FILE).exists()
    assert later.get(list(contents)[40:45]) == dict(list(contents.items())[40:45])
    assert later.keys() == contents.keys()


def test_rows_are_found_a_segment_at_a_time_in_the_file_and_beside_it(tmp_path: Path, read: list[str]) -> None:
    older, newer = some_keys(1500), some_keys(20, start=5000)
    Vectors(tmp_path, SPACE).add(older, some_vectors(1500))
    Vectors(tmp_path, SPACE).add(newer, some_vectors(20))  # too few to write the file again
    store = Vectors(tmp_path, SPACE)
    keys = [*newer[5:], *some_keys(3, start=9000), *older[::-7], newer[7], older[3], older[3]]

    found = list(store.by_segment(keys))

    assert [name for name, _, _ in found] == sorted(store.names())
    assert all((np.diff(places) > 0).all() for _, places, _ in found)
    located = store.locate(keys)
    assert {(keys[n], name, row) for name, places, rows in found for n, row in zip(places, rows, strict=True)} == {
        (key, place.segment, place.row) for key, place in located.items()
    }
    assert sum(len(places) for _, places, _ in found) == len(keys) - 3


@pytest.mark.parametrize("held", [0, 3])
def test_of_no_keys_there_are_no_rows(tmp_path: Path, held: int) -> None:
    store = Vectors(tmp_path, SPACE)
    store.add(some_keys(held), some_vectors(held))

    assert list(store.by_segment([])) == []
    assert list(store.by_segment(some_keys(2, start=9000))) == []


def test_a_process_that_may_open_no_more_files_says_nothing_of_the_file(tmp_path: Path, read: list[str]) -> None:
    Vectors(tmp_path, SPACE).add(some_keys(200), some_vectors(200))
    path = tmp_path / SPACE / FILE

    with files_left(0), pytest.raises(OSError, match="Too many open files"):
        KeyIndex.is_damaged(path)

    assert not KeyIndex.is_damaged(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert KeyIndex.is_damaged(path)
