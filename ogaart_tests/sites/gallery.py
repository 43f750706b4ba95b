"""A second site on loopback: a gallery of three entries whose class is the one in docs/extending.md."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ogaart.demo.http import DemoResponse
from ogaart.demo.model import DemoContent as DemoRecords
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.imaging.builders import png

RECIPE = Path(__file__).parents[2] / "docs" / "extending.md"
PER_PAGE = 2


def code_of_recipe(language: str) -> str:
    """The first block of that language in the recipe "A site"."""
    section = RECIPE.read_text("utf-8").partition("\n## A site\n")[2].partition("\n## ")[0]
    block = re.search(rf"^   ```{language}\n(.*?)^   ```", section, re.MULTILINE | re.DOTALL)
    assert block is not None, f"docs/extending.md has no {language} in its section 'A site'"
    return "".join(line.removeprefix("   ") for line in block[1].splitlines(keepends=True))


class GalleryServer(ChangingSite):
    """Serves the gallery: result pages of two, an entry a page, one file an entry."""

    def __init__(self) -> None:
        super().__init__(site=DemoRecords([]))
        self.titles = {7: "Grass tiles", 8: "Stone tiles", 12: "Water tiles"}
        self.pictures = {number: png((24, 24), (10 * number, 90, 200, 255)) for number in self.titles}

    def answer(self, target: str) -> DemoResponse:
        parts = urlsplit(target)
        folder, _, last = parts.path.rpartition("/")
        number = int(last) if last.isdecimal() else 0
        if parts.path == "/browse":
            return DemoResponse(200, self._listing(int(parse_qs(parts.query)["p"][0])))
        if folder == "/art" and number in self.titles:
            return DemoResponse(200, self._entry(number))
        if folder == "/dl" and (number := int(last.partition(".")[0])) in self.pictures:
            return DemoResponse(200, self.pictures[number], "image/png")
        return DemoResponse(404, b"<html><body>nothing here</body></html>")

    def _listing(self, page: int) -> bytes:
        page = min(page, (len(self.titles) - 1) // PER_PAGE)
        found = list(self.titles.items())[page * PER_PAGE : (page + 1) * PER_PAGE]
        first = page * PER_PAGE + 1
        rows = "".join(f'<li><a href="/art/{number}">{title}</a></li>' for number, title in found)
        counter = f'<output class="range">{first} {first + len(found) - 1} {len(self.titles)}</output>'
        return f'<html><body>{counter}<ol class="found">{rows}</ol></body></html>'.encode()

    def _entry(self, number: int) -> bytes:
        link = (
            f'<a class="download" data-id="{number}" data-bytes="{len(self.pictures[number])}" '
            f'href="/dl/{number}.png">{number}.png</a>'
        )
        about = f"<h1>{self.titles[number]}</h1><i class=by>Ada</i><b class=licence>CC0</b>"
        return f'<html><body><article class="card">{about}{link}</article></body></html>'.encode()
