"""A failing check keeps a generation out of service, names the cause, and passes once the cause is gone."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.definitions import defs
from ogaart.operations import takedown
from ogaart.orchestration.asset_checks import DESCRIPTIONS
from ogaart.orchestration.instance import open_instance, run_job
from ogaart.resources.catalog.publishing import awaiting_publication
from ogaart.resources.storage.rows import EntryRow
from ogaart.resources.storage.schema import ENTRIES
from ogaart.search.engine.service import SearchService
from ogaart.search.query import SearchQuery
from ogaart_tests.pipeline.test_changing_site import days, entry
from ogaart_tests.world import World, open_world


@pytest.mark.slow
def test_a_failing_check_holds_the_publication_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with days(tmp_path, entries=2) as week:
        world = week.world
        world.all()
        first = world.generation.number
        broken = entry(2)
        broken.files[0].missing = True
        world.site.add_entry(broken)
        world.discover(refresh=True)
        world.materialize()

        monkeypatch.setenv("OGAART_MAX_FAILURE_SHARE", "0.1")
        held = world.publish()
        assert held.exit_code == 6
        assert "failure_share" in held.errors[0]
        assert world.generation.number == first
        wanted, why = awaiting_publication(world.stores)
        assert (wanted, "held back by its checks (failure_share)" in why) == (False, True)

        with open_instance(world.settings) as instance:
            alone = run_job(instance, defs(), None, assets=["publication"])
        assert not alone.success
        assert "1 of 6 files failed: 16.7%, OGAART_MAX_FAILURE_SHARE allows 10.0%" in alone.errors[0]
        assert world.generation.number == first

        monkeypatch.setenv("OGAART_MAX_FAILURE_SHARE", "0.2")
        assert world.publish().exit_code == 0
        assert world.generation.number > first


@pytest.mark.slow
def test_before_a_picture_is_embedded_there_is_nothing_to_publish_and_the_error_is_clear(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        world.discover()
        world.materialize(["2d-art/0002"], ("search_pages",))

        wanted, why = awaiting_publication(world.stores)
        report = world.publish()

    assert (wanted, "no picture is embedded" in why) == (False, True)
    assert report.exit_code == 6
    assert "there is nothing to publish: no picture is embedded in the space efficientnet_lite0-" in report.errors[0]


def test_every_check_is_defined_and_described() -> None:
    checks = {key.name for key in defs().resolve_asset_graph().asset_check_keys if key.asset_key.path == ["catalog"]}

    assert checks == set(DESCRIPTIONS)


def withdraw(world: World, slugs: set[str]) -> None:
    """Leave the rows that a site would leave which refuses these entries."""
    tables = world.stores.tables
    for key in tables.partitions(ENTRIES):
        rows: list[EntryRow] = [
            {**row, "status": "private"} if row["slug"] in slugs else row for row in tables.read(ENTRIES, key)
        ]
        tables.commit(ENTRIES.stage, key, {ENTRIES.name: rows})


@pytest.mark.slow
def test_many_losses_wait_for_consent_and_takedowns_do_not_wait(tmp_path: Path) -> None:
    with days(tmp_path, entries=9) as week:
        world = week.world
        world.all()
        first = world.generation.number
        withdraw(world, {f"entry-{number:02d}" for number in range(1, 8)})

        held = world.publish()

        assert held.exit_code == 6
        assert "7 of 9 entries in search would be withdrawn" in held.errors[0]
        assert world.generation.number == first

        takedown.block(world.settings, "entry", "entry-08", "the author wants it", lift=False)
        with SearchService(world.settings) as service:
            found = {hit.slug for hit in service.search(SearchQuery(limit=50)).hits}
        assert found == {f"entry-{number:02d}" for number in (0, 1, 2, 3, 4, 5, 6, 7)}
        assert world.publish().exit_code == 6
        assert world.generation.number == first

        done = CliRunner().invoke(main, ["publish", "--accept-losses"])

        assert done.exit_code == 0, done.output
        assert world.sql("SELECT DISTINCT slug FROM images WHERE indexed") == [("entry-00",)]
