"""The viewer: whole-number zoom, grids found, parts of single pixels to search with, cells and frames played."""

import io
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from ogaart_tests.search.tiny_generation import ENTRIES, image_id, pictures

pytestmark = pytest.mark.browser
slow = pytest.mark.slow
ROBOT = image_id("robot-animated", 0)
WALKING = next(n for n, path in enumerate(pictures(ENTRIES[1])) if path.stem.endswith("walk0"))
CARD_FILE = pictures(next(entry for entry in ENTRIES if entry.slug == "playing-cards"))[8]


def crop(page: Page) -> str:
    return parse_qs(urlsplit(page.url).query)["crop"][0]


def sheet(cell: int, columns: int, rows: int) -> bytes:
    """A sheet of round sprites with transparent corners."""
    canvas = Image.new("RGBA", (cell * columns, cell * rows))
    for n in range(columns * rows):
        sprite = Image.new("RGBA", (cell, cell))
        for x in range(2, cell - 2):
            for y in range(2, cell - 2):
                if (x - cell / 2) ** 2 + (y - cell / 2) ** 2 < (cell / 2 - 2) ** 2:
                    sprite.putpixel((x, y), (60 + 20 * n, 8 * x % 256, 8 * y % 256, 255))
        canvas.paste(sprite, (n % columns * cell, n // columns * cell))
    out = io.BytesIO()
    canvas.save(out, "PNG")
    return out.getvalue()


def test_a_cell_of_a_sheet_is_found_and_searched_with(page: Page) -> None:
    page.goto("/")
    page.set_input_files("[data-file]", {"name": "sheet.png", "mimeType": "image/png", "buffer": sheet(32, 4, 2)})
    page.wait_for_url(re.compile("upload="))
    page.get_by_role("button", name="Search with a part").click()
    viewer = page.get_by_role("dialog", name="Viewer")

    expect(viewer.locator("[data-viewer-grid]")).to_be_checked()
    expect(viewer.locator("[data-grid-field=width]")).to_have_value("32")
    stage = viewer.locator("[data-viewer-canvas]").bounding_box()
    assert stage is not None
    page.mouse.click(stage["x"] + stage["width"] / 2 + 10, stage["y"] + stage["height"] / 2 + 10)
    expect(viewer.locator("[data-box=left]")).to_have_value("64")
    expect(viewer.locator("[data-box=top]")).to_have_value("32")
    viewer.get_by_role("button", name="Search with it").click()

    page.wait_for_url(re.compile("crop="))
    assert [float(side) for side in crop(page).split(",")] == [0.5, 0.5, 0.25, 0.5]


FIND_GRID = """async ({ width, height, fills }) => {
    const { findGrid } = await import("/static/js/viewer/sheet_grid.js");
    const data = new Uint8ClampedArray(4 * width * height);
    for (const [left, top, w, h, seed] of fills)
        for (let y = top; y < top + h; y++)
            for (let x = left; x < left + w; x++)
                data.set([(x * 37 + y * 91 + seed * 53) % 256, (x * y) % 200, seed % 256, 255], 4 * (y * width + x));
    const found = findGrid({ data, width, height });
    return found && [found.width, found.height, found.spacing];
}"""


@slow
def test_a_grid_is_found_only_where_a_picture_is_a_sheet(page: Page) -> None:
    """Sprites of all widths end before their cells do, a few aside; one sprite beside an empty half is no sheet."""
    page.goto("/about")
    sprites = [
        [32 * n + 2 + n % 5, 32 * m + 3 + (n + m) % 4, 28 - n % 5, 26 - (n + m) % 4, 7 * n + m]
        for m in range(12) for n in range(16)
    ]  # fmt: skip
    touching = [[32 * n, 32 * m, 64, 32, n] for n, m in ((3, 4), (9, 1), (12, 10), (5, 6))]

    def found(width: int, height: int, fills: list[list[int]]) -> list[int] | None:
        grid: list[int] | None = page.evaluate(FIND_GRID, {"width": width, "height": height, "fills": fills})
        return grid

    assert found(512, 384, sprites) == [32, 32, 0]
    assert found(512, 384, sprites + touching + [[0, 200, 512, 2, 1], [200, 0, 2, 384, 1]]) == [32, 32, 0]
    assert found(128, 128, [[10, 70, 100, 56, 3]]) is None
    assert found(128, 128, [[66, 5, 60, 120, 3]]) is None
    assert found(128, 128, [[0, 0, 128, 128, 0]]) is None


@slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 800)])
def test_a_part_in_pixels_by_keyboard(browser: Browser, site: str, size: tuple[int, int], scheme: str) -> None:
    context = browser.new_context(
        base_url=site,
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(f"/image/{ROBOT}")
    page.get_by_role("button", name="View, or search with a part").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-viewer-stage]")).to_be_focused()
    page.keyboard.press("b")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowUp", "+", "-"):
        page.keyboard.press(key)
    expect(page.locator("[data-box=left]")).to_have_value("2")
    expect(page.locator("[data-box=width]")).to_have_value("17")
    expect(page.locator("[data-box=height]")).to_have_value("15")
    for side, value in (("left", "48"), ("top", "64"), ("width", "1")):
        page.locator(f"[data-box={side}]").fill(value)
    page.locator("[data-viewer-stage]").focus()
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile("crop="))
    assert crop(page) == "pixel:48,64,1,15"
    expect(page.locator(".card").first).to_be_visible()
    context.close()


