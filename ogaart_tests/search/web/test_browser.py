"""The search page as artists use it, in a real Chromium: every kind of query, alone and in pairs that matter."""

import base64
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ogaart_tests.search.tiny_generation import ENTRIES, image_id, pictures

ROBOT = image_id("robot-animated", 0)
ROBOT_FILE = pictures(next(entry for entry in ENTRIES if entry.slug == "robot-animated"))[0]
CARD_FILE = pictures(next(entry for entry in ENTRIES if entry.slug == "playing-cards"))[8]

pytestmark = pytest.mark.browser
slow = pytest.mark.slow


def parameters(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def first_title(page: Page) -> str:
    return page.locator(".card .title a").first.inner_text()


def test_a_picture_is_uploaded_and_found(page: Page) -> None:
    page.goto("/")
    page.set_input_files("[data-file]", ROBOT_FILE)

    expect(page.get_by_role("heading", level=1)).to_have_text("This exact picture is in “Robot, animated” by Kenney.")
    expect(page.locator(".card").first).to_contain_text("exact copy")
    assert list(parameters(page)) == ["upload"]


@slow
def test_words(page: Page) -> None:
    page.goto("/")
    page.keyboard.type("alien")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("7 pictures for “alien”")
    assert parameters(page) == {"q": ["alien"]}


@slow
def test_a_dropped_picture(page: Page) -> None:
    page.goto("/")
    content = base64.b64encode(ROBOT_FILE.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """content => {
            const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "robot.png", { type: "image/png" }));
            return transfer;
        }""",
        content,
    )
    page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("body.dropping")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})

    expect(page.get_by_role("heading", level=1)).to_contain_text("This exact picture")


@slow
def test_a_pasted_picture(page: Page) -> None:
    page.goto("/search?q=robot&licence=CC0")
    content = base64.b64encode(CARD_FILE.read_bytes()).decode()
    page.evaluate(
        """content => {
            const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "card.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        }""",
        content,
    )

    # Words and filters stay: the card is not a robot, and its licence differs.
    page.wait_for_url(re.compile("upload="))
    assert parameters(page)["q"] == ["robot"]
    assert parameters(page)["licence"] == ["CC0"]
    expect(page.locator(".card .title a").first).to_have_text("Robot, animated")


@slow
def test_a_link_to_a_picture(page: Page, site: str) -> None:
    page.goto("/")
    page.fill("[name=q]", f"{site}/original/{ROBOT}?name=robot.png")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("This exact picture is in “Robot, animated”")
    assert list(parameters(page)) == ["url"]


@slow
def test_more_like_this_then_also_and_not(page: Page) -> None:
    page.goto("/search?q=tank")
    page.get_by_role("link", name="More like this").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("More like this")

    page.locator(".card").nth(1).hover()
    page.get_by_role("link", name="Also like this").nth(1).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Like your pictures")
    page.get_by_role("link", name="Not like this").nth(2).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Like these, unlike those")
    expect(page.locator(".query-picture")).to_have_count(3)
    assert (len(parameters(page)["like"]), len(parameters(page)["unlike"])) == (2, 1)
    page.locator(".disliked .remove").click()
    expect(page.locator(".query-picture")).to_have_count(2)


@slow
def test_an_upload_then_another_to_be_like_and_one_to_be_unlike(page: Page) -> None:
    page.goto("/")
    page.set_input_files("[data-file]", CARD_FILE)
    page.wait_for_url(re.compile("upload="))

    for role, button in (("like", "More like this"), ("unlike", "Less like this")):
        page.get_by_text("Another picture").click()
        page.set_input_files("[data-further] input[type=file]", CARD_FILE)
        page.get_by_role("button", name=button, exact=True).click()
        page.wait_for_url(re.compile(f"[?&]{role}="))

    expect(page.get_by_role("heading", level=1)).to_have_text("Like these, unlike those")
    expect(page.locator(".query-picture")).to_have_count(3)
    expect(page.locator(".query-picture img").nth(2)).to_have_js_property("complete", True)
    page.locator(".disliked .remove").click()
    expect(page.locator(".query-picture")).to_have_count(2)
    page.go_back()
    expect(page.locator(".query-picture")).to_have_count(3)
    page.get_by_role("link", name="Remove the picture you search with").click()
    expect(page.locator(".query-picture")).to_have_count(2)
    assert "upload" not in parameters(page)


@slow
def test_filters_with_what_they_hide(page: Page) -> None:
    page.goto("/search?q=kenney")
    page.locator("summary", has_text="I want to").click()
    page.get_by_label("keep my changes closed").check()
    page.get_by_role("button", name="Apply").first.click()

    assert parameters(page) == {"q": ["kenney"], "use": ["no-share-alike"]}
    expect(page.locator(".hiding")).to_contain_text("what the licence lets you do hides 12")
    page.locator(".hiding").get_by_role("link").click()
    expect(page.locator(".hiding")).to_have_count(0)
    assert parameters(page) == {"q": ["kenney"]}


@slow
def test_a_picture_with_words_and_a_filter(page: Page) -> None:
    page.goto("/")
    page.set_input_files("[data-file]", ROBOT_FILE)
    page.fill("[name=q]", "tank")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q=tank"))
    page.locator("summary", has_text="Look").click()
    page.get_by_label("transparent").check()
    page.locator("details[open]").get_by_role("button", name="Apply").click()

    page.wait_for_url(re.compile("alpha=yes"))
    assert sorted(parameters(page)) == ["alpha", "q", "upload"]
    assert first_title(page) == "Top-down tanks"


