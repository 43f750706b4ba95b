"""What the search over cells costs at 100,000 pictures: for the art of the demo, beside made sheets.

A tenth of the pictures are sheets of 32 cells, which are drawn by lot. Processor time is what other work on the machine
changes least.

    .venv/bin/python -m benchmarks.cells_at_size FOLDER [--pictures 100000]
"""

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.made_likeness import SHEETS, decoded, write_cells
from benchmarks.quality.report import cpu
from ogaart.likeness.cells import trimmed, trimmed_picture
from ogaart.likeness.fusion import USUAL
from ogaart.likeness.parts import raw_parts
from ogaart.resources.catalog.generations import CELLS
from ogaart.resources.cells.build import IMAGES
from ogaart.resources.embedding.projections import default_projection
from ogaart.search.candidates.cell_index import CellIndex

ART = Path(__file__).parent.parent / "ogaart" / "demo" / "art"
QUERIES = 40


class Images:
    """As many images as there are sheets, an entry each."""

    def __init__(self, count: int) -> None:
        self.entry_of = np.arange(count)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """The rows of images."""
        return np.asarray(ids)


def main() -> None:
    """Make what is missing, search, print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--pictures", type=int, default=100_000)
    options = arguments.parse_args()
    count = options.pictures // SHEETS
    generation: Path = options.folder / f"cells-{options.pictures}"
    if not (generation / CELLS / IMAGES).exists():
        write_cells(generation / CELLS, range(count), default_projection())
    index = CellIndex.open(generation, default_projection(), Images(count))  # type: ignore[arg-type]
    assert index is not None
    size = sum(file.stat().st_size for file in (generation / CELLS).rglob("*.npy"))
    print(f"{cpu()}: {options.pictures:,} pictures, {len(index):,} cells, {size >> 20:,} MiB")
    began = time.process_time()
    _ = index.unrelated
    print(f"opening: {time.process_time() - began:.2f} s of CPU")
    art = [rgba for path in sorted(ART.rglob("*.png")) if (rgba := decoded(path)) is not None]
    made, found = [], []
    passing = np.ones(count, np.bool_)
    for rgba in art[:: max(1, len(art) // QUERIES)][:QUERIES]:
        began = time.thread_time()
        alone = trimmed(rgba)
        query = trimmed_picture(alone, raw_parts(alone))
        between = time.thread_time()
        index.nearest([query], USUAL, passing, 24)
        made.append(1000 * (between - began))
        found.append(1000 * (time.thread_time() - between))
    for name, times in (("the query's likeness", made), ("found in the index", found)):
        print(f"{name}: CPU ms p50 {np.median(times):.1f}, p95 {np.percentile(times, 95):.1f}")


if __name__ == "__main__":
    main()
