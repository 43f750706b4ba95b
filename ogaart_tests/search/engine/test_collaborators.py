"""Collaborators of an entry: found by name and by words, blocked with their names, shown and credited."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ogaart.resources.catalog.generations import Generations
from ogaart.resources.moderation.takedowns import decide
from ogaart.search.engine.service import SearchService
from ogaart.search.filters import Filters
from ogaart.search.query import SearchQuery
from ogaart.settings import Settings
from ogaart_tests.logs import decisions_of
from ogaart_tests.search.tiny_generation import ENTRIES, Entry, GridImageReader, publish
from ogaart_tests.world import copy_data_root

TOGETHER = Entry("lpc-set", "LPC set", "Ann", ("CC-BY 3.0",), ("lpc",), "pypi-arcade/enemies/*.png", most=3,
                 collaborators=("Ben", "Eliza Wy"))  # fmt: skip
ALONE = next(entry for entry in ENTRIES if entry.slug == "tanks")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one publication."""
    root = tmp_path_factory.mktemp("collaborators")
    publish(Settings(data=root), (TOGETHER, ALONE))
    return root


@pytest.fixture(name="settings")
def _settings(published: Path, tmp_path: Path) -> Settings:
    """The settings of a copy, for tests that change it."""
    copy_data_root(published, tmp_path / "data")
    return Settings(data=tmp_path / "data")


@pytest.fixture(name="service", scope="module")
def _service(published: Path) -> Iterator[SearchService]:
    with SearchService(Settings(data=published), GridImageReader()) as service:
        yield service


def slugs(service: SearchService, query: SearchQuery) -> set[str]:
    return {hit.slug for hit in service.search(query).hits}


@pytest.mark.parametrize("name", ["Ann", "Ben", "eliza wy"])
def test_a_filter_by_any_of_the_authors_finds_the_entry(service: SearchService, name: str) -> None:
    assert slugs(service, SearchQuery(filters=Filters(authors=(name,)))) == {"lpc-set"}


def test_words_find_a_collaborator(service: SearchService) -> None:
    assert slugs(service, SearchQuery(words="eliza")) == {"lpc-set"}


def test_a_hit_names_and_credits_them(service: SearchService) -> None:
    hit = service.search(SearchQuery(filters=Filters(authors=("Ben",)))).hits[0]

    assert hit.collaborators == ("Ben", "Eliza Wy")
    assert hit.attribution.startswith('"LPC set" by Ann, Ben, Eliza Wy licensed CC-BY 3.0: ')


@pytest.mark.parametrize("name", ["Ann", "Ben", "Eliza Wy"])
def test_blocking_any_of_the_authors_takes_the_entry_out_at_once(settings: Settings, name: str) -> None:
    with SearchService(settings, GridImageReader()) as service:
        decide(decisions_of(settings.data), "author", name, "asked for")

        assert slugs(service, SearchQuery(words="lpc")) == set()
        assert slugs(service, SearchQuery(words="tanks")) == {"tanks"}


def test_a_publication_from_before_the_column_is_served(settings: Settings) -> None:
    current = Generations(settings.data / "generations").current()
    assert current is not None
    with sqlite3.connect(current.path / "words.sqlite") as store:
        store.execute("ALTER TABLE entries DROP COLUMN collaborators")

    with SearchService(settings, GridImageReader()) as service:
        hits = service.search(SearchQuery(words="lpc", filters=Filters(authors=("ann",)))).hits

    assert {(hit.slug, hit.collaborators) for hit in hits} == {("lpc-set", ())}
