"""A site so small that its whole graph runs in seconds: nine of the demo's entries, on two result pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart_tests.changing_site import ChangingSite

PER_PAGE = 5
QUERIES = f"""\
[[query]]
name = "2d-art"
per_page = {PER_PAGE}
"""
TWO_QUERIES = f"""{QUERIES}
[[query]]
name = "some-tags"
tags = ["character", "lava", "rock", "icon"]
per_page = 3
"""
SLUGS = (
    "alien-platformer-character",  # a zip with seven pictures and things that are none
    "coins-and-a-star",  # five loose pictures
    "stone-tiles",  # a whole zip and a damaged one
    "lava-and-water",  # the same pixels as GIF and as PNG
    "slimes-worms-and-vermin",  # zips, one picture in gzip, one of 0 x 0 pixels
    "map-pin",  # a file that is not there
    "escort",
    "withheld-heroes",
    "blobs-and-energy",  # tar.gz
)


def records() -> DemoContent:
    """The records of the small site, fresh: tests may change them."""
    site = plan.load()
    chosen = [entry for entry in site.entries if entry.slug in SLUGS]
    return DemoContent(chosen, site.decoys)


@contextmanager
def small_site(port: int = 0, delay: float = 0.0) -> Iterator[ChangingSite]:
    """Serve the small site on loopback."""
    with ChangingSite(port=port, delay=delay, per_page=PER_PAGE, site=records()) as site:
        yield site


def write_queries(path: Path, text: str = QUERIES) -> Path:
    """Write a queries file, unless it exists already and may be in use; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path
