"""What the search for exact parts costs at 100,000 pictures: for the art of the demo, as it is and in scenes.

The index is that of ``benchmarks.made_likeness``, kept in FOLDER. Processor time is what other work on the machine
changes least.

    .venv/bin/python -m benchmarks.parts_at_size FOLDER [--pictures 100000]
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np

from benchmarks.made_likeness import decoded, write_patches
from benchmarks.quality.corpus import Picture
from benchmarks.quality.edits import scene_with
from benchmarks.quality.report import cpu
from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode
from ogaart.likeness.patch_matching import match
from ogaart.likeness.patches import patches
from ogaart.likeness.query_patches import QueryPatches
from ogaart.resources.patches.index import PatchRuns

ART = Path(__file__).parent.parent / "ogaart" / "demo" / "art"
QUERIES = 40
RECKONED = 500_000  # pictures that the size is reckoned for


def main() -> None:
    """Make what is missing, search, print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--pictures", type=int, default=100_000)
    options = arguments.parse_args()
    folder: Path = options.folder / f"patches-{options.pictures}"
    art = [Picture(path.name, rgba) for path in sorted(ART.rglob("*.png")) if (rgba := decoded(path)) is not None]
    if not folder.exists():
        drawn = np.random.default_rng(7)
        images = [(n, drawn.bytes(32).hex()) for n in range(options.pictures)]
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_patches(folder, images, [patches(picture.rgba) for picture in art])
    index = PatchRuns.open(folder)
    assert index is not None
    size = sum(run.nbytes for run in index.runs)
    print(f"{cpu()}: {index.pictures:,} pictures, {len(index):,} patches, {size >> 20:,} MiB")
    more = RECKONED / max(index.pictures, 1)
    print(f"In proportion, {RECKONED:,} have {len(index) * more:,.0f} patches, {size * more / 2**30:,.1f} GiB\n")
    print("| query | tried | its patches, CPU ms p50 / p95 | found in the index, CPU ms p50 / p95 | claimed |")
    print("| --- | --- | --- | --- | --- |")
    chosen = art[:: max(1, len(art) // QUERIES)][:QUERIES]
    scenes = [scene_with(picture, random.Random(n), art).content for n, picture in enumerate(chosen)]
    for name, queries in (
        ("a picture", [picture.rgba for picture in chosen]),
        ("a scene of 480 x 320", [decode(content, Limits()).rgba for content in scenes]),
    ):
        made, found, claimed = [], [], 0
        for rgba in queries:
            began = time.thread_time()
            query = QueryPatches.of(rgba)
            between = time.thread_time()
            claimed += any(one.claimed for one in match(query, index))
            made.append(1000 * (between - began))
            found.append(1000 * (time.thread_time() - between))
        cells = [f"{np.median(times):.0f} / {np.percentile(times, 95):.0f}" for times in (made, found)]
        print(f"| {name} | {len(queries)} | {cells[0]} | {cells[1]} | {claimed} |")


if __name__ == "__main__":
    main()
