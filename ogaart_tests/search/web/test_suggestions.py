"""Suggestions while typing, in a real Chromium: a combobox by mouse, finger and keyboard; nothing needs them."""

from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ogaart_tests.search.tiny_generation import image_id

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def parameters(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_what_is_typed_is_completed_by_keyboard(
    browser: Browser, site: str, size: tuple[int, int], scheme: str
) -> None:
    context = browser.new_context(
        base_url=site,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto("/")
    words = page.get_by_role("combobox", name="Words, or a link to a picture")
    words.press_sequentially("rob")
    first = page.get_by_role("option").first
    expect(first).to_contain_text("robot")
    expect(first).to_contain_text("pictures")
    assert first.locator("img").evaluate("one => one.decode().then(() => one.naturalWidth)") > 0
    box = page.locator(".suggestions").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size[0]
    assert Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]}).violations_count == 0

    words.press("ArrowDown")
    expect(words).to_have_attribute("aria-activedescendant", "suggestion-0")
    expect(first).to_have_attribute("aria-selected", "true")
    expect(words).to_have_value("rob")  # stays as it was typed
    words.press("ArrowUp")
    assert words.get_attribute("aria-activedescendant") is None
    words.press("Escape")
    expect(words).to_have_attribute("aria-expanded", "false")
    expect(words).to_have_value("rob")

    words.press_sequentially("o")
    expect(first).to_contain_text("robot")
    words.press("ArrowDown")
    words.press("Enter")
    page.wait_for_url("**/search?**")
    assert parameters(page) == {"q": ["robot"]}
    context.close()


def test_a_name_leads_to_its_page_and_narrows_where_there_is_a_search(page: Page) -> None:
    page.goto("/")
    page.fill("[name=q]", "kenn")
    page.get_by_role("option").filter(has_text="author").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Kenney")
    assert urlsplit(page.url).path == "/author/Kenney"

    like = image_id("robot-animated", 0)
    page.goto(f"/search?like={like}&licence=CC0")
    page.fill("[name=q]", "kenn")
    page.get_by_role("option").filter(has_text="author").first.click()
    page.wait_for_url("**author=Kenney**")
    assert parameters(page) == {"like": [str(like)], "licence": ["CC0"], "author": ["Kenney"]}


def test_what_the_filters_leave_nothing_of_is_not_suggested(page: Page) -> None:
    page.goto("/search?q=png&licence=GPL")
    page.fill("[name=q]", "a")
    expect(page.get_by_role("option").first).to_be_visible()
    texts = page.get_by_role("option").all_inner_texts()
    for text in [text.splitlines()[0] for text in texts if "tag" not in text and "entry" not in text]:
        page.goto(f"/search?q={text}&licence=GPL")
        expect(page.locator(".card").first).to_be_visible()


def test_words_are_searched_without_scripts_and_without_suggestions(browser: Browser, site: str) -> None:
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.fill("[name=q]", "robot")
    assert page.locator(".suggestions, [role=combobox]").count() == 0
    page.keyboard.press("Enter")
    expect(page.locator(".card").first).to_be_visible()
    context.close()

    context = browser.new_context(base_url=site)
    page = context.new_page()
    page.route("**/api/v1/suggestions**", lambda route: route.abort())
    page.goto("/")
    page.fill("[name=q]", "robot")
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")
    expect(page.locator(".card").first).to_be_visible()
    context.close()
