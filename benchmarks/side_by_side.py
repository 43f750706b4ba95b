"""What runs beside each other: reading pictures while the network computes, and unpacking by two processes.

    .venv/bin/python -m benchmarks.side_by_side [--out FILE]

Wall times, so nothing else may run on the machine; of each the median of several rounds, in turn. The overlap is the
share of the shorter activity that is hidden by the longer one, each on one core: 1 where both together take no longer
than the longer one alone. EfficientNet-Lite0 embeds, since reading counts beside it.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.report import cpu
from benchmarks.stages import art
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker_pool import UnpackerPool, UnpackRequest
from ogaart.resources.embedding.batches import EmbedderInput
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.embedding.picture_readers import PictureReaders
from ogaart.resources.embedding.registry import model_named
from ogaart.settings import Settings

MODEL = "efficientnet_lite0"
ROUNDS = 3
READ, UNPACKED = 512, 480
"""Files of one round."""
AIM_OVERLAP, AIM_POOL = 0.9, 1.5


def repeated(count: int) -> list[Path]:
    """So many files: the demo's again and again."""
    found = art()
    return [found[number % len(found)] for number in range(count)]


def overlap(data: Path) -> dict[str, float]:
    """Milliseconds a picture of reading, of the network, and of both; and the overlap."""
    settings = Settings(data=data, model=MODEL, decoders=1, embed_threads=1, device="cpu", min_free_bytes=0)
    size = model_named(MODEL).input_size
    wanted = [EmbedderInput(str(number), path) for number, path in enumerate(repeated(READ))]
    times: dict[str, list[float]] = {"reading": [], "network": [], "both": []}
    opaque = np.full((size, size, 1), 255, np.uint8)
    readers, embedder = PictureReaders(settings, size), Embedder(settings)
    try:
        prepared = [np.dstack([pixels, opaque]) for one in readers.read(wanted) for _, pixels in one.prepared]
        list(embedder.read(wanted[:32]))  # every process has started
        for _ in range(ROUNDS):
            times["reading"].append(_seconds(lambda: list(readers.read(wanted))))
            times["network"].append(_seconds(lambda: _by_batches(embedder, prepared, settings.embed_batch)))
            times["both"].append(_seconds(lambda: list(embedder.read(wanted))))
    finally:
        readers.close()
        embedder.close()
    found = {name: 1000 * statistics.median(some) / READ for name, some in times.items()}
    hidden = found["reading"] + found["network"] - found["both"]
    return {**found, "overlap": hidden / min(found["reading"], found["network"])}


def _by_batches(embedder: Embedder, prepared: Sequence[np.ndarray[Any, np.dtype[np.uint8]]], batch: int) -> None:
    for start in range(0, len(prepared), batch):
        embedder.embed_rgba(prepared[start : start + batch])


def pool(scratch: Path) -> dict[str, float]:
    """Milliseconds a picture of one process that unpacks and of two, without their start; and the ratio."""
    requests = [UnpackRequest(path) for path in repeated(UNPACKED)]
    times: dict[int, list[float]] = {1: [], 2: []}
    limits = Limits.from_settings(Settings(data=scratch))
    with UnpackerPool(limits, scratch, 1) as one, UnpackerPool(limits, scratch, 2) as two:
        for pools in (one, two):
            _unpack(pools, requests[:64])
        for _ in range(ROUNDS):
            for count, pools in ((1, one), (2, two)):
                times[count].append(_seconds(lambda pools=pools: _unpack(pools, requests)))
    alone, together = (1000 * statistics.median(times[count]) / UNPACKED for count in (1, 2))
    return {"one": alone, "two": together, "ratio": alone / together}


def _unpack(pools: UnpackerPool, requests: Sequence[UnpackRequest]) -> int:
    return sum(1 for members in pools.unpack(requests) for _ in members)


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept: dict[str, Any] = {"processor": cpu(), "load": os.getloadavg()[0]}
        kept |= {"overlap": overlap(Path(folder)), "pool": pool(Path(folder))}
    print(json.dumps(kept))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
