"""Takes the pictures of docs/search.md: ``python tools/search_pictures.py http://127.0.0.1:8080`` (the demo's page)."""

import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, sync_playwright

from ogaart.operations.doctor import chromium

ROOT = Path(__file__).parent.parent
ART = ROOT / "ogaart" / "demo" / "art"
TO = ROOT / "docs" / "images"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]


def copy_of(path: Path) -> dict[str, str | bytes]:
    """A visitor's copy: mirrored, twice as large, on a blue ground."""
    picture = ImageOps.mirror(Image.open(path).convert("RGBA"))
    picture = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)
    return _png(_on_ground(picture.size, [(picture, (0, 0))]), "found-somewhere.png")


def scene_of(paths: Sequence[Path]) -> dict[str, str | bytes]:
    """A mock-up of a game that shows some pictures beside each other."""
    pictures = [Image.open(path).convert("RGBA") for path in paths]
    placed = [(one, (40 + 150 * n, 60 + 70 * (n % 2))) for n, one in enumerate(pictures)]
    return _png(_on_ground((80 + 150 * len(paths), 300), placed), "mock-up.png")


def _on_ground(size: tuple[int, int], placed: Sequence[tuple[Image.Image, tuple[int, int]]]) -> Image.Image:
    ground = Image.new("RGBA", size, "#314b6e")
    for one, place in placed:
        ground.alpha_composite(one, place)
    return ground


def _png(picture: Image.Image, name: str) -> dict[str, str | bytes]:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": out.getvalue()}


class Camera:
    """Opens pages of the demo and keeps pictures of them.

    Args:
        browser: a Chromium.
        base: the search page's URL.
    """

    def __init__(self, browser: Browser, base: str) -> None:
        self._browser = browser
        self._base = base

    def page(self, **options: object) -> Page:
        """A page of a new visitor, on a desktop in light colours unless said otherwise."""
        chosen = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light", "base_url": self._base} | options
        return self._browser.new_context(**chosen).new_page()  # type: ignore[arg-type]

    def shoot(self, shown: Page, *names: str) -> None:
        """Keep a picture of a page under some names."""
        shown.wait_for_load_state("networkidle")
        shown.mouse.move(0, 0)
        for name in names:
            path = TO / f"{name}.png"
            shown.screenshot(path=path)
            # A quarter of the size, and hardly to be told apart.
            Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
            sys.stdout.write(f"{path} {path.stat().st_size >> 10} KB\n")


def words(camera: Camera) -> None:
    """The first page, suggestions, results, nothing found, an entry."""
    shown = camera.page()
    shown.goto("/")
    camera.shoot(shown, "search-home")
    shown.keyboard.type("sp")
    shown.get_by_role("option").nth(1).wait_for()
    shown.keyboard.press("ArrowDown")
    shown.keyboard.press("ArrowDown")
    camera.shoot(shown, "search-suggestions")
    shown.goto("/search?q=kenney&use=sell&use=no-credit")
    camera.shoot(shown, "search-results")
    shown.goto("/search?q=dragon")
    camera.shoot(shown, "search-nothing")
    shown.goto("/entry/slimes-worms-and-vermin")
    camera.shoot(shown, "search-entry")


def pictures(camera: Camera) -> None:
    """A copy's verdict, what a picture contains, several pictures, one picture."""
    shown = camera.page()
    shown.goto("/")
    shown.set_input_files("[data-file]", copy_of(ART / "pypi-arcade/space_shooter/playerShip1_blue.png"))  # type: ignore[arg-type]
    shown.wait_for_url(re.compile("upload="))
    camera.shoot(shown, "search", "search-verdict")
    shown.goto("/")
    enemies = [ART / f"pypi-arcade/enemies/{name}.png" for name in ("bee", "frog", "slimeGreen", "wormPink")]
    shown.set_input_files("[data-file]", scene_of(enemies))  # type: ignore[arg-type]
    shown.wait_for_url(re.compile("upload="))
    camera.shoot(shown, "search-contains")
    shown.goto("/")
    shown.set_input_files("[data-file]", str(ART / "pypi-arcade/enemies/frog.png"))
    shown.wait_for_url(re.compile("upload="))
    for picture, role, button in (
        ("slimeGreen", "like", "More like this"),
        ("fly", "unlike", "Less like this"),
    ):
        shown.get_by_text("Another picture").click()
        shown.set_input_files("[data-further] input[type=file]", str(ART / f"pypi-arcade/enemies/{picture}.png"))
        shown.get_by_role("button", name=button, exact=True).click()
        shown.wait_for_url(re.compile(f"[?&]{role}="))
    camera.shoot(shown, "search-several")
    shown.goto("/search?q=planet")
    shown.locator(".card .tile").first.click()
    shown.wait_for_url(re.compile("/image/"))
    camera.shoot(shown, "search-detail")


def likeness(camera: Camera) -> None:
    """A part of a sheet with its place lit, and the sliders of what counts."""
    shown = camera.page()
    sheet = Image.open(ART / "angband-data/graf/32x32.png").convert("RGBA")
    shown.goto("/")
    shown.set_input_files("[data-file]", _png(sheet.crop((160, 128, 256, 192)), "cut-out.png"))  # type: ignore[arg-type]
    shown.wait_for_url(re.compile("upload="))
    camera.shoot(shown, "search-part")
    shown.goto("/search?q=tank&group=no")
    liked = shown.locator(".card").first.get_attribute("data-card")
    shown.goto(f"/search?like={liked}&weights=other-colours")
    shown.locator("summary", has_text="What counts").click()
    camera.shoot(shown, "search-weights")


def credits_page(camera: Camera) -> None:
    """The credits of pictures by several authors."""
    shown = camera.page()
    ids: list[str] = []
    for text in ("gervais", "nichol", "vermin", "scene"):
        shown.goto(f"/search?q={text}")
        ids += shown.locator(".card").evaluate_all("cards => cards.slice(0, 2).map(card => card.dataset.card)")
    shown.goto(f"/credits?ids={','.join(ids)}")
    camera.shoot(shown, "search-credits")


def others(camera: Camera) -> None:
    """The viewer and a menu in dark colours, and a phone."""
    dark = camera.page(color_scheme="dark")
    dark.goto("/search?q=explosion")
    dark.locator(".card .tile").first.click()
    dark.locator("button[data-view]").first.click()
    dark.locator(".viewer-foot", has_text="cells").wait_for()
    stage = dark.locator(".viewer-stage").bounding_box()
    assert stage is not None
    dark.keyboard.press("+")
    dark.mouse.click(stage["x"] + stage["width"] / 2 - 80, stage["y"] + stage["height"] / 2 - 150)
    dark.keyboard.press("p")
    camera.shoot(dark, "search-viewer")
    dark.goto("/search?q=tank&group=no")
    liked, disliked = dark.locator(".card").evaluate_all("cards => [0, 2].map(n => cards[n].dataset.card)")
    dark.goto(f"/search?like={liked}&unlike={disliked}")
    dark.locator("summary", has_text="Look").click()
    camera.shoot(dark, "search-dark")

    phone = camera.page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    phone.goto("/")
    phone.set_input_files("[data-file]", copy_of(ART / "pypi-arcade/enemies/frog.png"))  # type: ignore[arg-type]
    phone.wait_for_url(re.compile("upload="))
    camera.shoot(phone, "search-phone")


def main() -> None:
    """Take them all."""
    TO.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        camera = Camera(browser, sys.argv[1].rstrip("/"))
        for part in (words, pictures, likeness, credits_page, others):
            part(camera)
        browser.close()


if __name__ == "__main__":
    main()
