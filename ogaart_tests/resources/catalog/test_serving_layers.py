"""words.sqlite as a shared base and a file of what differs answers every question as one that is made in full."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from ogaart.resources.catalog.audits import audit_words
from ogaart.resources.catalog.generations import Generation
from ogaart.resources.catalog.withdrawals import _served_entries
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.moderation.takedowns import Takedowns
from ogaart.resources.serving import rows as serving_rows
from ogaart.resources.serving.layers import OF_ENTRIES, OF_IMAGES, WHOLE
from ogaart.search.engine.hits import read_hits
from ogaart.search.engine.kinship import count_cells, linked_with, read_kinship
from ogaart.search.engine.showcase import one_each
from ogaart.search.store.serving_store import ServingStore
from ogaart_tests.resources.catalog.catalog_world import WHEN, World, fill, publish
from ogaart_tests.resources.catalog.test_incremental import files_of

ALWAYS, NEVER = 1000.0, 0.0
"""Largest files of differences, as a share of the base: of any size, and none."""
BEGINNINGS = ("a", "ar", "art", "t", "ti", "re", "zip", "p", "0")


@contextmanager
def opened(generation: Generation) -> Iterator[ServingStore]:
    store = ServingStore(generation.path, generation.number)
    yield store
    store.close()


def answers(generation: Generation) -> dict[str, Any]:
    """What every read of a publication's rows and terms returns; numbers of files and packs apart."""
    with opened(generation) as store:
        columns, index = store.columns, store.words
        ids = np.sort(columns.ids).tolist()
        slugs = list(columns.slugs)
        stored = sorted({row["term"] for row in store.select("SELECT term FROM terms")})
        weights = {term: found.tolist() for term in stored if (found := index.weights(term)) is not None}
        terms = sorted(weights)
        pairs = [terms[n : n + 2] for n in range(len(terms) - 1)] + [["titl", "of"], ["art", "art"]]
        hits = read_hits(store, ids)
        return {
            "columns": {
                name: getattr(columns, name).tolist()
                for name in ("ids", "entry_of", "pixels", "posted", "favourites", "area", "sides", "starts")
            },
            "values": {
                key: (one.names, one.entries.tolist(), one.values.tolist()) for key, one in columns.values.items()
            },
            "weights": weights,
            "phrases": {" ".join(pair): _listed(index.phrase(pair)) for pair in pairs},
            "vocabulary": index.vocabulary,
            "beginning": {word: index.beginning(word) for word in BEGINNINGS},
            "images": {i: _without(row, "pack") for i, row in store.image_rows(ids).items()},
            "entries": {slug: _without(row) for slug, row in store.entry_rows(slugs).items()},
            "places": [row._replace(nth=0) for row in store.place_rows(ids)],
            "thumbnails": [store.thumbnail(i) for i in ids],
            "originals": [_of_pack(store.original(i)) for i in ids],
            "named": store.named(ids),
            "palettes": store.palettes(ids),
            "briefs": store.briefs(ids),
            "same": {i: sorted(store.with_pixels_of([i])) for i in ids},
            "hashes": {i: (sha := store.pixel_sha256(i), sorted(store.same_pixels(sha or ""))) for i in ids},
            "licences": {slug: store.licence_history(slug) for slug in slugs},
            "of entries": sorted(store.ids_of_entries(slugs[:3])),
            "of authors": sorted(store.ids_of_authors(["Ann"])),
            "titles": store.slugs_by_title("title", 5),
            "of files": {
                url: sorted(store.ids_of_file(url)) for url in (row.file_url or "" for row in store.place_rows(ids))
            },
            "renamed": [(store.new_id(i), store.new_key(slug)) for i in ids for slug in ("art-0", "art-9")],
            "newest": one_each(store, "newest", 4),
            "favourites": one_each(store, "favourites", 4),
            "kin": {i: read_kinship(store, hit) for i, hit in hits.items()},
            "linked": {i: (linked_with(store, i), count_cells(store, i)) for i in ids},
            "hits": hits,
            "info": (store.info.images, store.info.entries),
        }