@slow
def test_more_back_and_forward(page: Page) -> None:
    page.goto("/search?type=2D+Art&fold=no")
    expect(page.locator(".card")).to_have_count(60)
    page.locator("[data-more]").click()
    expect(page.locator(".card").nth(60)).to_be_attached()
    shown = page.locator(".card").evaluate_all("cards => cards.map(card => card.dataset.card)")
    assert len(set(shown)) == len(shown)

    page.locator(".card .tile").nth(len(shown) - 1).click()
    expect(page.locator(".one-picture")).to_be_visible()
    page.go_back()
    expect(page.locator(".card")).to_have_count(len(shown))
    assert page.evaluate("scrollY") > 1000
    page.go_forward()
    expect(page.locator(".one-picture")).to_be_visible()


@slow
def test_more_without_a_connection_keeps_the_page(browser: Browser, site: str) -> None:
    context = browser.new_context(base_url=site)
    page = context.new_page()
    page.goto("/search?type=2D+Art&fold=no")
    context.set_offline(True)
    page.locator("[data-more]").click()

    expect(page.get_by_role("status")).to_contain_text("No connection")
    expect(page.locator(".card")).to_have_count(60)
    context.set_offline(False)
    page.locator("[data-more]").click()
    expect(page.locator(".card").nth(60)).to_be_attached()
    context.close()


@slow
def test_a_folded_hit_opens(page: Page) -> None:
    page.goto(f"/search?like={ROBOT}")
    folded = page.locator(".folded").first
    folded.locator("summary").click()

    expect(folded.locator("img").first).to_be_visible()
    count = int(folded.locator("summary").inner_text().splitlines()[0].removeprefix("+").split()[0])
    expect(folded.locator("li")).to_have_count(min(count, 24))
    own = page.locator(".card:has(.folded[open])").get_attribute("data-card")
    assert folded.locator(f'a[href="/image/{own}"]').count() == 0


@slow
def test_credits_are_kept_and_exported(page: Page) -> None:
    page.goto("/search?q=robot")
    page.get_by_role("button", name="Keep").first.click()
    page.goto("/search?q=tank&group=no")
    page.get_by_role("button", name="Keep").nth(0).click()
    page.get_by_role("button", name="Keep").nth(1).click()
    expect(page.locator("[data-basket-count]")).to_have_text("3")

    page.get_by_role("link", name=re.compile("Credits")).click()
    expect(page.locator(".credits-head")).to_contain_text("3 pictures from 2 entries by 1 author")
    page.get_by_label("Licence relied on").select_option("robot-animated|CC-BY 3.0")
    page.wait_for_url(re.compile("rely="))
    with page.expect_download() as started:
        page.get_by_role("button", name="Text", exact=True).click()
    text = Path(started.value.path()).read_text()
    assert "Licence relied on: CC-BY 3.0" in text

    page.get_by_role("button", name=re.compile("Remove ")).first.click()
    expect(page.locator(".credits-head")).to_contain_text("2 pictures")
    page.reload()
    expect(page.locator("[data-basket-count]")).to_have_text("2")


@slow
def test_a_credit_line_is_copied(page: Page) -> None:
    page.goto("/search?q=robot")
    page.get_by_role("button", name="Copy credit").first.click()
    expect(page.get_by_role("status")).to_have_text("Credit line copied")

    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith('"Robot, animated" by Kenney licensed CC0, CC-BY 3.0: https://')


@slow
def test_words_and_upload_work_without_javascript(browser: Browser, site: str) -> None:
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.fill("[name=q]", "alien")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("7 pictures for “alien”")

    page.goto("/")
    page.set_input_files("input[type=file]", ROBOT_FILE)
    page.get_by_role("button", name="Search with the chosen picture").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("This exact picture is in “Robot, animated”")
    page.locator("summary", has_text="Licence").click()
    page.get_by_label("CC-BY-SA 3.0").check()
    page.locator("details[open]").get_by_role("button", name="Apply").click()
    expect(page.locator(".card .title a").first).to_have_text("Playing cards")
    context.close()


@slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    ["/", "/search?q=kenney&use=sell", f"/search?like={ROBOT}&unlike={image_id('tanks', 0)}", f"/image/{ROBOT}",
     f"/credits?ids={ROBOT},{image_id('tanks', 0)}", "/about", "/api/docs", "/search?q=xyzzy", "/nothing",
     "/entry/textures", "/author/Kenney", "/tag/space"],
)  # fmt: skip
def test_nothing_blocks_another_process(browser: Browser, site: str, path: str, scheme: str) -> None:
    """axe finds no barrier that it calls serious or critical."""
    context = browser.new_context(base_url=site, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(path)
    for menu in page.locator("details.menu summary").all():
        menu.evaluate("summary => summary.parentElement.open = true")

    found = Axe().run(page).response["violations"]

    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in serious] == []
    context.close()


@slow
@pytest.mark.parametrize("path", ["/", "/search?q=kenney", f"/search?like={ROBOT}", f"/image/{ROBOT}", "/about",
                                  f"/credits?ids={ROBOT},{image_id('tanks', 0)}", "/api/docs", "/entry/enemies",
                                  "/author/Kenney"])  # fmt: skip
def test_a_phone_shows_everything_in_its_width(browser: Browser, site: str, path: str) -> None:
    context = browser.new_context(base_url=site, viewport={"width": 360, "height": 740}, has_touch=True)
    page = context.new_page()
    page.goto(path)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()
