"""Collaborators of an entry: found by name and by words, blocked with their names, shown and credited."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ogaart.resources.catalog.generations import Generations
from ogaart.resources.storage.takedowns import decide
from ogaart.search.engine.service import SearchService
from ogaart.search.filters import Filters
from ogaart.search.query import SearchQuery
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import ENTRIES, Entry, GridImageReader, publish

TOGETHER = Entry("lpc-set", "LPC set", "Ann", ("CC-BY 3.0",), ("lpc",), "pypi-arcade/enemies/*.png", most=3,
                 collaborators=("Ben", "Eliza Wy"))  # fmt: skip
ALONE = next(entry for entry in ENTRIES if entry.slug == "tanks")


@pytest.fixture(name="settings")
def _settings(tmp_path: Path) -> Settings:
    settings = Settings(data=tmp_path)
    publish(settings, (TOGETHER, ALONE))
    return settings


@pytest.fixture(name="service")
def _service(settings: Settings) -> Iterator[SearchService]:
    with SearchService(settings, GridImageReader()) as service:
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
def test_blocking_any_of_the_authors_takes_the_entry_out_at_once(
    service: SearchService, settings: Settings, name: str
) -> None:
    decide(settings.data / "decisions.jsonl", "author", name, "asked for")

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