def _without(row: sqlite3.Row, *names: str) -> dict[str, Any]:
    return {key: row[key] for key in row.keys() if key not in names}  # noqa: SIM118 - a Row iterates over values


def _listed(found: Any) -> list[float] | None:
    return None if found is None else found.tolist()


def _of_pack(original: Any) -> tuple[object, ...]:
    return (original.name, original.format, original.pack and original.pack.name, original.offset, original.length)


class Site:
    """Partitions of entries, some of whose pictures are in several entries, as they change."""

    def __init__(self, world: World, index: VectorIndex, partitions: int = 14) -> None:
        self.world, self.index = world, index
        self.partitions = {f"2d/{n:04d}": [f"art-{2 * n}", f"art-{2 * n + 1}"] for n in range(partitions)}
        for key in self.partitions:
            self.commit(key, 0)

    def commit(self, key: str, moment: int, renamed: dict[str, str] | None = None) -> None:
        names = self.partitions[key]
        pictures = {name: [f"{name} {n}" for n in range(1 + int(name[-1]) % 3)] + ["common"] for name in names}
        fill(self.index, *((name, picture) for name, some in pictures.items() for picture in some))

        def change(table: str, row: dict[str, Any]) -> dict[str, Any]:
            if table != "entries":
                return row
            title = f"Read {moment}" if moment and row["slug"].endswith(("1", "4")) else row["title"]
            tags = ["tree", f"tag{moment}", "Tree" if moment else "forêt"]
            return {**row, "title": title, "favourites": moment % 3, "tags": tags}

        files = {name: {f"{name}.zip": some, f"{name}.png": some[:1]} for name, some in pictures.items()}
        self.world.partition(key, files, fetched_at=WHEN + timedelta(hours=moment), run=f"run-{moment}", change=change)

    def publish(self, shared: Generation, decided: Takedowns, largest: float) -> tuple[Generation, Generation]:
        """The publication that takes over what did not change, and the same in full."""
        found = publish(self.world, self.index, shared=shared, previous=shared, takedowns=decided,
                        largest_delta=largest)  # fmt: skip
        return found, publish(self.world, self.index, previous=shared, takedowns=decided)


@pytest.mark.slow  # a publication in two ways for each of several changes
def test_any_series_of_differences_answers_as_a_publication_in_full(world: World, index: VectorIndex) -> None:
    site = Site(world, index)
    shared = publish(world, index)
    decided = Takedowns()
    steps = iter(range(1, 20))

    def step(largest: float, *, delta: bool) -> None:
        nonlocal shared
        before, base = files_of(shared), shared.words.stat()
        found, full = site.publish(shared, decided, largest)
        assert found.words_delta.exists() is delta
        assert (found.words.stat().st_ino == base.st_ino) is delta
        assert files_of(shared) == before
        assert answers(found) == answers(full)
        assert not full.words_delta.exists()
        counts = {key: value for key, value in full.manifest["counts"].items() if key.startswith("words_")}
        assert {key: found.manifest["counts"][key] for key in counts} == counts
        audit = audit_words(found, np.sort(open_ids(found)))
        assert audit.passed, audit.message
        shared = found

    site.commit("2d/0000", next(steps))  # a changed entry
    step(ALWAYS, delta=True)
    site.partitions["2d/0020"] = ["art-40", "art-41"]  # a new partition
    site.commit("2d/0020", next(steps))
    step(ALWAYS, delta=True)
    site.partitions["2d/0001"] = ["art-3"]  # an entry leaves, and what was replaced changes again
    site.commit("2d/0001", next(steps))
    site.commit("2d/0000", next(steps))
    step(ALWAYS, delta=True)
    decided = Takedowns(entries=("art-40", "art-6"))  # of the base, and of what differs
    step(ALWAYS, delta=True)
    site.partitions["2d/0002"] = []  # all of a partition leaves; one of its entries is found elsewhere
    site.commit("2d/0002", next(steps))
    site.partitions["2d/0003"] = ["art-6", "art-7", "art-4"]
    site.commit("2d/0003", next(steps))
    decided = Takedowns(entries=("art-40",))  # one is allowed again
    step(ALWAYS, delta=True)
    site.commit("2d/0020", next(steps))
    step(NEVER, delta=False)  # all of it becomes a new base
    site.commit("2d/0001", next(steps))
    step(ALWAYS, delta=True)


