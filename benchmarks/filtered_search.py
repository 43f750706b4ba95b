"""One graph over all points, searched by ACORN under filters, beside a further graph for each value of a payload.

    .venv/bin/python -m benchmarks.filtered_search [--points 24000] [--numbers 1280]

The payloads are those of made pictures, 32 an entry, whose vectors lie together. Prints what it took to build each, and
of searches under filters the share of the ten nearest that are found, beside an exact comparison of those let through.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.made_partitions import PICTURES_EACH, made_payloads
from benchmarks.quality.report import cpu
from ogaart.resources.index import base
from ogaart.resources.index.base import HNSW, Payload, Point, VectorIndex
from ogaart.resources.index.edge import EdgeIndex
from ogaart.resources.index.filters import AnyOf, IndexFilter, Is, Range

AT, HITS, QUERIES, BATCH = 10, 100, 60, 256
Matrix = NDArray[np.float32]
WAYS = {"one graph, ACORN": (0, base.ACORN_BELOW), "one graph": (0, 0.0), "a graph for each value": (16, 0.0)}
"""Links of the further graphs, and up to which share of the points ACORN is used."""


@contextmanager
def searched_as(way: str) -> Iterator[None]:
    """Build and search in one of the ways."""
    links, below = WAYS[way]
    with patch.dict(HNSW, payload_m=links), patch.object(base, "ACORN_BELOW", below):
        yield


def made_vectors(count: int, numbers: int) -> Matrix:
    """Unit vectors (N, D) without negative numbers, as networks compute them; those of an entry lie together."""
    chance = np.random.default_rng(0)
    entries = chance.gamma(0.4, size=(-(-count // PICTURES_EACH), numbers)).astype(np.float32)
    vectors = entries.repeat(PICTURES_EACH, axis=0)[:count]
    vectors += 0.7 * chance.gamma(0.4, size=(count, numbers)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def filters_of(payloads: list[Payload]) -> dict[str, tuple[IndexFilter, NDArray[np.bool_]]]:
    """Conditions by what they say, and which points they let through."""
    licence = payloads[0]["licences"][0]
    widths = np.array([payload["width"] for payload in payloads])
    return {
        "none": (IndexFilter(), np.ones(len(payloads), np.bool_)),
        "width up to 200": (IndexFilter().where("size", Range("width", None, 200)), widths <= 200),
        "width up to 100": (IndexFilter().where("size", Range("width", None, 100)), widths <= 100),
        "pixel art": (IndexFilter().where("art", Is("pixel_art", True)), np.array([p["pixel_art"] for p in payloads])),
        "width from 500": (IndexFilter().where("size", Range("width", 500, None)), widths >= 500),
        "a licence": (
            IndexFilter().where("licence", AnyOf("licences", (licence,))),
            np.array([licence in payload["licences"] for payload in payloads]),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=24_000)
    parser.add_argument("--numbers", type=int, default=1_280)
    arguments = parser.parse_args()
    payloads = made_payloads(arguments.points)
    vectors, filters = made_vectors(arguments.points, arguments.numbers), filters_of(payloads)
    queries = np.random.default_rng(1).choice(arguments.points, QUERIES, replace=False)
    print(f"{cpu()}: {arguments.points:,} points of {arguments.numbers:,} numbers\n")
    shares = {name: np.count_nonzero(passing) / len(passing) for name, (_, passing) in filters.items()}
    print("| | CPU s to build | " + " | ".join(f"{name} ({share:.0%})" for name, share in shares.items()) + " |")
    print("| --- " * (len(filters) + 2) + "|")
    for way in WAYS:
        with (
            searched_as(way),
            tempfile.TemporaryDirectory(prefix="ogaart-index-") as folder,
            EdgeIndex(Path(folder), "space", arguments.numbers) as index,
        ):
            began = time.process_time()
            for start in range(0, arguments.points, BATCH):
                ids = range(start, min(start + BATCH, arguments.points))
                index.upsert([Point(i, vectors[i], payloads[i]) for i in ids])
            index.flush()
            built = time.process_time() - began
            cells = [recall(index, vectors, queries, *one) for one in filters.values()]
        print(f"| {way} | {built:.1f} | " + " | ".join(cells) + " |", flush=True)


def recall(
    index: VectorIndex, vectors: Matrix, queries: NDArray[np.int64], condition: IndexFilter, passing: NDArray[np.bool_]
) -> str:
    """The share of the ten nearest that are found, and the median CPU time of a search."""
    ids, found, spent = np.flatnonzero(passing), 0, []
    for query in queries.tolist():
        cosines = vectors[ids] @ vectors[query]
        nearest = ids[np.argpartition(-cosines, AT)[:AT]].tolist()
        began = time.process_time()
        hits = index.query(vectors[[query]], limit=HITS, exact=False, filter=condition)
        spent.append(time.process_time() - began)
        found += len({hit.id for hit in hits[:AT]}.intersection(nearest))
    return f"{found / (AT * len(queries)):.3f}, {1000 * float(np.median(spent)):.1f} ms"


if __name__ == "__main__":
    main()
