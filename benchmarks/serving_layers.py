"""What it costs to read a publication whose rows lie in a shared base and a file of what differs, beside one file.

Takes a folder in which ``benchmarks.publication`` has published: its last two publications have the same rows, the
first of them in two files, the second in one. Both are read in turns.

    .venv/bin/python -m benchmarks.serving_layers FOLDER [--rounds 15]
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.quality.report import cpu
from ogaart.resources.catalog.generations import Generations
from ogaart.search.engine.hits import read_hits
from ogaart.search.engine.kinship import Kinship, linked_with, read_kinship
from ogaart.search.engine.listings import LISTED, OF_KIND
from ogaart.search.engine.showcase import one_each
from ogaart.search.store.serving_store import PlaceRow, ServingStore

WORDS, HITS = 200, 60
"""Searches by two words each, and hits of one read, in a round."""


def tasks(store: ServingStore, chance: random.Random) -> dict[str, Callable[[], object]]:
    """What a search service reads of a publication, by name."""
    vocabulary = sorted(store.words.vocabulary)
    pairs = [" ".join(chance.sample(vocabulary, 2)) for _ in range(WORDS)]
    single = chance.sample(vocabulary, WORDS)
    ids = [chance.sample(sorted(store.columns.ids.tolist()), HITS) for _ in range(5)]
    authors = chance.sample(sorted(store.columns.values["author"].names), 20)
    listing = LISTED.format(condition=OF_KIND["author"])
    return {
        "search by a word": lambda: [store.matcher.match(word) for word in single],
        "search by two words": lambda: [store.matcher.match(pair) for pair in pairs],
        "words that begin so": lambda: [store.words.beginning(word[:3]) for word in single],
        f"rows of {HITS} hits": lambda: [_rows(store, some) for some in ids],
        "details of a hit": lambda: [_details(store, image_id) for image_id in ids[1]],
        "listing of an author": lambda: [store.select(listing, author) for author in authors],
        "newest and favourites": lambda: [one_each(store, order, 20) for order in ("newest", "favourites")],
        "thumbnails": lambda: [store.thumbnail(i) for i in ids[0]],
    }


def _rows(store: ServingStore, ids: Sequence[int]) -> list[PlaceRow]:
    """Read what a page of hits is made of; hits that are remembered would cost nothing."""
    images = store.image_rows(ids)
    store.entry_rows(list({row["slug"] for row in images.values()}))
    return store.place_rows(ids)


def _details(store: ServingStore, image_id: int) -> Kinship:
    """Read what the page of one hit is made of."""
    _rows(store, [image_id])
    store.original(image_id)
    [hit] = read_hits(store, [image_id]).values()
    linked_with(store, image_id)
    store.licence_history(hit.slug)
    return read_kinship(store, hit)


def main(given: Sequence[str] | None = None) -> None:
    """Read both publications in turns, print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args(given)
    two, one = Generations(arguments.folder / "generations").all()[-2:]
    if not two.words_delta.exists() or one.words_delta.exists():
        raise SystemExit("the last two publications are not one in two files and one in one")
    began = time.process_time()
    stores = [ServingStore(two.path, two.number)]
    opened = [time.process_time() - began]
    began = time.process_time()
    stores.append(ServingStore(one.path, one.number))
    opened.append(time.process_time() - began)
    both = [tasks(store, random.Random(7)) for store in stores]
    print(f"{cpu()}: {stores[1].info.images:,} pictures, medians of {arguments.rounds} rounds\n")
    print("| CPU ms | two files | one file | ratio |\n| --- | --- | --- | --- |")
    print(f"| to open | {opened[0] * 1000:.1f} | {opened[1] * 1000:.1f} | {opened[0] / opened[1]:.2f} |")
    for name in both[0]:
        taken: list[list[float]] = [[], []]
        for _ in range(arguments.rounds):
            for number in (0, 1):
                began = time.process_time()
                both[number][name]()
                taken[number].append(1000 * (time.process_time() - began))
        apart, whole = median(taken[0]), median(taken[1])
        print(f"| {name} | {apart:.1f} | {whole:.1f} | {apart / whole:.2f} |")


if __name__ == "__main__":
    main()
