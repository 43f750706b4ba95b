"""Tidying deletes what nothing refers to, after saying so, and nothing else."""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from ogaart.core.errors import SpaceInUse
from ogaart.operations import garbage_collection, run_history
from ogaart.orchestration.instance import open_instance
from ogaart.resources.site.fetch_record import FetchRecord
from ogaart.resources.site.partial_downloads import Head, PartialDownload
from ogaart.resources.storage.locks import Locked
from ogaart.resources.storage.schema import STEPS
from ogaart.resources.storage.vectors import Vectors
from ogaart_tests.content_digest import content_digest
from ogaart_tests.world import World


def _aged(path: Path, days: float) -> Path:
    moment = time.time() - days * 86_400
    os.utime(path, (moment, moment))
    return path


def found(report: object) -> dict[str, int]:
    return {row["what"]: row["items"] for row in report.rows}  # type: ignore[attr-defined]


def test_a_platform_fresh_from_work_has_nothing_to_tidy(copied: World) -> None:
    assert found(garbage_collection.collect(copied.settings)) == {}


def test_what_nothing_refers_to_is_listed_then_deleted(copied: World) -> None:
    stores = copied.stores
    stray = _aged(stores.blobs.path(stores.blobs.put(b"nobody knows me")), 2)
    recent = stores.blobs.path(stores.blobs.put(b"my record is still to come"))
    gone = f"{copied.site.base}/content/left-long-ago"
    page = stores.blobs.put(b"its page")
    _aged(stores.blobs.path(page), 30)
    old = datetime.now(UTC) - timedelta(days=30)
    fetches = stores.fetch_records
    fetches.write(FetchRecord(gone, gone, 200, page, 8, None, None, None, None, 1, old, old))
    shard = stores.root.index / copied.generation.manifest["space"] / "broken-0123"
    (shard / "deep").mkdir(parents=True)
    draft = stores.root.tables / ".tmp-999999999-0000.parquet"
    draft.write_bytes(b"torn")
    steps = stores.tables.path(STEPS, "raw_files", "2d-art/0000")
    stores.tables.commit("raw_files", "2d-art/0000", {"steps": stores.tables.read(STEPS, "2d-art/0000", "raw_files")})
    _aged(steps, 1)
    before = content_digest(copied.generation)

    listed = found(garbage_collection.collect(copied.settings))

    assert listed == {"fetch records": 1, "blobs": 2, "broken shards": 1, "temporary files": 1,
                      "superseded tables and packs": 1}  # fmt: skip
    assert stray.exists()
    assert draft.exists()
    garbage_collection.collect(copied.settings, delete=True)
    assert not any(path.exists() for path in (stray, shard, draft, steps, stores.blobs.path(page)))
    assert recent.exists()
    assert found(garbage_collection.collect(copied.settings)) == {}
    assert content_digest(copied.generation) == before
    before_requests = len(copied.site.requests)
    assert all(row["new"] + row["stale"] == 0 for row in copied.materialize(["2d-art/0000"]).rows)
    assert len(copied.site.requests) == before_requests


def test_vectors_of_pictures_that_no_row_knows_go_and_the_others_stay(copied: World) -> None:
    space = copied.generation.manifest["space"]
    vectors = Vectors(copied.stores.root.vectors, space)
    held = vectors.keys()
    first = vectors.get(sorted(held)[:1])
    vectors.add(["f" * 64], np.ones((1, first.shape[1]), np.float32))

    assert found(garbage_collection.collect(copied.settings)) == {f"vectors of {space}": 1}
    garbage_collection.collect(copied.settings, delete=True)

    kept = Vectors(copied.stores.root.vectors, space)
    assert kept.keys() == held
    assert np.array_equal(kept.get(sorted(held)[:1]), first)


def test_what_only_the_objects_tell_of_is_kept(copied: World) -> None:
    """The database of state is one of before: by its pointers a partition was never embedded."""
    vectors = Vectors(copied.stores.root.vectors, copied.generation.manifest["space"])
    held = vectors.keys()
    shutil.rmtree(copied.stores.root.generations)  # a publication would name the pictures as well
    with closing(sqlite3.connect(copied.settings.data / "state.db")) as state, state:
        assert state.execute("DELETE FROM pointers WHERE partition = '2d-art/0002'").rowcount > 0

    listed = found(garbage_collection.collect(copied.settings))
    garbage_collection.collect(copied.settings, delete=True)

    assert not [what for what in listed if what.startswith("vectors")]
    assert Vectors(vectors.folder.parent, vectors.space).keys() == held


