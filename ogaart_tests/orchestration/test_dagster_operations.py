"""A data engineer's day in the Dagster UI: the switch, one stage again, a check that holds back, what came in."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from ogaart.core.states import RowState
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.resources.site.sweeps import KIND
from ogaart.resources.state.schema import FACTS
from ogaart.resources.storage.schema import ENTRIES, POINTS, STEPS
from ogaart.resources.storage.tables import Row
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.orchestration.test_dagster_ui import choose_partition
from ogaart_tests.pipeline.test_changing_site import entry
from ogaart_tests.ui import browser_page, dagster_ui, keep_screenshot, wait_until
from ogaart_tests.world import World, open_world

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(900)]

PER_PAGE = 4
QUERIES = f'[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = {PER_PAGE}\n'


@dataclass
class Desk:
    """A published world of two pages, and the UI over it."""

    world: World
    base: str
    folder: Path


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One UI for all tests here: starting it costs more than each of them."""
    folder = tmp_path_factory.mktemp("desk")
    small = DemoContent(plan.load().by_age()[: 2 * PER_PAGE])
    site = ChangingSite(site=small, per_page=PER_PAGE)
    with open_world(folder, site, OGAART_LISTING_HOURS="0", OGAART_MAX_FAILURE_SHARE="0.08") as world:
        world.settings.queries.write_text(QUERIES)
        world.all()
        with dagster_ui(world) as base:
            yield Desk(world, base, folder)


@pytest.fixture
def page() -> Iterator[Page]:
    with browser_page(1500, 940) as opened:
        yield opened


def test_one_stage_of_one_partition_runs_again_alone(desk: Desk, page: Page) -> None:
    tables = desk.world.stores.tables
    asked = len(desk.world.site.requests)
    page.goto(f"{desk.base}/assets/extracted_images?view=partitions")
    page.get_by_role("button", name="Materialize").first.click()
    choose_partition(page, "2d-art/0001")
    page.get_by_role("button", name="Launch").last.click()

    def runs(stage: str, key: str) -> int:
        return len(tables.read(STEPS, key, stage))

    wait_until(lambda: runs("extracted_images", "2d-art/0001") == 2, 240, "the stage to run again")
    last: Row = tables.read(STEPS, "2d-art/0001", "extracted_images")[-1]
    assert last[RowState.UNCHANGED] > 0
    assert [last[state] for state in RowState if state not in {RowState.UNCHANGED, RowState.FAILED}] == [0, 0, 0, 0]
    assert (runs("extracted_images", "2d-art/0000"), runs("embeddings", "2d-art/0001")) == (1, 1)
    assert len(desk.world.site.requests) == asked
    page.goto(f"{desk.base}/assets/extracted_images?view=partitions&partition=2d-art%2F0001")
    expect(page.get_by_text("View all historical events (2)")).to_be_visible(timeout=60_000)
    keep_screenshot(page, "dagster-rerun.png", desk.folder)


def test_one_switch_lets_the_site_be_followed(desk: Desk, page: Page) -> None:
    new = entry(900)
    new.posted_at = new.posted_at.replace(year=2031)
    new.files[1].missing = True
    desk.world.site.add_entry(new)
    with closing(desk.world.stores) as stores, stores.state.writing() as connection:
        connection.execute(sa.delete(FACTS).where(FACTS.c.kind == KIND))  # as if the last sweep were days old
    tables = desk.world.stores.tables

    page.goto(f"{desk.base}/automation")
    turn(page, "daily", on=True)
    keep_screenshot(page, "dagster-automation.png", desk.folder)

    wait_until(lambda: bool(tables.read(ENTRIES, "2d-art/0002")), 300, "the new partition to be read")
    wait_until(lambda: bool(tables.read(POINTS, "2d-art/0002")), 300, "the new partition to be processed")
    turn(page, "daily", on=False)
    page.goto(f"{desk.base}/runs")
    expect(page.get_by_text("autopilot").first).to_be_visible(timeout=60_000)
    keep_screenshot(page, "dagster-runs.png", desk.folder)

    assert [row["slug"] for row in tables.read(ENTRIES, "2d-art/0002")] == [new.slug]
    assert tables.read(STEPS, "2d-art/0000", "content_pages")[1:] == []  # nothing changed there


def test_a_failing_check_holds_the_publication_back_and_says_why(desk: Desk, page: Page) -> None:
    before = desk.world.generation.number
    root = desk.world.stores.root.generations

    page.goto(f"{desk.base}/locations/ogaart/jobs/publish")
    page.get_by_role("button", name="Materialize all").click()
    wait_until(lambda: any(root.glob("*/checks.json")) and len(list(root.glob("0*/checks.json"))) > 1, 240, "checks")
    page.goto(f"{desk.base}/assets/catalog?view=checks&checkDetail=failure_share")
    expect(page.get_by_text("OGAART_MAX_FAILURE_SHARE allows 8.0%").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Failed").first).to_be_visible()
    keep_screenshot(page, "dagster-check.png", desk.folder)

    assert desk.world.generation.number == before
    assert desk.world.sql("SELECT count(*) FROM entries WHERE slug = 'entry-900'") == [(0,)]


def test_the_contact_sheet_shows_what_came_in(desk: Desk, page: Page) -> None:
    page.goto(f"{desk.base}/assets/extracted_images?view=events&partition=2d-art%2F0000")
    page.goto(f"{desk.base}/assets/extracted_images?view=partitions&partition=2d-art%2F0000")
    page.get_by_text("[Show Markdown]").first.click()
    sheet = page.locator("img[src^='data:image/jpeg']").first

    expect(sheet).to_be_visible(timeout=30_000)
    assert sheet.evaluate("e => [e.naturalWidth, e.naturalHeight]") == [804, 304]
    page.wait_for_timeout(700)  # the dialog fades in
    keep_screenshot(page, "dagster-contact-sheet.png", desk.folder)


def turn(page: Page, name: str, *, on: bool) -> None:
    """Turn a schedule on or off on the page of automations; what is clicked before the page is ready is lost."""
    row = page.locator("[data-index]").filter(has=page.locator(f"a[href$='/schedules/{name}']"))
    expect(row.locator("label")).to_have_count(2, timeout=60_000)  # the box that selects the row, and the switch

    def turned() -> bool:
        if row.locator("input").last.is_checked() != on:
            row.locator("label").last.click()
            page.wait_for_timeout(5_000)
        return row.locator("input").last.is_checked() == on

    wait_until(turned, 90, f"the switch {name} to be turned")
