"""Which collection on a server is written to and which is searched: aliases, a rebuild beside, snapshots, deletion."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from ogaart.resources.index.base import IndexBroken, IndexUnreachable, Point, VectorIndex, collection_name
from ogaart.resources.index.factory import delete_index, delete_unused, discard_index, open_index, publish_index
from ogaart.resources.index.server_collections import IN_SERVICE
from ogaart.resources.index.server_requests import connect
from ogaart.settings import Settings
from ogaart_tests.qdrant_server import REAL, server_settings
from ogaart_tests.qdrant_stub import QdrantStub

SPACE = "vgg16-397923af-grey-squash-1"
NAME = collection_name(SPACE)
DIMENSION = 8
NOWHERE = Path("unused")


class Served:
    """A server, and one space on it."""

    def __init__(self, settings: Settings, space: str) -> None:
        self.settings, self.space, self.name = settings, space, collection_name(space)
        self.client: QdrantClient = connect(settings, 60)

    def open(self, **how: bool) -> VectorIndex:
        return open_index(self.settings, NOWHERE, self.space, DIMENSION, **how)

    def write(self, *ids: int) -> None:
        with self.open() as index:
            index.upsert([Point(i, np.full(DIMENSION, 0.5, np.float32), {"slug": "a"}) for i in ids])

    def searched(self) -> list[int]:
        with self.open(read_only=True, published=True) as index:
            return list(index.ids())

    def written(self) -> list[int]:
        with self.open(read_only=True) as index:
            return list(index.ids())

    def discard(self) -> None:
        discard_index(self.settings, NOWHERE, self.space)

    def publish(self) -> None:
        publish_index(self.settings, self.space)

    def collections(self) -> list[str]:
        names = [one.name for one in self.client.get_collections().collections]
        return sorted(name for name in names if name.startswith(self.name))

    def aliases(self) -> dict[str, str]:
        found = self.client.get_aliases().aliases
        return {one.alias_name: one.collection_name for one in found if one.collection_name.startswith(self.name)}


@pytest.fixture(params=["server", REAL])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with server_settings(request.param, SPACE) as (settings, space):
        yield Served(settings, space)


@pytest.fixture
def stub() -> Iterator[QdrantStub]:
    with QdrantStub() as running:
        yield running


def on(stub: QdrantStub, **changes: object) -> Served:
    return Served(Settings(qdrant_url=stub.url, backoff=0.001, **changes), SPACE)  # type: ignore[arg-type]


def test_the_first_collection_is_the_one_that_is_searched(served: Served) -> None:
    served.write(1, 2)

    assert served.searched() == [1, 2]
    assert served.collections() == [served.name]
    assert set(served.aliases().values()) == {served.name}


def test_a_rebuild_fills_a_collection_beside_the_one_that_is_searched(served: Served) -> None:
    served.write(1, 2)
    with closing(served.open(read_only=True, published=True)) as opened_before:
        served.discard()
        with pytest.raises(IndexBroken, match="run the qdrant_collection asset"):
            served.written()
        served.write(1, 3)

        assert (served.written(), served.searched(), list(opened_before.ids())) == ([1, 3], [1, 2], [1, 2])

        served.publish()
        delete_unused(served.settings, served.space)

        assert (served.searched(), list(opened_before.ids())) == ([1, 3], [1, 3])
    [left] = served.collections()
    assert left != served.name
    assert served.aliases() == {f"{served.name}.working": left, f"{served.name}.published": left, IN_SERVICE: left}


def test_a_rebuild_that_is_begun_again_leaves_nothing_behind(served: Served) -> None:
    served.write(1)
    for number in (2, 3):  # the first was killed after it had begun
        served.discard()
        served.write(number)
    served.discard()  # and the last one before it had
    served.write(4)

    served.publish()
    delete_unused(served.settings, served.space)

    assert served.searched() == [4]
    assert len(served.collections()) == 1


def test_a_collection_without_aliases_is_read_and_named_by_its_next_writer(served: Served) -> None:
    vectors = {"vgg16": models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)}
    served.client.create_collection(served.name, vectors_config=vectors)
    served.client.upsert(served.name, [models.PointStruct(id=7, vector={"vgg16": [0.5] * DIMENSION}, payload={})])
    assert served.searched() == served.written() == [7]

    served.write(8)

    assert served.searched() == [7, 8]
    assert set(served.aliases()) == {f"{served.name}.working", f"{served.name}.published"}


def test_a_collection_without_aliases_is_rebuilt_beside_too(served: Served) -> None:
    vectors = {"vgg16": models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)}
    served.client.create_collection(served.name, vectors_config=vectors)

    served.discard()
    served.write(9)

    assert (served.searched(), served.written()) == ([], [9])


def test_deleting_a_space_leaves_other_spaces_alone(served: Served) -> None:
    other = Served(served.settings, f"{served.space}-2")
    served.write(1)
    served.discard()
    served.write(2)
    other.write(5)

    delete_index(served.settings.model_copy(update={"qdrant_snapshots": False}), served.space)

    assert other.searched() == [5]
    assert served.collections() == other.collections()
    delete_index(served.settings.model_copy(update={"qdrant_snapshots": False}), other.space)
    assert served.collections() == []


def test_discarding_what_is_not_there_does_nothing(served: Served) -> None:
    served.discard()

    assert (served.collections(), served.aliases()) == ([], {})


def test_a_snapshot_is_made_of_each_collection_that_has_points_before_it_is_deleted(stub: QdrantStub) -> None:
    served = on(stub)
    served.write(1, 2)
    served.discard()
    served.write()
    deleted_after: list[int] = []
    stub.fault = lambda method, what: (
        deleted_after.append(len(stub.snapshots)) if (method, what) == ("DELETE", "") else None
    )

    delete_index(served.settings, SPACE)

    assert stub.snapshots == [(NAME, 2)]
    assert deleted_after == [1, 1]
    assert stub.collections == []


def test_without_a_snapshot_nothing_is_deleted_unless_the_setting_says_so(stub: QdrantStub) -> None:
    served = on(stub, attempts=1)
    served.write(1)
    stub.refuse_snapshots = True

    with pytest.raises(IndexUnreachable, match=r"no space left.*set OGAART_QDRANT_SNAPSHOTS=false"):
        delete_index(served.settings, SPACE)
    assert stub.collections == [NAME]

    delete_index(on(stub, qdrant_snapshots=False).settings, SPACE)
    assert stub.collections == []


@pytest.mark.parametrize("kind", ["lost", "unheard", "cut", "refused"])
def test_a_switch_whose_answer_is_lost_is_repeated(stub: QdrantStub, kind: str) -> None:
    served = on(stub)
    served.write(1)
    served.discard()
    served.write(2)
    failures = iter([kind])
    stub.fault = lambda _method, what: next(failures, None) if what == "/collections/aliases" else None

    served.publish()

    assert stub.faults[kind] == 1
    assert served.searched() == [2]
