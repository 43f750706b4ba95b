"""Dagster's own files, torn: refused with the way out, which works and sends no request to the site."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.orchestration.instance import open_instance
from ogaart.resources.storage.data_root import DataRootRefused
from ogaart_tests.pipeline.test_changing_site import Days, days
from ogaart_tests.world import copy_world


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    """A small platform; its tests damage copies."""
    with days(tmp_path_factory.mktemp("whole"), 2) as few:
        few.world.all()
        yield few


@pytest.mark.slow
@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_a_torn_history_of_runs_is_refused_with_a_way_out_that_works(
    published: Days, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Days(copy_world(published.world, tmp_path / "data", monkeypatch.setenv))
    home = few.world.stores.root.dagster
    data = (home / name).read_bytes()
    for path in home.glob(f"{name}-*"):  # the log that would repair it
        path.unlink()
    (home / name).write_bytes(data[: len(data) // 2])

    with (
        pytest.raises(DataRootRefused, match=r"history of runs .* is damaged .* move .* away"),
        open_instance(few.world.settings),
    ):
        pass

    for folder in ("history", "schedules"):
        (home / folder).rename(tmp_path / folder)
    before = len(few.site.requests)
    rebuilt = CliRunner().invoke(main, ["rebuild", "catalog"])
    assert rebuilt.exit_code == 0, rebuilt.stderr
    assert len(few.site.requests) == before
    few.world.all()
    few.exact()
