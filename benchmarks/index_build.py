"""What the index costs while it is filled step by step, beside the same points written at once.

    .venv/bin/python -m benchmarks.index_build [--points 18000] [--numbers 4096] [--step 750]

Each step opens the collection, upserts its points, flushes and closes, as the asset ``qdrant_collection`` does. Vectors
and payloads are made. Each way runs in a process of its own; CPU seconds without making the points, bytes written by
the process as the kernel counts them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def build(points: int, numbers: int, step: int) -> dict[str, float]:
    """Fill a collection; CPU seconds, megabytes written and peak MiB of memory."""
    import numpy as np

    from ogaart.resources.index.base import Point
    from ogaart.resources.index.edge import EdgeIndex
    from ogaart.workers.child import memory

    generator, used = np.random.default_rng(0), 0.0
    with tempfile.TemporaryDirectory(prefix="ogaart-index-") as folder:
        for first in range(0, points, step):
            vectors = generator.standard_normal((min(step, points - first), numbers)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            batch = [Point(i, vector, _payload(i)) for i, vector in enumerate(vectors, first)]
            began = time.process_time()
            index = EdgeIndex(Path(folder), "space", numbers)
            for start in range(0, len(batch), 256):
                index.upsert(batch[start : start + 256])
            index.flush()
            index.close()
            used += time.process_time() - began
    return {"cpu": used, "written": _written() / 1e6, "peak": memory()["peak"] >> 20}


def _payload(number: int) -> dict[str, object]:
    return {
        "slug": f"entry-{number // 30}",
        "author": f"author-{number // 300}",
        "width": number % 64 + 8,
        "height": 32,
        "tags": ["rpg", f"tag-{number % 50}"],
        "licences": [("CC0", "CC-BY 4.0", "GPL 3.0", "OGA-BY 3.0")[number // 30 % 4]],
        "uses": ["sell"] if number // 30 % 3 else ["sell", "drm"],
        "art_type": "2D Art",
        "has_alpha": number % 3 > 0,
        "pixel_art": number % 2 > 0,
        "words": f"ship sprite {number % 1000}",
    }


def _written() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=18_000)
    parser.add_argument("--numbers", type=int, default=4096, help="length of a vector")
    parser.add_argument("--step", type=int, default=750, help="points of a step")
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(build(options.points, options.numbers, options.one)))
        return
    kept = {}
    for label, step in (("in steps", options.step), ("at once", options.points)):
        words = [f"--points={options.points}", f"--numbers={options.numbers}", f"--one={step}"]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.index_build", *words], check=True, capture_output=True, text=True
        )
        found = kept[label] = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{label}: {found['cpu']:.1f} CPU s, {found['written']:,.0f} MB written, {found['peak']:,.0f} MiB",
            flush=True,
        )
    if options.out is not None:
        options.out.write_text(json.dumps(kept) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
