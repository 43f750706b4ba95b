"""What a point's payload is where the ledger does not tell it: of entries that went from partition to partition."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from ogaart.core.fault_injection import Fault
from ogaart.core.stages import PARTITION_STAGES, Stage
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import Point
from ogaart.resources.index.collection import Collection
from ogaart.resources.index.edge import EdgeIndex
from ogaart.resources.index.payload import payload_hash
from ogaart.resources.index.reconciliation import Eligible, doubt, reconcile
from ogaart.resources.index.unproven_points import UnprovenPoints, ids_of
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import intact_facts
from ogaart.resources.state.schema import FACTS
from ogaart.resources.storage.schema import IMAGES
from ogaart.settings import Settings
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import PER_PAGE, entry
from ogaart_tests.world import World, open_world

A, B = "2d-art/0000", "2d-art/0001"
MOVING = "entry-04"
POINTS_STEP = PARTITION_STAGES.index(Stage.QDRANT_COLLECTION) + 1


def payloads(world: World, slug: str) -> list[Mapping[str, Any]]:
    """What the collection has of an entry's pictures."""
    with closing(world.stores) as stores:
        rows = [row for key in (A, B) for row in stores.tables.read(IMAGES, key) if row["slug"] == slug]
        with Collection(stores, VectorSpace.of(stores.settings)).writer() as index:
            return [point.payload for point in index.retrieve(sorted({row["image_id"] for row in rows}))]


def unproven(world: World) -> int:
    with closing(world.stores) as stores:
        return len(ids_of(UnprovenPoints(stores.state, VectorSpace.of(stores.settings).name).read()))


def licences(world: World, slug: str) -> list[Any]:
    return [payload["licences"] for payload in payloads(world, slug)]


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """Two pages of three entries each, published; the first entry of the second page is about to move."""
    site = ChangingSite()
    site.site.entries[:] = [entry(number) for number in range(1, 7)]
    with open_world(tmp_path, site) as world:
        query = f'[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = {PER_PAGE}\n'
        world.settings.queries.write_text(query)
        world.all()
        yield world


def read_page(world: World, key: str, **environment: str) -> int:
    """``ogaart refresh KEY``, in a process of its own; its exit code."""
    command = [sys.executable, "-c", "from ogaart.cli.main import main; main()", "refresh", key, "--no-publish"]
    return subprocess.run(command, env=os.environ | environment, start_new_session=True, check=False).returncode


def test_a_publication_forgets_nothing_of_the_collections_of_other_spaces(tmp_path: Path) -> None:
    state = StateDatabase(Settings(data=tmp_path))
    published, other = UnprovenPoints(state, "tiny-1"), UnprovenPoints(state, "tiny-10")
    published.note(A, [1, 2])
    other.note(A, [3])
    read = published.read()
    published.note_set([2])

    published.settle(read)

    assert ids_of(read).tolist() == [1, 2]
    assert (ids_of(published.read()).tolist(), ids_of(other.read()).tolist()) == ([2], [3])
    state.close()


def test_notes_are_complete_once_all_points_were_looked_at_and_until_one_may_be_lost(tmp_path: Path) -> None:
    state = StateDatabase(Settings(data=tmp_path))
    points = UnprovenPoints(state, "tiny-1")
    assert not points.are_all_known()  # a new database, of a collection that may be there already
    points.settle(points.read())
    assert points.are_all_known()
    points.note(A, [1, 2])

    with state.writing() as connection:
        connection.execute(sa.update(FACTS).where(FACTS.c.name == f"tiny-1 {A}").values(content=b"{}"))

    assert not points.are_all_known()
    points.note(A, [3])  # in the place of the damaged row
    assert (ids_of(points.read()).tolist(), points.are_all_known()) == ([3], False)
    points.settle(points.read())
    assert points.are_all_known()
    assert intact_facts(state) == []  # of what is put back into another database nothing says so
    state.close()


