"""What counts in a search with pictures: sliders and presets on the page, with and without scripts, and in the API."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from ogaart.likeness.fusion import USUAL, Weights
from ogaart.search.errors import InvalidParameter
from ogaart.search.search_url import read_search_url
from ogaart_tests.search.tiny_generation import image_id

LIKE = f"/search?like={image_id('robot-animated', 0)}"


def weights_of(page: Page) -> list[str]:
    return parse_qs(urlsplit(page.url).query).get("weights", [])


def set_slider(page: Page, side: str, value: str) -> None:
    page.locator(f"[data-side={side}]").evaluate("(slider, value) => { slider.value = value; }", value)


@pytest.mark.parametrize(
    ("values", "weights", "written"),
    [
        ([], USUAL, []),
        (["1", "1", "1"], USUAL, []),
        (["1", "0.5", "0"], Weights(1, 0.5, 0), ["1,0.5,0"]),
        (["1,1,0"], Weights(1, 1, 0), ["other-colours"]),
        (["Same-Palette"], Weights(0, 0, 1), ["same-palette"]),
        (["2,2,2"], USUAL, []),
        (["0.1,0.1,0.1"], USUAL, []),
        (["0,0,0.25"], Weights(0, 0, 1), ["same-palette"]),
        (["1,2,2"], Weights(0.5, 1, 1), ["looks-the-same"]),
    ],
)
def test_weights_are_read_and_written(values: list[str], weights: Weights, written: list[str]) -> None:
    url = read_search_url([("like", "7"), *(("weights", value) for value in values)])

    assert url.weights == weights
    assert [value for name, value in url.pairs() if name == "weights"] == written


@pytest.mark.parametrize("value", ["3,0,0", "1,1", "0,0,0", "nan,1,1", "-1,1,1", "other-colour", "1,1,1,1"])
def test_invalid_weights_are_refused(value: str) -> None:
    with pytest.raises(InvalidParameter, match="weights"):
        read_search_url([("weights", value)])


@pytest.mark.parametrize("value", ["same-palette,1", "1,,1", "1;1;1,1", ",", "1,1,x"])
def test_what_is_neither_a_preset_nor_three_numbers_is_told_what_is_expected(value: str) -> None:
    """It is named as it was sent: one of its parts may well be the name of a preset."""
    with pytest.raises(InvalidParameter, match=f"^weights: '{value}'; expected a preset .* such as 1,1,0$"):
        read_search_url([("weights", value)])


def test_a_misspelled_preset_is_told_the_nearest_one() -> None:
    with pytest.raises(InvalidParameter, match="'other-colour' does not exist; did you mean 'other-colours'"):
        read_search_url([("weights", "other-colour")])


@pytest.mark.browser
def test_sliders_set_the_weights_and_presets_are_links(page: Page) -> None:
    page.goto(LIKE)
    page.get_by_text("What counts").click()
    set_slider(page, "colours", "0.5")
    page.locator("details[open] .apply").click()

    expect(page.locator("[data-side=colours]")).to_have_value("0.5")
    assert weights_of(page) == ["1", "1", "0.5"]

    page.get_by_text("What counts").click()
    page.get_by_role("link", name="Same thing in other colours").click()
    expect(page.locator("[data-side=colours]")).to_have_value("0")
    assert weights_of(page) == ["other-colours"]


@pytest.mark.browser
def test_usual_weights_stay_out_of_the_address(page: Page) -> None:
    page.goto(f"{LIKE}&weights=same-palette")
    page.get_by_text("What counts").click()
    for side in ("subject", "shape", "colours"):
        set_slider(page, side, "1")
    page.locator("details[open] .apply").click()

    expect(page.locator("[data-side=subject]")).to_have_value("1")
    assert weights_of(page) == []


@pytest.mark.browser
@pytest.mark.parametrize("written", ["0.1,1,0.6", "0,0.1,0"])
def test_weights_between_the_steps_of_sliders_stay(page: Page, written: str) -> None:
    page.goto(f"{LIKE}&weights={written}")
    page.get_by_text("What counts").click()
    page.locator("details[open] .apply").click()

    expect(page.locator("[data-side=shape]")).to_have_value(written.split(",")[1])
    assert weights_of(page) == written.split(",")


@pytest.mark.browser
def test_sliders_work_without_scripts(browser: Browser, site: str) -> None:
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{LIKE}&weights=0,2,1")
    page.get_by_text("What counts").click()
    page.locator("details[open] .apply").click()

    assert weights_of(page) == ["0", "2", "1"]
    context.close()


def test_the_api_takes_weights_and_has_reasons(site: str) -> None:
    answer = requests.get(f"{site}/api/v1{LIKE}&weights=other-colours", timeout=30)
    refused = requests.get(f"{site}/api/v1{LIKE}&weights=5", timeout=30)

    assert answer.status_code == 200
    assert all("why" in hit for hit in answer.json()["hits"])
    assert refused.status_code == 400
    assert "other-colours" in refused.text


@pytest.mark.browser
def test_sliders_that_are_all_at_0_stay_on_the_page_with_the_reason(page: Page) -> None:
    page.goto(LIKE)
    page.get_by_text("What counts").click()
    for side in ("subject", "shape", "colours"):
        set_slider(page, side, "0")
    page.locator("details[open] .apply").click()

    expect(page.get_by_role("alert")).to_have_text(
        "At least one of the three has to count: move a slider to the right."
    )
    assert weights_of(page) == []

    page.locator("[data-side=shape]").press("ArrowRight")
    expect(page.get_by_role("alert")).to_be_hidden()
    page.locator("details[open] .apply").click()
    page.wait_for_url(lambda url: "weights=" in url)
    assert weights_of(page) == ["0", "0.25", "0"]


@pytest.mark.browser
def test_words_are_not_searched_with_sliders_that_are_all_at_0(page: Page) -> None:
    page.goto(LIKE)
    page.get_by_text("What counts").click()
    for side in ("subject", "shape", "colours"):
        set_slider(page, side, "0")
    page.keyboard.press("Escape")
    page.locator("[name=q]").fill("robot")
    page.locator("[name=q]").press("Enter")

    expect(page.get_by_role("alert")).to_be_visible()
    assert "q=" not in page.url


@pytest.mark.browser
def test_after_back_sliders_and_filters_are_those_of_the_results(page: Page) -> None:
    page.goto(LIKE)
    page.get_by_text("What counts").click()
    set_slider(page, "colours", "0.5")
    page.locator("details[open] .apply").click()
    page.wait_for_url(lambda url: "weights=" in url)
    page.locator("summary", has_text="Look").click()
    page.get_by_label("transparent").check()
    page.locator("details[open] .apply").click()
    page.wait_for_url(lambda url: "alpha=" in url)

    page.go_back()
    expect(page.get_by_label("transparent")).not_to_be_checked()
    expect(page.locator("[data-side=colours]")).to_have_value("0.5")
    page.go_back()
    expect(page.locator("[data-side=colours]")).to_have_value("1")
