"""How well and how fast words are found: a table of precision and misses on the demo's art and on a made vocabulary.

A picture is relevant to a word that its own file name, or its entry's title or tags, holds in whatever form. The second
table searches words that occur in 80 % of the pictures of a made catalog, with and without filters.

    .venv/bin/python -m benchmarks.words [--pictures 100000]
"""

import argparse
import csv
import json
import random
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.quality.report import cpu as processor
from ogaart.search.store.fulltext import WordMatcher
from ogaart.search.store.image_columns import ImageColumns
from ogaart.words.index import WordIndex
from ogaart.words.index_layers import WordLayers
from ogaart.words.index_tables import write_word_index

ART = Path(__file__).parent.parent / "ogaart" / "demo" / "art"
TABLES = """
CREATE TABLE entries(slug TEXT, title TEXT, tags TEXT, author TEXT, collaborators TEXT, description TEXT,
    posted_at TEXT, favourites INTEGER, licences TEXT, art_type TEXT);
CREATE TABLE images(image_id INTEGER PRIMARY KEY, slug TEXT, pixel_sha256 BLOB, width INTEGER, height INTEGER,
    has_alpha INTEGER, pixel_art INTEGER, palette TEXT, palette_shares TEXT);
CREATE TABLE places(image_id INTEGER, shown_name TEXT, member_path TEXT);
CREATE INDEX places_by_image ON places(image_id);
"""
TOP = 5
SYLLABLES = ("ba", "dor", "fen", "gil", "ka", "lom", "mir", "nu", "pol", "rak", "sel", "tur", "vo", "wim", "zan", "tik")


@dataclass(frozen=True)
class Picture:
    """One picture to find: its entry's number, title and tags, and its own path."""

    entry: int
    title: str
    tags: tuple[str, ...]
    path: str


@dataclass(frozen=True)
class Publication:
    """An index of words in memory, and the queries on it."""

    pictures: Sequence[Picture]
    matcher: WordMatcher
    columns: ImageColumns

    @classmethod
    def of(cls, pictures: Sequence[Picture]) -> "Publication":
        """Index pictures as a publication does."""
        store = sqlite3.connect(":memory:")
        store.executescript(TABLES)
        store.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, 'author', '[]', '', NULL, 0, '[\"CC0\"]', '2D Art')",
            {one.entry: (f"entry-{one.entry:06d}", one.title, json.dumps(one.tags)) for one in pictures}.values(),
        )
        store.executemany(
            "INSERT INTO images VALUES (?, ?, ?, 16, 16, 1, 1, '[255]', '[1.0]')",
            ((n, f"entry-{one.entry:06d}", n.to_bytes(8, "big")) for n, one in enumerate(pictures)),
        )
        store.executemany("INSERT INTO places VALUES (?, 'pack.zip', ?)", ((n, p.path) for n, p in enumerate(pictures)))
        write_word_index(store)
        store.row_factory = sqlite3.Row

        def rows(sql: str, *values: object) -> list[sqlite3.Row]:
            return store.execute(sql, values).fetchall()

        stored = WordLayers.of(rows)
        columns = ImageColumns(stored.columns, rows)
        index = WordIndex(stored.layers, columns.entry_of, len(columns.slugs))
        return cls(pictures, WordMatcher(index, columns.with_colour), columns)

    def found(self, text: str) -> list[Picture]:
        """The best pictures for a text."""
        matches = self.matcher.match(text)
        rows = np.flatnonzero(matches.found)
        best = rows[np.lexsort((rows, -matches.scores[rows]))][:TOP]
        return [self.pictures[int(number)] for number in self.columns.ids[best]]


def demo_pictures() -> list[Picture]:
    """The demo's art: a folder is an entry, and its name the title."""
    with (ART / "manifest.csv").open(encoding="utf-8", newline="") as file:
        paths = [Path(row["file"]) for row in csv.DictReader(file)]
    folders = {folder: n for n, folder in enumerate(sorted({path.parent for path in paths}))}
    return [
        Picture(folders[path.parent], path.parent.name.replace("_", " "), (path.parent.parent.name,), path.name)
        for path in paths
    ]


