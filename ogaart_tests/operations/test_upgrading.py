"""A data root of the first format, made by an earlier version and committed, opens and needs nothing made again."""

import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.operations.preconditions import add_stored_partitions
from ogaart.resources.moderation.takedowns import Takedowns, read_decisions
from ogaart.resources.moderation.visitor_reports import VisitorReports
from ogaart.resources.site.fetch_record import FetchRecord
from ogaart.resources.site.fetch_records import FetchRecords
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.schema import FACTS, LINES
from ogaart.resources.storage.rows import ImageRow
from ogaart.resources.storage.schema import IMAGES
from ogaart.settings import Settings
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.make_data_v1 import ARCHIVE, PORT, environment, small_site
from ogaart_tests.postgres import Postgres, postgres
from ogaart_tests.world import World

__all__ = ["postgres"]

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
    with ChangingSite(port=PORT, site=small_site()) as site:
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


def fetch_records(world: World) -> dict[str, FetchRecord]:
    with closing(world.stores) as stores:
        return {record.url: record for record in stores.fetch_records.all()}


def images(world: World) -> dict[str, list[ImageRow]]:
    with closing(world.stores) as stores:
        return {partition: stores.tables.read(IMAGES, partition) for partition in stores.tables.partitions(IMAGES)}


def test_what_versions_before_stored_is_upgraded_by_one_command(old_world: World) -> None:
    files = list((old_world.settings.data / "site" / "fetches").glob("*/*.json"))
    before = fetch_records(old_world)
    rows = images(old_world)
    tables = list((old_world.settings.data / "tables").rglob("*.parquet"))
    assert {path.is_symlink() for path in tables} == {False}

    tried, done, again = (CliRunner().invoke(main, ["upgrade", *words]) for words in (["--dry-run"], [], []))

    assert (tried.exit_code, done.exit_code, again.exit_code) == (0, 0, 0), done.output
    assert f"{len(files)}" in tried.stdout
    site = old_world.settings.data / "site"
    assert list(site.rglob("*.json")) == []
    with closing(StateDatabase(old_world.settings)) as state, state.reading() as connection:
        kinds = sorted(connection.scalars(sa.select(FACTS.c.kind)))
    assert kinds == ["robots", "site", "sweep"]
    assert not any(path.exists() for path in files)
    assert fetch_records(old_world) == before
    assert images(old_world) == rows
    assert {path.is_symlink() for path in tables} == {True}
    assert len(before) == len(files)
    add_stored_partitions(old_world.stores)
    shutil.rmtree(old_world.settings.data / "objects")  # all of them are made from the stored responses
    assert old_world.discover().errors == []
    assert old_world.materialize(assets=("search_pages", "content_pages", "file_links", "raw_files")).errors == []
    assert old_world.site.requests == []
    with closing(StateDatabase(old_world.settings, read_only=True)) as state:
        assert list(FetchRecords(state, old_world.settings.data / "site").damage()) == []


@pytest.mark.slow
def test_it_is_upgraded_straight_to_postgresql_and_can_be_taken_back(
    old_world: World, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rows = fetch_records(old_world), images(old_world)
    add_stored_partitions(old_world.stores)

    for url in (postgres.fresh("upgraded"), None):  # then back, as docs/operator/deploying.md says
        if url is None:
            monkeypatch.delenv("OGAART_DATABASE_URL")
            (old_world.settings.data / "state.db").unlink()
        else:
            monkeypatch.setenv("OGAART_DATABASE_URL", url)
        world = World(old_world.site, Settings())
        done = CliRunner().invoke(main, ["upgrade"])
        made = world.materialize()

        assert done.exit_code == 0, done.output
        assert made.errors == []
        assert world.site.requests == []
        assert fetch_records(world) == before
        found = images(world)
        assert {key: {row["image_id"] for row in found[key]} for key in found} == {
            key: {row["image_id"] for row in rows[key]} for key in rows
        }
        checked = CliRunner().invoke(main, ["verify", "--quick", "--json"])
        assert [row for row in json.loads(checked.stdout)["rows"] if row["what"] == "state"] == []


def stored(world: World) -> dict[Path, bytes]:
    folders = [world.settings.data / name for name in ("site", "tables", "packs")]
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_takedowns_and_reports_are_upgraded_with_the_rest(old_world: World) -> None:
    data = old_world.settings.data
    (data / "decisions.jsonl").write_text('{"what": "author", "value": "Ann"}\n{"what": "entry", "value": "tanks"}')
    (data / "reports.jsonl").write_text('{"id": "7e57", "image_id": "1", "slug": "tanks", "reason": "mine"}\n')
    before = {path: path.read_bytes() for path in data.glob("*.jsonl")}

    tried = CliRunner().invoke(main, ["upgrade", "--dry-run"])
    assert {path: path.read_bytes() for path in data.glob("*.jsonl")} == before
    done = [CliRunner().invoke(main, ["upgrade"]) for _ in range(2)]

    assert [run.exit_code for run in (tried, *done)] == [0, 0, 0], done[0].output
    assert {path.readlink() for path in before} == {Path("decisions"), Path("reports")}
    with closing(old_world.stores) as stores:
        assert read_decisions(stores.decisions) == Takedowns(entries=("tanks",), authors=("Ann",))
        assert [report.id for report in VisitorReports(stores.reports).open()] == ["7e57"]
        with stores.state.reading() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(LINES)) == 3


def test_a_dry_run_changes_nothing(old_world: World) -> None:
    before = stored(old_world)

    assert CliRunner().invoke(main, ["upgrade", "--dry-run"]).exit_code == 0

    assert stored(old_world) == before
    assert not (old_world.settings.data / "state.db").exists()


def test_it_is_small_enough_to_be_committed() -> None:
    assert ARCHIVE.stat().st_size < 300_000
