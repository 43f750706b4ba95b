"""What is kept: named collections, lists of any length, lists of others, a browser that stores nothing."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ogaart_tests.search.tiny_generation import image_id

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROBOT, TANK = image_id("robot-animated", 0), image_id("tanks", 0)


def kept(page: Page) -> list[str]:
    found: list[str] = json.loads(page.evaluate("localStorage.getItem('ogaart.basket') || '[]'"))
    return found


def test_a_collection_has_a_name_and_is_deleted(page: Page) -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/credits")
    page.get_by_label("Name of a new collection").fill("Space game")
    page.get_by_role("button", name="Create").click()
    page.wait_for_load_state()
    page.goto("/search?q=tank")
    page.get_by_role("button", name="Keep").first.click()
    expect(page.get_by_role("status")).to_have_text("Kept for “Space game”")
    page.goto("/credits")
    expect(page.locator(".credits-head")).to_contain_text("1 picture")
    assert kept(page) == []

    page.get_by_role("button", name="Delete “Space game”").click()
    expect(page.locator(".empty")).to_be_visible()
    expect(page.locator("[data-collection] option")).to_have_count(1)


def test_more_than_a_url_holds_is_shown_in_parts_and_exported_whole(page: Page, tmp_path: Path) -> None:
    page.goto("/about")
    ids = [str(ROBOT), *(str(10_000 + n) for n in range(900)), str(TANK)]
    page.evaluate("ids => localStorage.setItem('ogaart.basket', JSON.stringify(ids))", ids)
    page.goto("/credits")
    page.wait_for_url(re.compile("ids="))

    expect(page.locator("[data-parts]")).to_contain_text("902 pictures")
    expect(page.locator("[data-parts] a")).to_have_count(3)
    with page.expect_download() as started:
        page.get_by_role("button", name="Text", exact=True).click()
    text = Path(started.value.path()).read_text()
    assert "Robot, animated" in text
    assert "Top-down tanks" in text


def test_all_credits_are_copied(page: Page) -> None:
    page.goto(f"/credits?ids={ROBOT},{TANK}")
    page.get_by_role("button", name="Copy all credits").click()

    expect(page.get_by_role("status")).to_have_text("All credits copied")
    assert "Top-down tanks" in page.evaluate("navigator.clipboard.readText()")


def test_a_cross_on_a_list_of_others_keeps_nothing(page: Page) -> None:
    page.goto(f"/credits?ids={ROBOT},{TANK}")
    page.get_by_role("button", name=re.compile("^Remove ")).first.click()

    expect(page.locator(".credits-head")).to_contain_text("1 picture")
    assert kept(page) == []


def test_a_browser_that_stores_nothing_is_told(browser: Browser, site: str) -> None:
    page = browser.new_page(base_url=site)
    page.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('blocked', 'SecurityError'); };")
    page.goto("/search?q=tank")
    page.get_by_role("button", name="Keep").first.click()

    expect(page.get_by_role("status")).to_contain_text("This browser stores no data for this site")
    page.close()
