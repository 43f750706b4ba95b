"""Whether the index finds what an exact comparison finds, on vectors of real pictures: recall@10, and a query's cost.

    .venv/bin/python -m benchmarks.recall [--pictures 20000] [--models efficientnet_lite0] [--device cpu] [--out FILE]

The pictures are the demo's art, and windows of it at random places, mirrored and in other colours, so that most have
relatives among the others. The queries are more of the same that are not in the index. VGG16 has drawn weights: its
vectors are as many numbers as the published ones' and as slow to make (use ``--device cuda`` for it). The model's own
vectors are searched by Qdrant Edge, as a search does where it has more points than it compares exactly; the fused ones
of the demo's model by the flat int8 array.

On a machine without the package index, bring the wheels of qdrant-edge-py, numkong, cachetools, pydantic-settings and
python-dotenv, beside what ``benchmarks.gpu`` needs.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.gpu import SIDE, files, machine, open_on, weights_of
from ogaart.imaging import canonical
from ogaart.likeness.fusion import USUAL
from ogaart.likeness.parts import raw_parts
from ogaart.resources.embedding.backend_choice import machine as processor
from ogaart.resources.embedding.models.base import EmbeddingModel
from ogaart.resources.embedding.preprocessing import prepare
from ogaart.resources.embedding.projections import default_projection
from ogaart.resources.embedding.registry import model_named
from ogaart.resources.index import base as index
from ogaart.resources.index.base import EXACT_BELOW, HNSW_EF, OVERSAMPLING, Point
from ogaart.resources.index.edge import EdgeIndex
from ogaart.search.candidates.fused_scan import highest, scan

AT = 10
LIMITS = (10, 100)
"""Hits that are requested: recall@10 counts the first ten."""
QUERIES = 200
TIE = 1e-3
TRIED = ((256, OVERSAMPLING), (HNSW_EF, 4.0), (256, 4.0), (512, 4.0))
BLOCK = 512
AIM_RECALL, AIM_MILLISECONDS = 0.99, 4.0
Bytes = NDArray[np.uint8]
Matrix = NDArray[np.float32]
Embed = Callable[[Bytes], Matrix]


_art = cache(files)


def variant(number: int) -> Bytes:
    """The n-th picture, (H, W, 4) uint8: the demo's one after the other, then windows of them."""
    art = _art()
    with Image.open(art[number % len(art)]) as image:
        rgba = canonical.rgba_of(image)
    if number < len(art):
        return rgba
    chance = np.random.default_rng(number)
    height, width = (max(1, round(side * chance.uniform(0.4, 1))) for side in rgba.shape[:2])
    top, left = (
        int(chance.integers(0, side - kept + 1)) for side, kept in zip(rgba.shape, (height, width), strict=False)
    )
    window = rgba[top : top + height, left : left + width]
    if chance.random() < 0.5:
        window = window[:, ::-1]
    return np.ascontiguousarray(window[..., [*chance.permutation(3), 3]])


def described(numbers: Sequence[int]) -> tuple[Bytes, Bytes]:
    """Pictures as the model takes them, (N, S, S, 3), and their raw parts, (N, 3512), both uint8."""
    pictures = [variant(number) for number in numbers]
    return np.stack([prepare(one, SIDE) for one in pictures]), np.stack([raw_parts(one) for one in pictures])


@contextmanager
def embedding(model: EmbeddingModel, device: str, folder: Path) -> Iterator[Embed]:
    """What embeds prepared pictures, exactly: ogaart's own embedder, or the model on a device."""
    weights = weights_of(model, folder)
    if device == "cpu":
        from ogaart.resources.embedding.embedder import Embedder
        from ogaart.settings import Settings

        opaque = np.full((BLOCK, SIDE, SIDE, 1), 255, np.uint8)
        drawn = weights if model.name == "vgg16" else None
        with Embedder(Settings(data=folder, model=model.name, weights=drawn, min_free_bytes=0)) as embedder:
            yield lambda some: embedder.embed_rgba(list(np.concatenate([some, opaque[: len(some)]], axis=3))).vectors
        return
    if weights is None:
        raise SystemExit(f"{model.name}: its packages are not installed")
    opened = open_on(device, model, weights, "f32", described(range(4))[0])

    def embed(some: Bytes) -> Matrix:
        vectors = opened.embed(some, None)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    yield embed


