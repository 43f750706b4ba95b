"""The graph materialized by a person's clicks in the Dagster UI."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ogaart.orchestration.instance import open_instance
from ogaart.resources.storage.schema import SEARCH_RESULTS
from ogaart_tests.ui import browser_page, dagster_ui, keep_screenshot, wait_until
from ogaart_tests.world import World, open_world

pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_one_partition_of_one_asset_from_its_page(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        world.discover()
        with dagster_ui(world) as base, browser_page() as page:
            page.goto(f"{base}/assets/search_pages?view=partitions")
            page.get_by_role("button", name="Materialize").first.click()
            choose_partition(page, "2d-art/0002")
            page.get_by_role("button", name="Launch").last.click()

            wait_until(lambda: world.stores.tables.exists(SEARCH_RESULTS, "2d-art/0002"), 120, "the rows of the page")

        assert len(world.stores.tables.read(SEARCH_RESULTS, "2d-art/0002")) == 20
        assert not world.stores.tables.exists(SEARCH_RESULTS, "2d-art/0000")


@pytest.mark.slow
def test_the_whole_graph_from_search_pages_to_publication(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        world.discover()
        with dagster_ui(world) as base, browser_page(1500, 900) as page:
            page.goto(f"{base}/asset-groups")
            page.get_by_role("button", name="Materialize all").click()
            page.get_by_role("button", name="All", exact=True).click()
            page.get_by_role("button", name="Launch backfill").click()

            wait_until(lambda: published(world), 600, "the publication")
            page.goto(f"{base}/runs")
            expect(page.get_by_text("Success").first).to_be_visible(timeout=90_000)
            page.goto(f"{base}/assets/publication?view=lineage&lineageScope=upstream&lineageDepth=9")
            expect(page.get_by_text("search_pages").first).to_be_visible(timeout=30_000)
            page.wait_for_timeout(3_000)  # the graph draws itself in steps
            keep_screenshot(page, "dagster-graph.png", tmp_path)
            page.goto(f"{base}/assets/extracted_images?view=partitions&partition=2d-art%2F0000")
            expect(page.get_by_text("unchanged").first).to_be_visible(timeout=30_000)
            keep_screenshot(page, "dagster-partition.png", tmp_path)

        assert world.sql("SELECT count(*) FROM images WHERE indexed") == [(441,)]
        with open_instance(world.settings) as instance:
            assert {run.status.value for run in instance.get_runs()} == {"SUCCESS"}


def choose_partition(page: Page, key: str) -> None:
    """Type a partition's key into the dialog's field."""
    dialog = page.get_by_role("dialog").first
    dialog.get_by_text("Select a partition or create one").click()
    page.keyboard.type(key)
    page.get_by_text("Select all (1)").click()  # the field filters: one is left
    page.keyboard.press("Escape")
    expect(dialog.get_by_text("1 partition", exact=False).first).to_be_visible()


def published(world: World) -> bool:
    """Whether a generation is in service."""
    return (world.stores.root.generations / "current").exists()
