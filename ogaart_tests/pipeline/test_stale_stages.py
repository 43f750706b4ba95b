"""A changed version, limit or preparation makes stale what depends on it, and nothing else; no request is sent."""

from collections.abc import Iterator

import pytest

from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.world import World, open_world

pytestmark = pytest.mark.slow

ENTRIES = 5


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    site = ChangingSite(site=DemoContent(plan.load().by_age()[:ENTRIES]))
    with open_world(tmp_path_factory.mktemp("stale"), site) as opened:
        opened.all()
        yield opened


@pytest.fixture(autouse=True)
def settled(world: World) -> None:
    """What an earlier test changed and changed back is settled first."""
    world.materialize()


def stale_stages(world: World) -> set[str]:
    """The stages that a materialization finds anything but unchanged in; no request may be made."""
    before = len(world.site.requests)

    report = world.materialize()

    assert report.errors == []
    assert len(world.site.requests) == before
    return {row["asset"] for row in report.rows if row["new"] or row["stale"] or row["orphaned"]}


def test_nothing_changed_nothing_is_stale(world: World) -> None:
    assert stale_stages(world) == set()


def test_a_limit_of_decoding(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_MAX_PIXELS", "63000000")

    assert stale_stages(world) == {"extracted_images"}
    assert stale_stages(world) == set()


def test_the_parser_of_entries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ogaart.sites.opengameart.site.OpenGameArt.content_version", "next")

    # All pages are parsed again from the store; the records come out equal, so that they count as unchanged.
    assert stale_stages(world) == set()


def test_the_parser_of_links(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ogaart.sites.opengameart.site.OpenGameArt.links_version", "next")

    assert stale_stages(world) == {"file_links"}


def test_the_preprocessing_for_the_model(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("embedder", "registry"):
        monkeypatch.setattr(f"ogaart.resources.embedding.{module}.PREPARATION", "grey-squash-next", raising=False)

    assert stale_stages(world) == {"embeddings", "qdrant_collection"}