def test_points_in_doubt_are_looked_at_and_set_where_they_differ(tmp_path: Path) -> None:
    vector = np.eye(8, dtype=np.float32)[0]
    payloads = {1: {"slug": "oak"}, 2: {"slug": "elm"}}
    rows = [Eligible(i, "", row, frozenset({payload_hash(row)})) for i, row in payloads.items()]
    noted: list[Sequence[int]] = []
    with EdgeIndex(tmp_path / "index", "tiny-1", 8) as index:
        index.upsert([Point(1, vector, {"slug": "oak"}), Point(2, vector, {"slug": "fir"})])
        held = np.array([1, 2], np.int64)

        trusted = reconcile(index, rows, held)
        doubted = reconcile(index, doubt(rows), held, note=noted.append)

        assert (trusted.payload_updated.tolist(), doubted.payload_updated.tolist()) == ([], [2])
        assert [point.payload for point in index.retrieve([1, 2])] == [{"slug": "oak"}, {"slug": "elm"}]
        assert noted == []  # the ledger tells both
        moved = [replace(row, payload={"slug": "ash"}) for row in rows]
        assert reconcile(index, moved, held, note=noted.append).payload_updated.tolist() == [1, 2]
    assert noted == [[1, 2]]


@pytest.mark.slow
def test_an_entry_that_another_page_read_last_and_gave_up_has_the_payload_of_its_rows(world: World) -> None:
    first = world.site.delete("entry-01")  # the entry moves to the first page, which reads it with another licence
    world.site.edit(MOVING, licences=["GPL 3.0"])
    world.discover(refresh=True)
    assert read_page(world, A) == 0
    assert (licences(world, MOVING), unproven(world)) == ([["GPL 3.0"]] * 2, 0)  # two rows, which differ
    world.site.add_entry(first)  # it moves back; what the second page has of it is from before
    world.discover(refresh=True)
    assert read_page(world, A) == 0
    assert unproven(world) == 2

    world.publish(accept_losses=True)

    assert world.sql(f"SELECT licences, partition FROM entries WHERE slug = '{MOVING}'") == [(["CC0"], B)]
    assert licences(world, MOVING) == [["CC0"]] * 2
    assert unproven(world) == 0


@pytest.mark.slow
def test_points_that_a_killed_step_has_changed_get_the_payload_of_their_rows(world: World) -> None:
    world.site.edit(MOVING, licences=["GPL 3.0"])
    assert read_page(world, B, OGAART_FAULT=Fault.INDEX_FLUSHED) == -signal.SIGKILL
    assert licences(world, MOVING) == [["GPL 3.0"]] * 2
    world.site.edit(MOVING, licences=["CC0"])  # the rows are again those of which the ledger tells
    assert read_page(world, B) == 0
    assert unproven(world) > 0

    world.publish()

    assert licences(world, MOVING) == [["CC0"]] * 2
    assert unproven(world) == 0


@pytest.mark.slow
def test_points_that_a_publication_has_changed_before_their_step_get_the_payload_of_their_rows(world: World) -> None:
    world.site.edit(MOVING, licences=["GPL 3.0"])
    assert read_page(world, B, OGAART_FAULT=f"{Fault.SLOT_TAKEN}:{POINTS_STEP}") == -signal.SIGKILL
    world.publish()
    assert licences(world, MOVING) == [["GPL 3.0"]] * 2  # the ledger still tells of what the step had stored before
    world.site.edit(MOVING, licences=["CC0"])
    assert read_page(world, B) == 0

    world.publish()

    assert licences(world, MOVING) == [["CC0"]] * 2
    assert unproven(world) == 0


@pytest.mark.slow
def test_where_the_notes_are_lost_with_the_database_all_points_get_the_payload_of_their_rows(world: World) -> None:
    world.site.edit(MOVING, licences=["GPL 3.0"])
    assert read_page(world, B, OGAART_FAULT=Fault.INDEX_FLUSHED) == -signal.SIGKILL
    world.site.edit(MOVING, licences=["CC0"])
    for path in world.settings.data.glob("state.db*"):
        path.unlink()
    assert read_page(world, B) == 0
    assert (licences(world, MOVING), unproven(world)) == ([["GPL 3.0"]] * 2, 0)

    world.publish()

    assert licences(world, MOVING) == [["CC0"]] * 2
