"""The platform of a run: what setting it up does to the process."""

import gc
from pathlib import Path

import dagster as dg
import pytest

from ogaart.core.garbage import keep_out_of_collections
from ogaart.resources.platform import Platform


@pytest.fixture
def first_run() -> None:
    """As in a process that has had no run yet."""
    keep_out_of_collections.cache_clear()
    gc.unfreeze()


@pytest.mark.usefixtures("first_run")
def test_what_a_process_has_imported_is_not_looked_through_by_its_garbage_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path))
    counts = []

    @dg.op
    def count(platform: Platform) -> None:
        counts.append((gc.get_freeze_count(), len(gc.get_objects()), platform.stores.root.root))

    @dg.job(resource_defs={"platform": Platform()})
    def counting() -> None:
        count()

    before = len(gc.get_objects())
    counting.execute_in_process()

    [(kept_out, looked_through, root)] = counts
    assert root == tmp_path
    assert kept_out > 0.9 * before > 10 * looked_through
