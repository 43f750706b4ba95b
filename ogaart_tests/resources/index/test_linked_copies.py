"""Copies of a shard share the files that the engine never writes to again, and nothing else."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ogaart.resources.index import edge, edge_types
from ogaart.resources.index.base import Point, VectorIndex
from ogaart.resources.index.disk_room import takes_blocks_by_reading
from ogaart.resources.index.edge import NEVER_WRITTEN, EdgeIndex
from ogaart.resources.index.filters import AnyOf, Condition, Ids, IndexFilter, NoneOf, NoWords, Range, Words
from ogaart.resources.index.payload import PAYLOAD_KEYS

SPACE, DIMENSION = "tiny-0-test-1", 64


def points(first: int, count: int) -> list[Point]:
    chance = np.random.default_rng(first)
    return [
        Point(n, chance.normal(size=DIMENSION).astype(np.float32), {"slug": f"entry-{n}", "width": n, "words": "tree"})
        for n in range(first, first + count)
    ]


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def inodes(folder: Path) -> dict[int, str]:
    return {path.stat().st_ino: path.name for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EdgeIndex]:
    """A shard with a sealed segment, which others have above 40 MB."""
    monkeypatch.setattr(edge_types, "INDEXING_KB", 1)
    opened = EdgeIndex(tmp_path / "shard", SPACE, DIMENSION)
    opened.upsert(points(1, 400))
    opened.flush()
    yield opened
    opened.close()


def test_nothing_that_the_engine_writes_to_is_shared(index: EdgeIndex, tmp_path: Path) -> None:
    index.copy_to(tmp_path / "one")
    before = hashes(tmp_path / "one")

    index.delete([3, 4])
    index.set_payload({5: {"slug": "another", "width": 9, "words": "rock"}})
    index.upsert(points(2, 3))
    index.upsert(points(1_000, 20))
    index.flush()
    index.copy_to(tmp_path / "two")
    with EdgeIndex(tmp_path / "two", SPACE, DIMENSION, read_only=True) as reader:
        assert reader.count() == 420
        assert reader.query(points(1_000, 1)[0].vector, limit=1)[0].id == 1_000

    assert hashes(tmp_path / "one") == before
    working, shared = inodes(index.path), inodes(tmp_path / "one")
    assert {name for inode, name in shared.items() if inode in working} <= NEVER_WRITTEN


def test_copies_of_a_sealed_segment_share_its_vectors(index: EdgeIndex, tmp_path: Path) -> None:
    index.copy_to(tmp_path / "one")
    index.delete([3])
    index.copy_to(tmp_path / "two")

    one, two = inodes(tmp_path / "one"), inodes(tmp_path / "two")
    assert {"matrix.dat", "quantized.data"} <= {name for inode, name in one.items() if inode in two}
    with EdgeIndex(tmp_path / "one", SPACE, DIMENSION, read_only=True) as reader:
        assert reader.count() == 400


def test_a_copy_has_no_payloads_and_answers_conditions_as_its_collection_does(index: EdgeIndex, tmp_path: Path) -> None:
    index.delete([3])
    index.set_payload({5: {"slug": "another", "width": 9, "words": "rock"}})
    index.upsert(points(1_000, 20))
    index.copy_to(tmp_path / "one")
    conditions: tuple[Condition, ...] = (
        AnyOf("slug", ("entry-7", "another", "entry-1003")), NoneOf("slug", ("entry-7",)), Range("width", above=390),
        AnyOf("width", (9,)), Words("words", "tree"), NoWords("words", "tree"), Ids(frozenset({5, 6})),
    )  # fmt: skip

    with EdgeIndex(tmp_path / "one", SPACE, DIMENSION, read_only=True) as copy:
        for condition in conditions:
            let_through = IndexFilter().where("condition", condition)
            found = [
                (home.count(let_through), home.facet("slug", let_through, limit=500),
                 home.query(points(7, 1)[0].vector, filter=let_through, limit=500, exact=exact))
                for home in (index, copy) for exact in (True, False)
            ]  # fmt: skip
            assert found[:2] == found[2:], condition
        assert {tuple(record.payload) for record in copy.retrieve(list(copy.ids()))} == {()}
        assert index.retrieve([5])[0].payload["slug"] == "another"
    taken = sum(file.stat().st_blocks for file in (tmp_path / "one").rglob("payload_storage/page_*.dat"))
    assert taken == 0 or takes_blocks_by_reading(tmp_path)


def test_a_key_that_an_earlier_version_did_not_index_is_indexed_before_a_copy_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    width = IndexFilter().where("width", AnyOf("width", (7,)))
    with monkeypatch.context() as earlier:
        keys = {key: kind for key, kind in PAYLOAD_KEYS.items() if key != "width"}
        earlier.setattr(edge, "PAYLOAD_KEYS", keys)
        with EdgeIndex(tmp_path / "shard", SPACE, DIMENSION) as before:
            before.upsert(points(1, 40))

    with EdgeIndex(tmp_path / "shard", SPACE, DIMENSION) as index:
        index.copy_to(tmp_path / "one")

    with EdgeIndex(tmp_path / "one", SPACE, DIMENSION, read_only=True) as copy:
        assert [hit.id for hit in copy.query(points(1, 1)[0].vector, filter=width, limit=40)] == [7]


def test_damage_of_a_shared_file_is_noticed_after_later_writes_too(index: EdgeIndex, tmp_path: Path) -> None:
    index.copy_to(tmp_path / "one")
    [matrix] = index.path.rglob("matrix.dat")
    index.delete([3])  # other hashes do not hold any more
    index.close()
    content = bytearray(matrix.read_bytes())
    content[-1] ^= 1
    matrix.chmod(0o600)
    matrix.write_bytes(content)

    assert [path.name for path, _ in EdgeIndex.damaged(tmp_path / "shard", SPACE)] == ["matrix.dat"]


def test_opening_a_collection_or_its_copy_changes_no_file(index: EdgeIndex, tmp_path: Path) -> None:
    """The engine applies its journals when it loads a shard, and what changed then was taken for damage."""
    index.close()
    writes: dict[str, Callable[[VectorIndex], None]] = {
        "deleted": lambda index: index.delete([3, 4]),
        "added": lambda index: index.upsert(points(1_000, 20)),
        "changed": lambda index: index.set_payload({5: {"slug": "another", "width": 9, "words": "rock"}}),
    }
    for name, write in writes.items():
        with EdgeIndex(tmp_path / "shard", SPACE, DIMENSION) as working:
            write(working)
            working.copy_to(tmp_path / name)
        copied = hashes(tmp_path / name)

        EdgeIndex(tmp_path / "shard", SPACE, DIMENSION).close()
        EdgeIndex(tmp_path / name, SPACE, DIMENSION, read_only=True).close()

        assert EdgeIndex.damaged(tmp_path / "shard", SPACE) == []
        assert hashes(tmp_path / name) == copied
