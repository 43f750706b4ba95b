"""Takes the pictures of docs/search.md: ``python tools/search_pictures.py http://127.0.0.1:8080`` (the demo's page)."""

import io
import re
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from ogaart.operations.doctor import chromium

ROOT = Path(__file__).parent.parent
ART = ROOT / "ogaart" / "demo" / "art"
TO = ROOT / "docs" / "images"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]


def copy_of(path: Path) -> dict[str, str | bytes]:
    """A visitor's copy: 60 %, on white, JPEG."""
    picture = Image.open(path).convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture)
    out = io.BytesIO()
    size = (round(picture.width * 0.6), round(picture.height * 0.6))
    ground.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(out, "JPEG", quality=85)
    return {"name": "found-somewhere.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}


def main() -> None:
    """Take them all."""
    base = sys.argv[1].rstrip("/")
    TO.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)

        def page(**options: object) -> Page:
            return _page(browser, base, **options)

        def shoot(shown: Page, name: str) -> None:
            shown.wait_for_load_state("networkidle")
            shown.mouse.move(0, 0)
            path = TO / f"search-{name}.png"
            shown.screenshot(path=path)
            Image.open(path).convert("RGB").save(path, optimize=True)
            sys.stdout.write(f"{path} {path.stat().st_size >> 10} KB\n")

        shown = page()
        shown.goto("/")
        shoot(shown, "home")
        shown.goto("/search?q=kenney&use=sell&use=no-credit")
        shoot(shown, "results")
        shown.goto("/")
        shown.set_input_files("[data-file]", copy_of(ART / "pypi-arcade/enemies/frog.png"))  # type: ignore[arg-type]
        shown.wait_for_url(re.compile("upload="))
        shoot(shown, "verdict")
        for picture, button in (
            ("pypi-arcade/enemies/slimeGreen.png", "More like this"),
            ("pypi-arcade/enemies/fly.png", "Less like this"),
        ):
            shown.get_by_text("Another picture").click()
            shown.set_input_files("[data-further] input[type=file]", str(ART / picture))
            shown.get_by_role("button", name=button, exact=True).click()
            shown.wait_for_load_state("networkidle")
        shown.get_by_text("Another picture").click()
        shoot(shown, "several")
        shown.goto("/search?q=planet")
        shown.locator(".card .tile").first.click()
        shown.wait_for_url(re.compile("/image/"))
        shoot(shown, "detail")
        ids: list[str] = []
        for words in ("gervais", "nichol", "vermin", "scene"):
            shown.goto(f"/search?q={words}")
            found = shown.locator(".card").evaluate_all("cards => cards.slice(0, 2).map(card => card.dataset.card)")
            ids += [str(one) for one in found]
        shown.goto(f"/credits?ids={','.join(ids)}")
        shoot(shown, "credits")

        dark = page(color_scheme="dark")
        dark.goto("/search?q=tank")
        liked, disliked = dark.locator(".card").evaluate_all("cards => [0, 2].map(n => cards[n].dataset.card)")
        dark.goto(f"/search?like={liked}&unlike={disliked}")
        dark.locator("summary", has_text="Look").click()
        shoot(dark, "dark")

        phone = page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        phone.goto("/")
        phone.set_input_files("[data-file]", str(ART / "pypi-arcade/alien/alienBlue_front.png"))
        phone.wait_for_url(re.compile("upload="))
        shoot(phone, "phone")
        browser.close()


def _page(browser: Browser, base: str, **options: object) -> Page:
    chosen = {"viewport": {"width": 1360, "height": 900}, "color_scheme": "light", "base_url": base} | options
    return browser.new_context(**chosen).new_page()  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
