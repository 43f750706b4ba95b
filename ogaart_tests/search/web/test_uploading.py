"""Pictures are sent as they are, with progress; only what the server would refuse is made smaller."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from ogaart_tests.search.tiny_generation import ENTRIES, image_id, pictures

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CARD_FILE = pictures(next(entry for entry in ENTRIES if entry.slug == "playing-cards"))[8]
ROBOT = image_id("robot-animated", 0)


def test_a_picture_is_sent_as_it_is_and_its_words_with_it(page: Page) -> None:
    page.goto("/")
    page.set_input_files("[data-file]", CARD_FILE)
    page.fill("[name=q]", "card")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("upload=.*q=card|q=card.*upload="), timeout=60_000)

    expect(page.get_by_role("heading", level=1)).to_contain_text("This exact picture")
    expect(page.get_by_text("made this picture smaller")).to_have_count(0)


def test_what_the_server_would_refuse_is_made_smaller_and_told(page: Page) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8000, 5200), "#406080").save(out, "PNG")
    page.goto("/")
    page.set_input_files("[data-file]", {"name": "big.png", "mimeType": "image/png", "buffer": out.getvalue()})
    page.wait_for_url(re.compile("upload="), timeout=60_000)

    expect(page.get_by_text("exact copies and parts of it cannot be found")).to_be_visible()


def test_what_is_refused_is_explained_on_the_page(browser: Browser, site: str) -> None:
    page = browser.new_page(base_url=site)
    page.goto("/search?q=robot")
    page.set_input_files("[data-file]", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})

    expect(page.get_by_role("heading", level=1)).to_have_text("No readable picture")
    page.goto("/")  # here the search bar is a part of the page that is replaced
    page.set_input_files("[data-file]", {"name": "a.png", "mimeType": "image/png", "buffer": b""})
    expect(page.get_by_role("heading", level=1)).to_have_text("Empty file")
    page.set_input_files("[data-file]", CARD_FILE)
    page.wait_for_url(re.compile("upload="), timeout=60_000)
    page.close()


def test_without_a_connection_the_page_stays(browser: Browser, site: str) -> None:
    context = browser.new_context(base_url=site)
    page = context.new_page()
    page.goto("/")
    context.set_offline(True)
    page.set_input_files("[data-file]", CARD_FILE)

    expect(page.get_by_role("status")).to_contain_text("No connection")
    expect(page.locator("[data-progress]")).to_be_hidden()
    context.set_offline(False)
    page.set_input_files("[data-file]", CARD_FILE)
    page.wait_for_url(re.compile("upload="), timeout=60_000)
    context.close()


def test_a_kept_picture_is_another_example(page: Page) -> None:
    page.goto("/search?q=tank")
    page.get_by_role("button", name="Keep").first.click()
    page.goto(f"/search?like={ROBOT}")
    page.get_by_text("Another picture").click()
    page.locator("[data-kept]").get_by_role("link", name="Less like this").click()

    page.wait_for_url(re.compile("unlike="), timeout=60_000)
    expect(page.locator(".query-picture.disliked")).to_be_visible()
