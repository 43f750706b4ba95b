"""How pictures are shown: dense tiles, grounds they can be seen on, whole-number scale, switches, keys, weight."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from ogaart_tests.search.tiny_generation import image_id

pytestmark = pytest.mark.browser
slow = pytest.mark.slow
ROBOT = image_id("robot-animated", 0)


def test_thirty_pictures_are_above_the_fold(page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/search?q=kenney&group=no")

    boxes = page.locator(".picture > .tile").evaluate_all(
        "tiles => tiles.map(tile => tile.getBoundingClientRect().toJSON())"
    )

    assert len([box for box in boxes if box["bottom"] <= 900]) >= 30
    assert len({round(box["height"]) for box in boxes}) == 1
    assert max(box["right"] for box in boxes) > 1440 - 40


@slow
@pytest.mark.parametrize("size", [(1440, 900), (390, 800)])
def test_pixel_art_is_shown_at_whole_number_scale(browser: Browser, site: str, size: tuple[int, int]) -> None:
    context = browser.new_context(base_url=site, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.goto("/search?entry=textures&fold=no")
    expect(page.locator(".tile img.crisp.trimmed").nth(5)).to_be_attached()

    scales = page.locator(".tile img.crisp.trimmed").evaluate_all(
        "images => images.map(image => image.getBoundingClientRect().width / image.naturalWidth)"
    )

    assert scales
    assert all(scale == pytest.approx(round(scale), abs=1e-3) for scale in scales if scale >= 1)
    context.close()


@slow
def test_a_transparent_border_is_trimmed(page: Page) -> None:
    page.goto("/search?q=robot&fold=no")

    # The picture with its border is larger than the tile: what is visible of it fills it.
    page.wait_for_function(
        """() => [...document.querySelectorAll(".tile img.trimmed")].some(
            (image) => image.offsetHeight > image.closest(".tile").clientHeight)"""
    )


@slow
def test_every_picture_that_came_is_fitted(page: Page) -> None:
    page.goto("/search?q=kenney&group=no")

    page.wait_for_function(
        """() => [...document.querySelectorAll(".tile img[data-trim], .tile img.crisp")].every(
            (image) => !image.complete || !image.naturalWidth || image.classList.contains("trimmed"))"""
    )

    assert page.locator(".tile img.trimmed").count() >= 30


@slow
def test_icons_of_a_card_are_drawn_once_it_is_used(page: Page) -> None:
    page.goto("/search?q=robot&fold=no")
    first, second = (page.locator(".card").nth(n) for n in range(2))
    drawn = ".acts .icon, .terms .icon"
    assert [one.locator(drawn).first.is_visible() for one in (first, second)] == [False, False]

    first.hover()
    expect(first.locator(".acts .icon").first).to_be_visible()
    expect(first.locator(".terms .icon").first).to_be_visible()
    second.get_by_role("button", name="Keep").focus()
    expect(second.locator(".acts .icon").first).to_be_visible()
    second.get_by_role("button", name="Keep").press("Enter")
    page.mouse.move(0, 0)
    page.locator("h1").click()

    expect(second.locator('[aria-pressed="true"] .icon')).to_be_visible()
    expect(first.locator(".acts .icon").first).to_be_hidden()


@slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_switches_of_the_look_are_remembered(browser: Browser, site: str, scheme: str) -> None:
    context = browser.new_context(base_url=site, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto("/search?q=kenney&group=no")
    before = page.locator(".tile").first.evaluate("tile => tile.clientWidth")
    page.get_by_role("button", name="L", exact=True).click()
    page.get_by_role("button", name="Magenta").click()
    page.locator("[data-theme-switch]").click()
    page.locator("[data-theme-switch]").click()
    page.reload()

    root = page.locator("html")
    expect(root).to_have_attribute("data-tiles", "l")
    expect(root).to_have_attribute("data-ground", "magenta")
    expect(root).to_have_attribute("data-theme", "dark")
    assert page.locator(".tile").first.evaluate("tile => tile.clientWidth") > before
    ground = page.locator(".tile").first.evaluate("tile => getComputedStyle(tile).backgroundImage")
    assert "rgb(255, 0, 255)" in ground
    assert page.evaluate("getComputedStyle(document.body).color") != "rgb(25, 26, 28)"
    context.close()


@slow
def test_captions_come_on_focus_and_lead_to_entry_and_author(page: Page) -> None:
    page.goto("/search?q=robot")
    caption = page.locator(".card .caption").first
    expect(caption).to_have_css("opacity", "0")
    page.locator(".card a.tile").first.focus()

    expect(caption).to_have_css("opacity", "1")
    expect(caption).to_contain_text("CC0, CC-BY 3.0")
    expect(caption).to_contain_text("sell")
    caption.get_by_role("link", name="Kenney").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Kenney")
    page.get_by_role("link", name="Playing cards").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Playing cards")
    assert page.url.endswith("/entry/playing-cards")


@slow
def test_on_touch_captions_stay_and_say_title_and_licence(browser: Browser, site: str) -> None:
    context = browser.new_context(base_url=site, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto("/search?q=robot")
    caption = page.locator(".card .caption").first

    expect(caption).to_have_css("opacity", "1")
    expect(caption.locator(".title")).to_be_visible()
    expect(caption.locator(".names")).to_have_text("CC0, CC-BY 3.0")
    expect(caption.locator(".by")).to_be_hidden()
    page.goto(f"/search?like={ROBOT}")
    expect(page.locator(".card .tune").first).to_have_css("opacity", "1")  # nothing hovers there
    context.close()


OVERLAPPING = """() => [...document.querySelectorAll(".grid > .card")].flatMap((card) => {
  const shown = [...card.querySelectorAll(".badge, .marks summary, .tune a, .acts .act")]
    .filter((one) => getComputedStyle(one).display !== "none")
    .map((one) => [one.textContent.trim() || one.title, one.getBoundingClientRect()]);
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  return shown.flatMap(([name, box], n) => shown.slice(n + 1).filter(([, other]) => over(box, other))
    .map(([other]) => `${name} and ${other}`));
})"""


@slow
@pytest.mark.parametrize("width", [320, 390, 1440])
def test_nothing_on_a_picture_covers_a_button(browser: Browser, site: str, width: int) -> None:
    context = browser.new_context(
        base_url=site, viewport={"width": width, "height": 800}, has_touch=width < 1000, is_mobile=width < 1000
    )
    page = context.new_page()
    page.goto(f"/search?like={ROBOT}")
    # A copy of the picture in another entry, which stands for several.
    page.evaluate(
        """() => {
          const card = document.querySelector(".card:has(.marks)") || document.querySelector(".card");
          if (!card.querySelector(".badge")) card.querySelector(".picture > .tile").insertAdjacentHTML("afterend",
            '<span class="badge">exact copy</span>');
          if (!card.querySelector(".marks")) card.insertAdjacentHTML("beforeend",
            '<div class="marks"><details class="folded"><summary>+11</summary></details></div>');
        }"""
    )

    assert page.locator(".card:has(.badge):has(.marks)").count() > 0
    for tiles in ("s", "m", "l"):
        page.evaluate("tiles => (document.documentElement.dataset.tiles = tiles)", tiles)
        assert page.evaluate(OVERLAPPING) == [], tiles
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


@slow
def test_keys_move_keep_and_copy(page: Page) -> None:
    page.goto("/search?q=kenney&group=no")
    page.locator(".card a.tile").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("k")
    expect(page.locator("[data-basket-count]")).to_have_text("1")
    expect(page.locator(".card").nth(1).locator("[data-pick]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("c")
    expect(page.get_by_role("status")).to_have_text("Credit line copied")
    page.keyboard.press("m")
    expect(page.get_by_role("heading", level=1)).to_have_text("More like this")
    page.go_back()
    page.locator(".card a.tile").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".one-picture")).to_be_visible()


@slow
def test_what_i_want_to_do_is_remembered(page: Page) -> None:
    page.goto("/")
    page.locator("summary", has_text="I want to").click()
    page.get_by_label("sell it in a game").check()
    page.fill("[name=q]", "kenney")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("use=sell"))

    page.goto("/")
    expect(page.locator("summary", has_text="I want to")).to_have_text("I want to · 1")
    page.goto(f"/image/{ROBOT}")
    page.locator(".about-picture").get_by_role("link", name="More like this").click()
    page.wait_for_url(re.compile("use=sell"))


@slow
def test_a_colour_of_the_palette_is_copied(page: Page) -> None:
    page.goto(f"/image/{ROBOT}")
    page.locator(".palette button").first.click()

    assert re.fullmatch("#[0-9a-f]{6}", page.evaluate("navigator.clipboard.readText()"))


@slow
@pytest.mark.parametrize("path", ["/", "/search?q=kenney", f"/image/{ROBOT}", "/entry/textures", "/author/Kenney"])
@pytest.mark.parametrize("width", [1440, 390])
def test_targets_are_large_enough(browser: Browser, site: str, path: str, width: int) -> None:
    """Every button and every link that is not part of a sentence has 24 pixels each way."""
    context = browser.new_context(base_url=site, viewport={"width": width, "height": 900}, has_touch=width < 600)
    page = context.new_page()
    page.goto(path)

    small = page.evaluate(
        """() => [...document.querySelectorAll(
            "button, summary, a.tile, a.button, a.act, .tune a, .remove, .top nav a, a.clear, .chip, h2 a, .strip > a,"
            + " .palette-out a, .tags a, .path")]
            .filter(one => one.checkVisibility())
            .map(one => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.width < 24 || box.height < 24)).map(([html]) => html)"""
    )

    assert small == []
    context.close()


@slow
def test_pages_are_light(browser: Browser, site: str) -> None:
    context = browser.new_context(base_url=site, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto("/", wait_until="networkidle")
    home = page.evaluate(
        """performance.getEntriesByType("resource").reduce((sum, one) => sum + one.transferSize, 0)
            + performance.getEntriesByType("navigation")[0].transferSize"""
    )
    assert home <= 150_000
    for path in ("/search?type=2D+Art&fold=no", "/search?type=2D+Art", f"/search?like={ROBOT}&group=no"):
        page.goto(path)
        assert page.evaluate("performance.getEntriesByType('navigation')[0].transferSize") <= 20_000, path
    page.goto("/search?type=2D+Art&fold=no")
    assert page.locator(".card").count() == 60
    context.close()


@slow
@pytest.mark.parametrize("width", [650, 768, 961])
def test_words_can_be_read_while_they_are_typed(browser: Browser, site: str, width: int) -> None:
    """On tablets and where text is enlarged, also beside a picture in the box."""
    context = browser.new_context(base_url=site, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(f"/search?like={ROBOT}")

    box = page.locator("input[name=q]").bounding_box()

    assert box is not None
    assert box["width"] >= 200
    context.close()


@slow
@pytest.mark.parametrize("width", [1440, 390])
def test_no_word_is_too_long_for_a_page(browser: Browser, site: str, width: int) -> None:
    """Also of right-to-left scripts, and of signs that turn the direction of what follows."""
    context = browser.new_context(base_url=site, viewport={"width": width, "height": 900})
    page = context.new_page()
    for word in ("W" * 400, "\u202e" + "ب" * 300):
        for path in (
            f"/search?q={word}&licence=CC0&author={word}",
            f"/search?q=png&tag={word}&{word[:280]}=1",
            f"/search?like={ROBOT}&q={word}",
            f"/search?q=png&licence={word}",
            f"/tag/{word}",
        ):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path[:40]
    chip = page.goto(f"/search?q=png&author={word}") and page.locator(".chip", has_text="ب")
    assert chip
    assert chip.evaluate("one => getComputedStyle(one).unicodeBidi") == "isolate"
    context.close()


@slow
def test_on_paper_the_dark_theme_is_light_and_captions_are_seen(browser: Browser, site: str) -> None:
    context = browser.new_context(base_url=site, color_scheme="dark")
    page = context.new_page()
    page.goto("/search?q=kenney")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.emulate_media(media="print")

    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert page.evaluate("getComputedStyle(document.querySelector('.caption')).opacity") == "1"
    expect(page.locator(".filters")).to_be_hidden()
    context.close()
