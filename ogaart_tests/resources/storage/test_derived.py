"""Derived bytes: what went in comes out, damage is known by the name, and what is not kept goes."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.segments import SegmentDamaged
from ogaart_tests.descriptors import files_left


def key(number: int) -> str:
    return f"{number:064x}"


def test_bytes_of_any_length_come_back_by_key(tmp_path: Path) -> None:
    stored = DerivedBytes(tmp_path, "parts-1")
    stored.add({key(1): b"one", key(2): b"", key(3): bytes(5000)})
    stored.add({key(4): b"four"})

    found = DerivedBytes(tmp_path, "parts-1").get([key(4), key(2), key(9), key(3)])

    assert found == {key(2): b"", key(3): bytes(5000), key(4): b"four"}
    assert DerivedBytes(tmp_path, "parts-2").keys() == set()


def test_more_than_a_segment_becomes_several(tmp_path: Path) -> None:
    names = DerivedBytes(tmp_path, "parts-1").add({key(i): bytes([i % 256]) for i in range(1030)})

    assert len(set(names)) == 3
    assert len(DerivedBytes(tmp_path, "parts-1").keys()) == 1030


def test_a_rotten_segment_is_ignored_and_its_pictures_count_as_absent(tmp_path: Path) -> None:
    stored = DerivedBytes(tmp_path, "parts-1")
    [name] = stored.add({key(1): os.urandom(5000)})
    stored.add({key(2): b"sound"})
    path = stored.folder / name
    content = path.read_bytes()
    path.write_bytes(content[:2500] + bytes([content[2500] ^ 1]) + content[2501:])
    again = DerivedBytes(tmp_path, "parts-1")

    with pytest.raises(SegmentDamaged):
        again.get([key(1)])

    assert again.keys() == {key(2)}
    assert list(again.damaged) == [name]


def test_a_segment_without_its_columns_is_damaged(tmp_path: Path) -> None:
    stored = DerivedBytes(tmp_path, "parts-1")
    [name] = stored.add({key(1): b"one"})
    pq.write_table(pa.table({"other": [1]}), stored.folder / name)
    again = DerivedBytes(tmp_path, "parts-1")

    assert again.keys() == set()
    assert list(again.damaged) == [name]


def test_what_is_not_kept_goes_and_the_rest_stays(tmp_path: Path) -> None:
    stored = DerivedBytes(tmp_path, "parts-1")
    stored.add({key(i): b"x%d" % i for i in range(4)})

    removed = stored.gc({key(1), key(3)})

    assert removed == 1
    assert DerivedBytes(tmp_path, "parts-1").get([key(i) for i in range(4)]) == {key(1): b"x1", key(3): b"x3"}


def test_a_process_that_may_open_no_more_files_says_nothing_of_the_segment(tmp_path: Path) -> None:
    stored = DerivedBytes(tmp_path, "parts-1")
    stored.add({key(1): b"one"})
    store = DerivedBytes(tmp_path, "parts-1")
    assert store.keys() == {key(1)}

    with files_left(0), pytest.raises(OSError, match="Too many open files"):
        store.get([key(1)])

    assert store.damaged == {}
    assert store.get([key(1)]) == {key(1): b"one"}