def test_every_table_of_rows_is_of_entries_or_images_or_whole() -> None:
    assert sorted((*OF_ENTRIES, *OF_IMAGES)) == sorted(serving_rows.ROWS)
    assert sorted(WHOLE) == sorted(serving_rows.SMALL)


@pytest.fixture
def two_files(world: World, index: VectorIndex) -> tuple[Site, Generation]:
    """A site, and a publication of it whose rows are in two files."""
    site = Site(world, index, partitions=6)
    first = publish(world, index)
    site.commit("2d/0000", 1)
    second = publish(world, index, shared=first, previous=first, largest_delta=ALWAYS)
    assert second.words_delta.exists()
    return site, second


@pytest.mark.parametrize("name", ["words.sqlite", "words-delta.sqlite"])
def test_nothing_is_taken_over_from_a_file_that_is_not_as_it_was_written(
    two_files: tuple[Site, Generation], name: str
) -> None:
    site, damaged = two_files
    path = damaged.path / name
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-100] + bytes(100))
    site.commit("2d/0001", 2)

    found, full = site.publish(damaged, Takedowns(), ALWAYS)

    assert not found.words_delta.exists()
    assert answers(found) == answers(full)


def test_a_publication_is_not_read_without_the_file_of_differences_that_it_had(
    two_files: tuple[Site, Generation],
) -> None:
    _, damaged = two_files
    damaged.words_delta.unlink()

    with pytest.raises(sqlite3.DatabaseError, match=r"words-delta\.sqlite is missing: run `ogaart verify --repair`"):
        ServingStore(damaged.path, damaged.number)


@pytest.mark.parametrize("largest", [ALWAYS, NEVER])
def test_what_follows_a_lost_file_of_differences_answers_as_one_in_full(
    two_files: tuple[Site, Generation], largest: float
) -> None:
    site, damaged = two_files
    damaged.words_delta.unlink()
    site.commit("2d/0001", 2)

    found, full = site.publish(damaged, Takedowns(), largest)

    assert answers(found) == answers(full)


def test_a_new_base_is_not_made_of_a_file_of_differences_that_is_damaged(two_files: tuple[Site, Generation]) -> None:
    site, damaged = two_files
    content = damaged.words_delta.read_bytes()
    damaged.words_delta.unlink()
    damaged.words_delta.write_bytes(content[:-100] + bytes(100))
    site.commit("2d/0001", 2)

    found, full = site.publish(damaged, Takedowns(), NEVER)

    assert answers(found) == answers(full)


def test_an_index_of_another_version_is_made_again_from_both_files(two_files: tuple[Site, Generation]) -> None:
    _, published = two_files
    with opened(published) as store:
        expected = answers_of_terms(store)
    published.words_delta.chmod(0o644)
    with closing(sqlite3.connect(published.words_delta)) as store:
        store.execute("UPDATE word_index SET version = 1")
        store.commit()

    with opened(published) as store:
        found = answers_of_terms(store)

    assert found == expected


def answers_of_terms(store: ServingStore) -> dict[str, Any]:
    words = ("read", "titl", "art", "tree", "common", "png", "0")
    return {
        "ids": store.columns.ids.tolist(),
        "pixels": store.columns.pixels.tolist(),
        "weights": {word: _listed(store.words.weights(word)) for word in words},
        "phrase": _listed(store.words.phrase(["titl", "of"])),
        "vocabulary": store.words.vocabulary,
    }


def test_the_check_of_what_is_withdrawn_sees_both_files(two_files: tuple[Site, Generation]) -> None:
    _, published = two_files

    served = _served_entries(published, Takedowns(entries=("art-3",)))

    assert served.keys() == {f"art-{n}" for n in range(12)}
    assert served["art-3"].blocked == served["art-3"].pictures == 2  # its own, and the common one


def open_ids(generation: Generation) -> Any:
    with opened(generation) as store:
        return store.columns.ids
