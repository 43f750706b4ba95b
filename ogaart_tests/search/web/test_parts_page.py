"""The results page lights the part up in its sheet, and lists what a picture contains, in a real Chromium."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from ogaart.search.engine.service import SearchService
from ogaart.settings import Settings
from ogaart_tests.likeness.patch_art import enlarged, ground, paste
from ogaart_tests.search.parts.test_shared_parts import rgba_of
from ogaart_tests.search.serving import serving
from ogaart_tests.search.tiny_generation import ENTRIES, Entry, GridImageReader, pictures, png, publish

pytestmark = pytest.mark.browser

ROBOTS = pictures(next(entry for entry in ENTRIES if entry.slug == "robot-animated"))[:8]
TANKS = pictures(next(entry for entry in ENTRIES if entry.slug == "tanks"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tiny publication with patches, and a sheet of eight robots that no other entry holds."""
    root: Path = tmp_path_factory.mktemp("parts-page")
    rows = [np.concatenate([rgba_of(path) for path in ROBOTS[n : n + 4]], axis=1) for n in (0, 4)]
    (root / "robots.png").write_bytes(png(np.concatenate(rows, axis=0)))
    sheet = Entry("robot-sheet", "Robot sheet", "Zoe", ("CC-BY 3.0",), ("robot",), f"{root}/*.png")
    others = tuple(entry for entry in ENTRIES if entry.slug != "robot-animated")
    settings = Settings(data=root / "data", searches_per_minute=0, uploads_per_minute=0)
    publish(settings, (*others, sheet), patches=True)
    with SearchService(settings, GridImageReader(patches=True)) as service, serving(settings, service) as base:
        yield base


def test_the_part_is_lit_in_its_sheet(page: Page) -> None:
    robot = rgba_of(ROBOTS[6])
    height, width = robot.shape[:2]

    page.goto("/")
    page.set_input_files("[data-file]", ROBOTS[6])
    page.wait_for_url(re.compile("upload="), timeout=60_000)

    expect(page.get_by_role("heading", level=1)).to_have_text(
        f"This picture is a part of “Robot sheet” by Zoe, at x {2 * width}, y {height} (column 3, row 2)."
    )
    sheet, lit = (page.locator(f".parts .lit {what}").first.bounding_box() for what in ("img", "rect"))
    assert sheet is not None
    assert lit is not None
    scale = sheet["width"] / (4 * width)
    assert lit["x"] - sheet["x"] == pytest.approx(2 * width * scale, abs=3)
    assert lit["y"] - sheet["y"] == pytest.approx(height * scale, abs=3)
    assert lit["width"] == pytest.approx(width * scale, abs=5)
    expect(page.locator(".card").first).to_contain_text("contains yours")
    expect(page.locator(".wholes .quiet").first).to_have_text(re.compile(r"column 3, row 2$"))
    for what in ("Copy credit", "Keep"):
        expect(page.locator(".wholes").get_by_role("button", name=what).first).to_be_visible()
    expect(page.locator(".wholes").get_by_role("link", name="Original").first).to_be_visible()


def test_a_scene_lists_its_pieces_and_their_credits(page: Page, tmp_path: Path) -> None:
    scene = tmp_path / "scene.png"
    mock_up = ground(1, 420, 320)
    for n, path in enumerate((TANKS[0], TANKS[9], TANKS[14])):
        mock_up = paste(mock_up, rgba_of(path), 30 + 120 * n, 40 + 60 * n)
    scene.write_bytes(png(mock_up))

    page.goto("/")
    page.set_input_files("[data-file]", scene)
    page.wait_for_url(re.compile("upload="), timeout=60_000)

    expect(page.get_by_role("heading", level=1)).to_contain_text("This picture contains 3 known pictures of 1 entry.")
    expect(page.locator(".pieces li")).to_have_count(3)
    expect(page.locator(".pieces li").first).to_contain_text("OGA-BY 3.0")
    assert page.locator(".pieces .tile").first.evaluate("tile => tile.clientWidth") > 120
    page.get_by_role("link", name="Credits for all of them").click()
    expect(page.locator(".credited")).to_contain_text("Top-down tanks")


def test_how_the_part_is_changed_is_said(page: Page, tmp_path: Path) -> None:
    changed = tmp_path / "changed.png"
    changed.write_bytes(png(enlarged(np.rot90(rgba_of(ROBOTS[6])[:, ::-1], 3), 2)))

    page.goto("/")
    page.set_input_files("[data-file]", changed)
    page.wait_for_url(re.compile("upload="), timeout=60_000)

    expect(page.get_by_role("heading", level=1)).to_contain_text("mirrored, turned by a quarter, enlarged 2 times.")
    said = page.locator(".wholes .quiet").first
    expect(said).to_contain_text("column 3, row 2 · mirrored · turned by a quarter · enlarged 2 times")


def test_how_a_piece_of_a_scene_is_changed_is_said(page: Page, tmp_path: Path) -> None:
    scene = tmp_path / "scene.png"
    mirrored = np.ascontiguousarray(rgba_of(TANKS[10])[:, ::-1])
    mock_up = paste(paste(ground(1, 420, 320), rgba_of(TANKS[0]), 20, 20), enlarged(mirrored, 2), 180, 60)
    scene.write_bytes(png(mock_up))

    page.goto("/")
    page.set_input_files("[data-file]", scene)
    page.wait_for_url(re.compile("upload="), timeout=60_000)

    pieces = page.locator(".pieces li")
    expect(pieces).to_have_count(2)
    expect(pieces.filter(has_text="x 20, y 20").locator(".quiet").last).to_have_text("at x 20, y 20")
    expect(pieces.filter(has_text="mirrored").locator(".quiet").last).to_have_text(
        "at x 180, y 60 · mirrored · enlarged 2 times"
    )
