"""The working collection tells by its files whether anything happened to it since it was closed."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ogaart.core.states import RowState
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import Point
from ogaart.resources.index.collection import Collection
from ogaart.resources.platform import Stores
from ogaart.resources.storage.lock_names import collection_lock
from ogaart.resources.storage.locks import hold
from ogaart.settings import Settings
from ogaart_tests.descriptors import files_left
from ogaart_tests.world import World

SPACE = VectorSpace("space", "vgg16", 4)


def written(folder: Path) -> Collection:
    """A collection of one point, closed."""
    collection = Collection(Stores(Settings(data=folder)), SPACE)
    with collection.writer() as index:
        index.upsert([Point(1, np.full(4, 0.5, np.float32), {"slug": "a"})])
        index.flush()
    return collection


def largest(collection: Collection) -> Path:
    files = [path for path in (collection.folder / "shard").rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def append(path: Path) -> None:
    with path.open("ab") as out:
        out.write(b"x")


def test_a_collection_is_untouched_once_it_was_closed_and_opening_it_to_read_keeps_it_so(tmp_path: Path) -> None:
    collection = Collection(Stores(Settings(data=tmp_path)), SPACE)
    assert not collection.untouched()

    assert written(tmp_path).untouched()

    with collection.writer() as index:
        assert len(index.retrieve([1], with_payload=False)) == 1
    assert collection.untouched()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.unlink(), id="deleted"),
        pytest.param(append, id="longer"),
        pytest.param(lambda path: os.utime(path, (1, 1)), id="another time"),
        pytest.param(lambda path: (path.parent / "another").touch(), id="one more"),
    ],
)
def test_a_changed_file_is_noticed(change: Callable[[Path], object], tmp_path: Path) -> None:
    collection = written(tmp_path)

    change(largest(collection))

    assert not collection.untouched()


def test_a_writer_that_fails_leaves_a_touched_collection(tmp_path: Path) -> None:
    collection = written(tmp_path)

    def fail() -> None:
        with collection.writer() as index:
            index.upsert([Point(2, np.full(4, 0.5, np.float32), {"slug": "b"})])
            index.flush()
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()

    assert not collection.untouched()


def test_a_collection_without_its_name_or_on_a_server_is_opened(tmp_path: Path) -> None:
    collection = written(tmp_path)
    served = Settings(data=tmp_path, qdrant_url="http://127.0.0.1:9")
    assert not Collection(Stores(served), SPACE).untouched()

    (collection.folder / "identity.json").unlink()

    assert not collection.untouched()


def test_a_step_that_finds_nothing_changed_does_not_open_the_collection(copied: World) -> None:
    keys = [copied.materialize().rows[0]["partition"]]
    space = VectorSpace.of(copied.settings)

    with hold(collection_lock(copied.stores.root, space.name), timeout=1.0, what="the collection"):
        report = copied.materialize(keys, ("qdrant_collection",))

    assert not report.errors
    [row] = report.rows
    assert row["upserted"] == 0
    assert row[RowState.UNCHANGED] > 0


def test_a_process_that_may_open_no_more_files_leaves_the_collection_as_it_is(tmp_path: Path) -> None:
    collection = written(tmp_path)
    identity = collection.identity
    refused = []
    for number in range(8):
        try:
            with files_left(number), collection.writer():
                pass
        except OSError as cause:
            refused.append(cause.errno)

    assert set(refused) == {errno.EMFILE}
    assert collection.identity == identity
    with collection.writer() as index:
        assert index.count() > 0
    assert not list(collection.folder.glob("broken-*"))