def vectors_of(count: int, embed: Embed) -> tuple[Matrix, Bytes]:
    """Unit vectors (N, D) float32 and raw parts (N, 3512) uint8 of the first pictures."""
    chunks = [range(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
    vectors, raw = [], []
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for prepared, parts in pool.imap(described, chunks):
            vectors.append(embed(prepared))
            raw.append(parts)
    return np.concatenate(vectors), np.concatenate(raw)


@dataclass(frozen=True)
class Truth:
    """What an exact comparison finds: the scores of all rows with each query, and the tenth best of each.

    Whatever is no further than that is found: many of the pictures are equally near, and vectors are stored in halves.
    """

    scores: Matrix
    least: Matrix

    @classmethod
    def of(cls, rows: Matrix, queries: Matrix) -> "Truth":
        scores: Matrix = np.concatenate([queries @ rows[s : s + BLOCK].T for s in range(0, len(rows), BLOCK)], axis=1)
        return cls(scores, np.partition(scores, -AT, axis=1)[:, -AT] - np.float32(TIE))


def measured(search: Callable[[Matrix], Sequence[int]], queries: Matrix, truth: Truth) -> dict[str, float]:
    """Recall, the share that are the very ten of the exact comparison, median CPU and wall milliseconds of a query."""
    spent, passed, found, very = [], [], 0, 0
    search(queries[0])
    for query, scores, least in zip(queries, truth.scores, truth.least, strict=True):
        began, worked = time.perf_counter(), time.process_time()
        hits = search(query)
        passed.append(time.perf_counter() - began)
        spent.append(time.process_time() - worked)
        found += int(np.count_nonzero(scores[list(hits[:AT])] >= least))
        very += len(set(np.argpartition(-scores, AT)[:AT].tolist()).intersection(hits[:AT]))
    return {
        "recall": round(found / (AT * len(queries)), 4),
        "very_ten": round(very / (AT * len(queries)), 4),
        "cpu_ms": round(1000 * float(np.median(spent)), 2),
        "p50_ms": round(1000 * float(np.median(passed)), 2),
    }


def of_the_index(rows: Matrix, queries: Matrix, settings: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """What Qdrant Edge finds by graph and codes, with some values of ``HNSW_EF`` and ``OVERSAMPLING``."""
    truth = Truth.of(rows, queries)
    with tempfile.TemporaryDirectory() as folder:
        opened = EdgeIndex(Path(folder), "benchmark-recall", rows.shape[1])
        began = time.perf_counter()
        for start in range(0, len(rows), BLOCK):
            opened.upsert([Point(start + n, row) for n, row in enumerate(rows[start : start + BLOCK])])
        opened.flush()
        found: dict[str, Any] = {"built_seconds": round(time.perf_counter() - began, 1)}
        before = index.HNSW_EF, index.OVERSAMPLING
        for limit, (ef, oversampling) in itertools.product(LIMITS, settings):

            def search(query: Matrix, limit: int = limit) -> list[int]:
                return [hit.id for hit in opened.query(query, limit=limit, exact=False)]

            index.HNSW_EF, index.OVERSAMPLING = ef, oversampling
            one = measured(search, queries, truth)
            name = f"limit {limit}" if (ef, oversampling) == before else f"limit {limit}, ef {ef}, x{oversampling:g}"
            found[name] = one
        index.HNSW_EF, index.OVERSAMPLING = before
        opened.close()
    return found


def of_fused(rows: Matrix, raw: Bytes, queries: Matrix, raw_queries: Bytes) -> dict[str, float]:
    """What the flat array of fused vectors finds, by the usual weights."""
    projection, weights = default_projection(), USUAL.of_blocks()
    fused = np.concatenate(
        [projection.fuse(rows[s : s + BLOCK], raw[s : s + BLOCK]) for s in range(0, len(rows), BLOCK)]
    )
    small = np.concatenate([b.quantise(fused[:, projection.places[b.name]]) for b in projection.blocks], axis=1)
    wanted = projection.fuse(queries, raw_queries)
    scaled = wanted.copy()
    for name, place in projection.places.items():
        scaled[:, place] *= weights[name]
    truth = dict(zip(map(bytes, wanted), zip(wanted, scaled, strict=True), strict=True))

    def search(query: Matrix) -> list[int]:
        near = highest(scan(projection, small, query[None], [weights])[0, 0], max(LIMITS) + AT)
        exact = projection.restore(small[near]) @ truth[bytes(query)][1]
        return [int(row) for row in near[np.argsort(-exact)]]

    return measured(search, wanted, Truth.of(fused, scaled))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=EXACT_BELOW)
    parser.add_argument("--models", nargs="+", default=["efficientnet_lite0"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--settings", action="store_true", help="other values of HNSW_EF and OVERSAMPLING as well")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    kept: dict[str, Any] = {"processor": processor()["processor"], "pictures": arguments.pictures, "queries": QUERIES}
    if arguments.device != "cpu":
        kept["embedded_by"] = machine(arguments.device)["name"]
    settings = [(HNSW_EF, OVERSAMPLING), *(TRIED if arguments.settings else ())]
    for name in arguments.models:
        model = model_named(name)
        with tempfile.TemporaryDirectory() as folder, embedding(model, arguments.device, Path(folder)) as embed:
            vectors, raw = vectors_of(arguments.pictures + QUERIES, embed)
        rows, queries = vectors[:-QUERIES], vectors[-QUERIES:]
        kept[name] = of_the_index(rows, queries, settings)
        print(name, json.dumps(kept[name]), flush=True)
        if name == "efficientnet_lite0":
            kept["fused"] = of_fused(rows, raw[:-QUERIES], queries, raw[-QUERIES:])
            print("fused", json.dumps(kept["fused"]), flush=True)
        if arguments.out is not None:
            arguments.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
