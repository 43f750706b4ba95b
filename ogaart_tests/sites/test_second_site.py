"""A second site, added as docs/extending.md says: its class is the document's own code, and runs the whole graph."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogaart.imaging.identity import image_id
from ogaart.settings import Settings
from ogaart.sites.base import Site
from ogaart.sites.errors import InvalidQueries, PageForeign, UnknownSite
from ogaart.sites.opengameart.site import OpenGameArt
from ogaart.sites.records import LinkTargets
from ogaart.sites.registry import open_site
from ogaart_tests.sites.gallery import GalleryServer, code_of_recipe
from ogaart_tests.world import open_world

MODULE = "gallery_site"
BASE = "http://127.0.0.1:8000"
PIXELS = "ab" * 32


@pytest.fixture(name="installed")
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The recipe's class in a module that can be imported; its name for OGAART_SITE_NAME."""
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / f"{MODULE}.py").write_text(code_of_recipe("python"))
    monkeypatch.syspath_prepend(str(packages))
    yield f"{MODULE}:Gallery"
    sys.modules.pop(MODULE, None)


@pytest.fixture(name="gallery")
def _gallery(installed: str) -> Site:
    return open_site(Settings(site=BASE, site_name=installed))


def test_every_record_of_a_second_site_has_its_key(gallery: Site) -> None:
    server = GalleryServer()

    listing = gallery.parse_listing(server.answer("/browse?set=tiles&p=0").body)
    entry = gallery.parse_entry(server.answer("/art/7").body, f"{BASE}/art/7")

    assert [row.slug for row in listing.rows] == ["/gallery/7", "/gallery/8"]
    assert (entry.slug, [file.slug for file in entry.files]) == ("/gallery/7", ["/gallery/7"])
    assert gallery.entry_key(f"{BASE}/art/7") == "/gallery/7"
    assert gallery.targets(f"{BASE}/art/7") == LinkTargets(entries=("/gallery/7",))
    assert gallery.entry_key(f"{BASE}/browse") is None


@given(st.text(min_size=1))
def test_no_key_of_opengameart_can_be_one_of_another_site(name: str) -> None:
    site = OpenGameArt(BASE)
    for url in (f"/content/{name}", f"/content/%2F{name}", f"/node/{name}", f"{BASE}/content/%2Fgallery%2F{name}"):
        key = site.entry_key(url)
        assert key is None or not key.startswith("/") or key.startswith("/node/")


def test_the_same_own_key_on_two_sites_makes_two_images(gallery: Site) -> None:
    theirs, ours = gallery.entry_key("/art/7"), OpenGameArt(BASE).entry_key("/content/7")
    assert theirs is not None
    assert ours == "7"  # as it was when there was one site
    assert image_id(theirs, PIXELS) != image_id(ours, PIXELS)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("deviantart", "known are opengameart"),
        ("nowhere.to.be.found:Site", "cannot be imported"),
        ("ogaart.sites.base:Missing", "cannot be imported"),
        ("ogaart.sites.base:load_queries", "not a subclass"),
    ],
)
def test_an_unknown_site_is_an_error_with_the_valid_names(name: str, says: str) -> None:
    with pytest.raises(UnknownSite, match=says):
        open_site(Settings(site_name=name))


def test_a_site_cannot_be_called_like_the_keys_of_another(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    open_site(Settings(site_name=installed))
    monkeypatch.setattr(f"{MODULE}.Gallery.name", "node")

    with pytest.raises(UnknownSite, match="'node'"):
        open_site(Settings(site_name=installed))


def test_queries_are_checked_by_the_site_that_runs_them(gallery: Site, tmp_path: Path) -> None:
    path = tmp_path / "queries.toml"
    path.write_text(code_of_recipe("toml"))

    assert gallery.listing_url(gallery.load_queries(path)["tiles"], 1) == f"{BASE}/browse?set=tiles&p=1"
    with pytest.raises(InvalidQueries, match="set"):
        OpenGameArt(BASE).load_queries(path)


@pytest.mark.slow
def test_a_second_site_runs_through_the_whole_graph(installed: str, tmp_path: Path) -> None:
    with open_world(tmp_path, GalleryServer(), OGAART_SITE_NAME=installed) as world:
        world.settings.queries.write_text(code_of_recipe("toml"))
        world.all()

        found = world.sql("SELECT slug, site, title, author, licences, status FROM entries ORDER BY nid")
        pictures = world.sql("SELECT slug, count(*) FILTER (indexed) FROM images GROUP BY slug ORDER BY slug")
        partitions = world.sql("SELECT DISTINCT partition FROM listings ORDER BY 1")

    assert found == [
        ("/gallery/7", "gallery", "Grass tiles", "Ada", ["CC0"], "ok"),
        ("/gallery/8", "gallery", "Stone tiles", "Ada", ["CC0"], "ok"),
        ("/gallery/12", "gallery", "Water tiles", "Ada", ["CC0"], "ok"),
    ]
    assert pictures == [("/gallery/12", 1), ("/gallery/7", 1), ("/gallery/8", 1)]
    assert partitions == [("tiles/0000",), ("tiles/0001",)]


def test_a_page_that_is_not_the_sites_is_refused_by_its_own_class(gallery: Site) -> None:
    with pytest.raises(PageForeign):
        gallery.parse_entry(b"<html><body>Log in</body></html>", f"{BASE}/art/7")
