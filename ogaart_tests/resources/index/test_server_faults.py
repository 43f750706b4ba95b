"""The server home under faults: whatever is lost, repeated or cut, the points in the end are those that should be."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ogaart.resources.index.base import IndexUnreachable, Point, VectorIndex, collection_name
from ogaart.resources.index.factory import open_index
from ogaart.resources.index.payload import payload_hash
from ogaart.resources.index.reconciliation import Eligible, reconcile, repair
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings
from ogaart_tests.qdrant_stub import QdrantStub, seeded

SPACE = "vgg16-397923af-grey-squash-1"
NAME = collection_name(SPACE)
DIMENSION = 8
COUNT = 900
ALL = ("refused", "limited", "lost", "unheard", "cut", "read little")


@pytest.fixture
def stub() -> Iterator[QdrantStub]:
    with QdrantStub() as running:
        yield running


def opened(stub: QdrantStub, **changes: Any) -> VectorIndex:
    settings = Settings(qdrant_url=stub.url, **{"backoff": 0.001, "attempts": 5, "qdrant_timeout": 1, **changes})
    return open_index(settings, settings.data, SPACE, DIMENSION)


def vector(number: int) -> Any:
    value = np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32)
    return value / np.linalg.norm(value)


def payload(number: int) -> dict[str, Any]:
    return {"slug": f"entry-{number}", "width": number, "words": "a b"}


def points(count: int = COUNT) -> list[Point]:
    return [Point(number, vector(number), payload(number)) for number in range(1, count + 1)]


def holds(stub: QdrantStub, count: int = COUNT) -> None:
    """Exactly these points, each with its vector and its payload."""
    assert stub.ids(NAME) == list(range(1, count + 1))
    for record in stub.engine.retrieve(NAME, list(range(1, count + 1)), with_vectors=True):
        number = int(record.id)
        assert record.payload == payload(number)
        assert isinstance(record.vector, dict)
        assert np.dot(np.asarray(record.vector["vgg16"], np.float32), vector(number)) > 0.999


@pytest.mark.parametrize("kind", [*ALL, "slow"])
def test_each_fault_in_the_middle_of_upserts_changes_nothing(kind: str, stub: QdrantStub) -> None:
    index = opened(stub)
    seen = iter(range(1000))
    stub.fault = lambda method, what: kind if (method, what) == ("PUT", "points") and next(seen) in (1, 3) else None

    index.upsert(points())

    assert stub.faults[kind] == 2
    holds(stub)


@pytest.mark.parametrize("seed", range(4))
def test_a_third_of_all_requests_fail_and_everything_is_there(seed: int, stub: QdrantStub) -> None:
    stub.fault = seeded(seed, 0.3, ALL)
    index = opened(stub)

    index.upsert([*points(), Point(5000, vector(1), {"slug": "too much"})])
    index.upsert(points(50))  # again: a step that was killed does so
    index.delete([5000])
    index.set_payload({number: payload(number) for number in range(1, 400)})

    assert list(index.ids()) == list(range(1, COUNT + 1))
    assert sum(stub.faults.values()) > 3
    stub.fault = lambda _method, _what: None
    holds(stub)


def test_a_server_that_goes_away_fails_the_step_and_the_next_run_repairs_it(stub: QdrantStub) -> None:
    index = opened(stub, attempts=2)
    seen = iter(range(1000))
    stub.fault = lambda _method, what: "lost" if what == "points" and next(seen) >= 2 else None
    with pytest.raises(IndexUnreachable, match="attempt 2 of 2"):
        index.upsert(points())
    assert 0 < len(stub.ids(NAME)) < COUNT

    stub.fault = lambda _method, _what: None
    opened(stub).upsert(points())

    holds(stub)


UPSERT_FOR_EVER = """
import sys
from ogaart_tests.resources.index.test_server_faults import DIMENSION, SPACE, points
from ogaart.resources.index.factory import open_index
from ogaart.settings import Settings
settings = Settings(qdrant_url=sys.argv[1])
index = open_index(settings, settings.data, SPACE, DIMENSION)
print("begun", flush=True)
while True:
    index.upsert(points())
"""


def test_a_writer_that_is_killed_in_the_middle_of_a_batch(stub: QdrantStub) -> None:
    """The server has some batches, perhaps one whose answer was lost; the next run upserts all again."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", UPSERT_FOR_EVER, stub.url],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        while stub.asked["PUT points"] < 2:
            time.sleep(0.005)
        process.kill()

    opened(stub).upsert(points())

    holds(stub)


def eligible() -> list[Eligible]:
    return [
        Eligible(number, f"{number:064x}", payload(number), frozenset({payload_hash(payload(number))}))
        for number in range(1, COUNT + 1)
    ]


@pytest.mark.parametrize("faults", [False, True], ids=["quiet", "through faults"])
def test_an_acknowledged_write_that_was_lost_is_noticed_and_upserted_again(
    faults: bool, stub: QdrantStub, tmp_path: Path
) -> None:
    vectors = Vectors(tmp_path, SPACE)
    vectors.add([f"{n:064x}" for n in range(1, COUNT + 1)], np.stack([vector(n) for n in range(1, COUNT + 1)]))
    index = opened(stub)
    index.upsert([*points(), Point(9999, vector(0), {"slug": "an orphan"})])
    stub.forget(NAME, [3, 500, 501])
    if faults:
        stub.fault = seeded(1, 0.3, ALL)

    found = reconcile(index, eligible(), np.fromiter(index.ids(), np.int64))
    repaired = repair(index, eligible(), found.missing, vectors)

    assert (found.missing.tolist(), found.deleted.tolist(), repaired) == ([3, 500, 501], [9999], 3)
    stub.fault = lambda _method, _what: None
    holds(stub)


def test_a_server_that_lost_everything_gets_everything_again(stub: QdrantStub, tmp_path: Path) -> None:
    vectors = Vectors(tmp_path, SPACE)
    vectors.add([f"{n:064x}" for n in range(1, COUNT + 1)], np.stack([vector(n) for n in range(1, COUNT + 1)]))
    opened(stub).upsert(points())
    stub.engine.delete_collection(NAME)

    index = opened(stub)
    found = reconcile(index, eligible(), np.fromiter(index.ids(), np.int64))

    assert repair(index, eligible(), found.missing, vectors) == COUNT
    holds(stub)
