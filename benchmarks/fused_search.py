"""Fused vectors at 100,000 pictures: one flat int8 array against a named vector of Qdrant Edge.

Made vectors in clusters, as pictures of one entry are; recall is the share of the 24 true nearest (float32, exact) that
are found, over queries that are noisy copies of stored vectors, with the usual weights and with those of two presets.

    .venv/bin/python -m benchmarks.fused_search [--pictures 100000]
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numkong
import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.fusion import USUAL, Weights
from ogaart.resources.embedding.projections import default_projection
from ogaart.resources.index.base import Point
from ogaart.resources.index.edge import EdgeIndex

NEAREST = 24
QUERIES = 40
KINDS = (("usual", USUAL), ("other-colours", Weights(1, 1, 0)), ("same-palette", Weights(0, 0, 1)))
Matrix = NDArray[np.float32]


def made(count: int, seed: int = 0) -> Matrix:
    """Fused vectors in clusters of twelve, (count, 640) float32: unit blocks."""
    random, projection = np.random.default_rng(seed), default_projection()
    rows = np.empty((count, projection.dimension), np.float32)
    for block in projection.blocks:
        place = projection.places[block.name]
        width = place.stop - place.start
        middles = random.normal(size=(count // 12 + 1, width)).astype(np.float32) * block.scale
        own = random.normal(size=(count, width)).astype(np.float32) * block.scale
        values = np.repeat(middles, 12, axis=0)[:count] + 0.6 * own
        rows[:, place] = values / np.linalg.norm(values, axis=1, keepdims=True)
    return rows


def weighted(rows: Matrix, weights: Weights) -> Matrix:
    """Queries with their blocks scaled by the weights."""
    out = rows.copy()
    for name, place in default_projection().places.items():
        out[:, place] *= weights.of_blocks()[name]
    return out


def measured(search: Callable[[Matrix], list[int]], queries: Matrix, truth: list[set[int]]) -> str:
    """Recall, milliseconds of the processor, median and 95th percentile of the time passed, as cells of a row."""
    times, cpu, found = [], [], 0
    search(queries[0])
    for query, true in zip(queries, truth, strict=True):
        start, worked = time.perf_counter(), time.process_time()
        hits = search(query)
        times.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
        found += len(true & set(hits))
    recall = found / (NEAREST * len(queries))
    return f"{recall:.3f} | {np.median(cpu):.1f} | {np.median(times):.1f} | {np.percentile(times, 95):.1f} |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pictures", type=int, default=100_000)
    count: int = arguments.parse_args().pictures
    projection = default_projection()
    rows = made(count)
    chosen = np.random.default_rng(1).choice(count, QUERIES, replace=False)
    noisy = rows[chosen] + 0.3 * made(QUERIES, seed=2)
    small = np.concatenate([b.quantise(rows[:, projection.places[b.name]]) for b in projection.blocks], axis=1)

    def flat(query: Matrix) -> list[int]:
        scaled = query * projection.scales / 127
        step = float(np.abs(scaled).max()) / 127
        rounded = numkong.dots_pack(np.rint(scaled / step).astype(np.int8)[None])
        scores = np.asarray(numkong.dots_packed(small, rounded))[:, 0]
        near = np.argpartition(-scores, 124)[:124]
        exact = projection.restore(small[near]) @ query
        return [int(row) for row in near[np.argsort(-exact)[:NEAREST]]]

    print(f"{platform.processor() or platform.machine()}, {count:,} pictures")
    print("| index | weights | recall of 24 | CPU ms | p50 ms | p95 ms |\n| --- | --- | --- | --- | --- | --- |")
    truths = {}
    for name, weights in KINDS:
        queries = weighted(noisy, weights)
        truths[name] = [set(np.argpartition(-(rows @ q), NEAREST)[:NEAREST].tolist()) for q in queries]
        cells = measured(flat, queries, truths[name])
        print(f"| flat int8 array, {small.nbytes >> 20} MiB | {name} | {cells}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        index = EdgeIndex(Path(folder), "fused-benchmark", projection.dimension)
        started = time.perf_counter()
        for start in range(0, count, 1000):
            index.upsert([Point(start + n, row) for n, row in enumerate(rows[start : start + 1000])])
        index.flush()
        print(f"built by Edge in {time.perf_counter() - started:.0f} s; the array needs none")

        def named(query: Matrix) -> list[int]:
            return [hit.id for hit in index.query(query, limit=NEAREST, exact=False)]

        for name, weights in KINDS:
            cells = measured(named, weighted(noisy, weights), truths[name])
            print(f"| named vector, graph and 2-bit codes | {name} | {cells}", flush=True)
        index.close()


if __name__ == "__main__":
    main()
