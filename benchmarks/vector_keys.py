"""What a step pays to know which of its pictures have a vector already, beside reading the key column of every segment.

    .venv/bin/python -m benchmarks.vector_keys [--pictures 500000]

Both ways in turn, each time in a process of its own that has loaded Parquet, as a step has that has read its tables;
medians of CPU time and the growth of resident memory.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.quality.report import cpu
from ogaart.resources.storage.key_index import FILE
from ogaart.resources.storage.segments import SEGMENT_ROWS
from ogaart.resources.storage.vectors import Vectors

SPACE = "made-1"
ROUNDS = 3
WANTED = 750
"""Pictures of one partition."""

LOOK = """
import json, resource, sys, time
from pathlib import Path
import pyarrow.compute, pyarrow.parquet
from ogaart.resources.storage.vectors import Vectors
wanted = json.loads(Path(sys.argv[2]).read_text())
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
before, began = resident(), time.process_time()
vectors = Vectors(Path(sys.argv[1]), "made-1")
found = len(vectors.locate(wanted))
print(json.dumps([1000 * (time.process_time() - began), (resident() - before) / 2**20, found]))
"""


def make(folder: Path, pictures: int) -> list[str]:
    """Write vectors, a segment at a time, as a crawl does; returns the keys of a partition among them."""
    random = np.random.default_rng(1)
    store = Vectors(folder, SPACE)
    wanted: list[str] = []
    for start in range(0, pictures, SEGMENT_ROWS):
        count = min(SEGMENT_ROWS, pictures - start)
        keys = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(start, start + count)]
        store.add(keys, random.standard_normal((count, 8)).astype(np.float32))
        if len(wanted) < WANTED:
            wanted += keys
    return wanted[:WANTED]


def look(folder: Path, wanted: Path) -> tuple[float, float]:
    """Milliseconds of CPU time and MiB of one look."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(folder), str(wanted)], stdout=subprocess.PIPE, check=True, text=True
    )
    milliseconds, mebibytes, found = json.loads(done.stdout)
    if found != WANTED:
        raise SystemExit(f"{found} of {WANTED} keys were found")
    return milliseconds, mebibytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=500_000)
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, names = Path(scratch) / "vectors", Path(scratch) / "wanted.json"
        names.write_text(json.dumps(make(folder, options.pictures)))
        kept = folder / SPACE / FILE
        seen: dict[str, list[tuple[float, float]]] = {"key columns": [], "file of keys": []}
        for _ in range(ROUNDS):
            seen["file of keys"].append(look(folder, names))
            hidden = kept.rename(kept.with_suffix(".hidden"))
            seen["key columns"].append(look(folder, names))
            hidden.rename(kept)
        size = kept.stat().st_size / 2**20
    middle = {way: [statistics.median(column) for column in zip(*rows, strict=True)] for way, rows in seen.items()}
    print(f"{options.pictures:,} pictures, {WANTED} looked up; {cpu()}; file of keys {size:.1f} MiB")
    for way, (milliseconds, mebibytes) in middle.items():
        print(f"{way:>13}: {milliseconds:8.1f} ms CPU, {mebibytes:7.1f} MiB")
    print(f"ratio: {middle['key columns'][0] / middle['file of keys'][0]:.1f}")
    if options.out is not None:
        options.out.write_text(json.dumps({"pictures": options.pictures, **middle}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