def made_pictures(entries: int, each: int, rng: random.Random) -> list[Picture]:
    """A made vocabulary: entries of one subject, whose pictures are named in the ways that artists name them."""
    words = [f"{a}{b}{c}" for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]
    pictures = []
    for entry in range(entries):
        subject = rng.choice(words)
        for n in range(each):
            own = rng.choice(words)
            name = rng.choice((f"{own}_{n}", f"{subject}{own.title()}{n}", f"{own}-{subject}", f"{own.upper()}{n:02d}"))
            pictures.append(Picture(entry, f"{subject} {rng.choice(words)}", (rng.choice(words),), f"PNG/{name}.png"))
    return pictures


def parts(text: str) -> set[str]:
    """The words of a name by a rule of its own: not the one that is measured."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    return {word for word in re.split(r"[^a-z]+", spaced.lower()) if len(word) > 3}


def relevant(picture: Picture, word: str) -> bool:
    """Whether a picture has the word, in the singular or the plural."""
    text = {*parts(Path(picture.path).stem), *parts(picture.title), *(p for tag in picture.tags for p in parts(tag))}
    return bool(text & {word, word.removesuffix("s"), f"{word}s"})


def judge(name: str, publication: Publication, rng: random.Random) -> str:
    """One row: words of file names, as they are, in the plural, and with a typing error."""
    words = sorted({word for one in publication.pictures for word in parts(Path(one.path).stem)})
    words = rng.sample(words, min(300, len(words)))
    precision, missed, plurals, typos = [], 0, 0, 0
    for word in words:
        hits = publication.found(word)
        missed += not hits
        if hits:
            precision.append(sum(relevant(hit, word) for hit in hits) / len(hits))
        plural = publication.found(word if word.endswith("s") else f"{word}s")
        plurals += not any(relevant(hit, word) for hit in plural)
        place = rng.randrange(1, len(word) - 1)
        swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        typos += not any(relevant(hit, word) for hit in publication.found(swapped))
    count = len(words)
    return f"| {name} | {count} | {np.mean(precision):.3f} | {missed} | {plurals} | {typos} |"


def crowded(count: int) -> Iterator[Picture]:
    """Pictures of which 80 % have each of two words, in their entries' titles or their own names."""
    rng = random.Random(2)
    for n in range(count):
        some = [word for word in ("robot", "sword") if rng.random() < 0.8]
        own = rng.choice(SYLLABLES) + rng.choice(SYLLABLES)
        title = " ".join(some) if (n // 25) % 2 else "a made pack"
        yield Picture(n // 25, title, ("art",), f"{own}_{'_'.join(some)}_{n % 25}.png")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--entries", type=int, default=5_000)
    arguments = parser.parse_args()
    rng = random.Random(1)
    print(f"{processor()}, one thread\n")
    print("| pictures of | words | precision of the top five | no result | plural missed | typing error missed |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(judge("the demo's art", Publication.of(demo_pictures()), rng))
    print(judge(f"{arguments.entries:,} made entries", Publication.of(made_pictures(arguments.entries, 4, rng)), rng))
    publication = Publication.of(list(crowded(arguments.pictures)))
    print(f"\n| words over {arguments.pictures:,} pictures | found | CPU ms | p50 ms | p95 ms |")
    print("| --- | --- | --- | --- | --- |")
    for text in ("robot", "robot sword", "robot sword -badu", '"robot sword"', 'robot -"sword art"', "robto"):
        taken, computed = [], []
        for _ in range(40):
            began, worked = time.perf_counter(), time.thread_time()
            matches = publication.matcher.match(text)
            publication.columns.distinct(matches.found)
            taken.append(time.perf_counter() - began)
            computed.append(time.thread_time() - worked)
        p50, p95 = np.percentile(taken, [50, 95]) * 1000
        cpu = np.median(computed) * 1000
        print(f"| {text} | {int(matches.found.sum()):,} | {cpu:.1f} | {p50:.1f} | {p95:.1f} |", flush=True)


if __name__ == "__main__":
    main()
