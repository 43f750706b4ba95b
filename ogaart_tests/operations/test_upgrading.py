"""A data root of the first format, made by an earlier version and committed, opens and needs nothing made again."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.demo.server import DemoSite
from ogaart.operations.preconditions import add_stored_partitions
from ogaart.settings import Settings
from ogaart_tests.make_data_v1 import ARCHIVE, PORT, environment, small_site
from ogaart_tests.world import World

STALE: dict[str, str] = {"extracted_images": "reasons of failures: volumes of sets, encrypted members of RAR"}
"""Assets whose rules have changed since, with the reason: their rows are stale by intention."""


@pytest.fixture
def old_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / "dagster"))
    monkeypatch.setenv("OGAART_LISTING_HOURS", "1e6")  # its result pages are as old as the file
    with DemoSite(port=PORT, site=small_site()) as site:
        yield World(site, Settings())


@pytest.mark.slow
def test_a_data_root_of_the_first_format_is_unchanged_and_publishes(old_world: World) -> None:
    before = old_world.sql("SELECT image_id, slug FROM images ORDER BY 1")
    add_stored_partitions(old_world.stores)

    made = old_world.materialize()
    published = CliRunner().invoke(main, ["rebuild", "catalog"])

    assert made.errors == []
    assert published.exit_code == 0, published.output
    for row in made.rows:
        if row["asset"] not in STALE:
            assert (row["new"], row["stale"], row["orphaned"]) == (0, 0, 0), row
        assert (row.get("embedded", 0), row.get("upserted", 0)) == (0, 0) or row["asset"] in STALE, row
    assert old_world.site.requests == []
    assert old_world.sql("SELECT image_id, slug FROM images ORDER BY 1") == before
    assert len(before) >= 10


def test_it_is_small_enough_to_be_committed() -> None:
    assert ARCHIVE.stat().st_size < 300_000