@slow
def test_a_box_is_drawn_in_pixels_at_a_whole_number_zoom(page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"/image/{ROBOT}")
    page.locator(".stage img").click()
    expect(page.locator("[data-viewer-zoom]")).to_have_text("4×")
    canvas = page.locator("[data-viewer-canvas]").bounding_box()
    assert canvas is not None
    left = round((canvas["width"] - 96 * 4) / 2) + canvas["x"]
    top = round((canvas["height"] - 128 * 4) / 2) + canvas["y"]
    page.mouse.move(left + 10 * 4 + 2, top + 20 * 4 + 2)
    page.mouse.down()
    page.mouse.move(left + 41 * 4 + 3, top + 29 * 4 + 3, steps=4)
    page.mouse.up()

    values = [page.locator(f"[data-box={side}]").input_value() for side in ("left", "top", "width", "height")]
    assert values == ["10", "20", "32", "10"]
    page.mouse.wheel(0, -100)
    expect(page.locator("[data-viewer-zoom]")).to_have_text("6×")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Viewer")).to_be_hidden()


@slow
def test_a_part_of_an_upload(page: Page) -> None:
    page.goto("/")
    page.set_input_files("[data-file]", CARD_FILE)
    page.get_by_role("button", name="Search with a part").click()
    for side, value in (("left", "10"), ("top", "10"), ("width", "30"), ("height", "20")):
        page.locator(f"[data-box={side}]").fill(value)
    page.get_by_role("button", name="Search with it").click()

    page.wait_for_url(re.compile("crop="))
    assert len(crop(page).split(",")) == 4
    page.get_by_role("link", name="Search with the whole picture").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("This exact picture is in “Playing cards”")


@slow
def test_numbered_frames_are_played(page: Page) -> None:
    page.goto(f"/image/{image_id('robot-animated', WALKING)}")
    page.get_by_role("button", name=re.compile(r"Play \d+ frames")).click()
    player = page.locator("[data-viewer-player]")

    expect(player).to_be_visible()
    expect(player).to_have_attribute("data-frame", "2")
    page.locator("[data-viewer-play]").click()
    expect(player).to_be_hidden()


@slow
def test_cells_are_played_and_a_grid_can_be_set(page: Page) -> None:
    page.goto("/")
    page.set_input_files("[data-file]", {"name": "sheet.png", "mimeType": "image/png", "buffer": sheet(16, 4, 3)})
    page.wait_for_url(re.compile("upload="))
    page.get_by_role("button", name="Search with a part").click()
    page.locator("[data-viewer-size]").select_option("8")
    expect(page.locator("[data-grid-field=height]")).to_have_value("8")
    page.locator("[data-grid-field=width]").fill("16")
    page.locator("[data-grid-field=height]").fill("16")
    page.locator("[data-viewer-stage]").focus()
    page.keyboard.press("p")

    expect(page.locator("[data-viewer-player]")).to_have_attribute("data-frame", re.compile(r"^(?!0$)"))


@slow
def test_frames_play_while_the_pointer_rests_on_a_result(page: Page) -> None:
    page.goto("/search?entry=robot-animated")
    card = page.locator("[data-frames]").first
    first = card.locator(".tile img").first.get_attribute("src")
    card.hover()

    expect(card.locator(".tile img").first).not_to_have_attribute("src", first or "")
    page.mouse.move(2, 2)
    expect(card.locator(".tile img").first).to_have_attribute("src", re.compile(re.escape(first or "x") + "$"))