def test_a_space_goes_only_where_nothing_uses_it(copied: World) -> None:
    vectors = Vectors(copied.stores.root.vectors, "old-model-0-grey-squash-1")
    vectors.add(["a" * 64], np.ones((1, 8), np.float32))

    with pytest.raises(SpaceInUse, match="is in use"):
        garbage_collection.collect(copied.settings, space=copied.generation.manifest["space"])
    with pytest.raises(SpaceInUse, match="unknown space 'other'"):
        garbage_collection.collect(copied.settings, space="other")
    garbage_collection.collect(copied.settings, delete=True, space=vectors.space)

    assert not vectors.folder.exists()


def test_nothing_is_deleted_while_a_run_is_in_progress(copied: World) -> None:
    with open_instance(copied.settings) as instance:
        instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.STARTED)

        with pytest.raises(Locked, match="1 runs are queued or in progress"):
            garbage_collection.collect(copied.settings, delete=True)


@pytest.mark.slow
def test_old_runs_go_but_every_partition_stays_materialized(copied: World) -> None:
    copied.materialize(["2d-art/0000"])
    copied.materialize(["2d-art/0000"], ("search_pages",))
    home = copied.settings.data / "dagster" / "history" / "runs"
    with open_instance(copied.settings) as instance:
        before = {run.run_id for run in instance.get_runs()}
        materialized = _materialized(instance)
        running = instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.STARTED).run_id
    (home / "0d1e2f3a-0000-4000-8000-000000000000.db").write_bytes(b"left behind")

    listed = run_history.collect(copied.settings, keep=0)
    report = run_history.collect(copied.settings, keep=0, delete=True)

    assert found(listed) == found(report)
    assert found(report)["runs"] == 2  # the sweep, and the partition's first: every asset of it has run again since
    assert found(report)["files of deleted runs"] == 1
    with open_instance(copied.settings) as instance:
        after = {run.run_id for run in instance.get_runs()}
        assert running in after
        assert len(before - after) == 2
        assert _materialized(instance) == materialized
    assert {path.name.split(".db")[0] for path in home.glob("*-*.db")} <= after
    assert found(run_history.collect(copied.settings, keep=0))["runs"] == 0


def _job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def idle() -> None:
        nothing()

    return idle


def _materialized(instance: dg.DagsterInstance) -> dict[str, set[str]]:
    return {
        key.to_user_string(): set(instance.get_materialized_partitions(key))
        for key in (record.asset_entry.asset_key for record in instance.get_asset_records())
    }


def test_partial_downloads_that_nothing_resumes_are_deleted_and_the_others_stay(copied: World) -> None:
    site = copied.stores.root.site
    old, recent, in_use = (_partial(site, copied.site.base + f"/{name}.zip") for name in ("old", "recent", "in-use"))
    for path in (*old, *in_use):
        _aged(path, 60)

    with copied.stores.fetch_records.hold(copied.site.base + "/in-use.zip"):
        listed = found(garbage_collection.collect(copied.settings))
        garbage_collection.collect(copied.settings, delete=True)

    assert listed == {"abandoned partial downloads": 4}
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in (*recent, *in_use))


def test_a_run_begins_by_deleting_abandoned_partial_downloads(copied: World) -> None:
    site = copied.stores.root.site
    old, recent = (_partial(site, copied.site.base + f"/{name}.zip") for name in ("old", "recent"))
    for path in old:
        _aged(path, 60)

    copied.materialize(["2d-art/0000"], ("search_pages",))

    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in recent)


def _partial(site: Path, url: str) -> tuple[Path, Path]:
    """A download of ``url`` that broke off: its bytes and its head."""
    partial = PartialDownload(site / "partial", url)
    partial.begin(Head(url, url, '"tag"', None, None, None, 100))
    partial.fill(iter([b"half of it"]))
    return partial.path, partial.path.with_suffix(".json")
