"""The viewer of a picture whose cells the catalog knows: those are shown, chosen, searched with and played."""

import sqlite3
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import ENTRIES, image_id, publish

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SHEET = image_id("tanks", 0)
# Unlike any grid: of two sizes, as an atlas names them.
CELLS = ((0, 0, 0, 20, 12, "turret"), (1, 22, 0, 20, 12, "barrel"), (2, 3, 14, 9, 7, "shell"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(data=Path(tmp_path_factory.mktemp("cells")))
    publish(settings, tuple(entry for entry in ENTRIES if entry.slug in ("tanks", "robot-animated")))
    with sqlite3.connect(settings.data / "generations" / "current" / "words.sqlite") as store:
        store.executemany(
            "INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?, 'named', ?, 1.0, 'LibGDX: a.atlas')",
            [(SHEET, number, x, y, width, height, name) for number, x, y, width, height, name in CELLS],
        )
    return settings


def test_stored_cells_are_the_grid(page: Page) -> None:
    page.goto(f"/image/{SHEET}")
    page.get_by_role("button", name="View, or search with a part").click()
    viewer = page.get_by_role("dialog", name="Viewer")
    status = viewer.locator("[data-viewer-status]")

    expect(viewer.locator("[data-viewer-grid]")).to_be_checked()
    expect(status).to_contain_text("a sheet of 3 cells")
    page.keyboard.press("b")
    page.keyboard.press("Alt+ArrowRight")
    page.keyboard.press("Alt+ArrowRight")
    expect(status).to_contain_text("shell, 3, 14, 9, 7")

    viewer.locator("[data-viewer-size]").select_option("16")  # another grid takes their place
    expect(status).to_contain_text("cells of 16 × 16")
    viewer.locator("[data-viewer-size]").select_option("")
    expect(status).to_contain_text("a sheet of 3 cells")
    viewer.locator("[data-box=left]").focus()
    viewer.locator("[data-viewer-stage]").focus()
    page.keyboard.press("p")
    expect(viewer.locator("[data-viewer-play]")).to_have_attribute("aria-pressed", "false")  # one cell in its row
    page.keyboard.press("b")
    page.keyboard.press("p")
    expect(viewer.locator("[data-viewer-play]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("p")
    page.keyboard.press("Enter")

    page.wait_for_url("**crop=**")
    assert parse_qs(urlsplit(page.url).query)["crop"] == ["pixel:0,0,20,12"]
    page.get_by_role("button", name="Search with a part").click()
    expect(status).to_contain_text("a sheet of 3 cells")
