"""CPU time and memory of single stages, beside PyTorch, a plain loop of Pillow, and an earlier commit.

    .venv/bin/python -m benchmarks.stages [--baseline COMMIT] [--keep] [--fast]

What is compared runs in turn, several times within one run, one thread each; the medians of CPU time count, since the
machine may be shared. VGG16 has drawn weights, as large and as slow as the published ones. ``--keep`` writes
``benchmarks/stages.json`` and the table of docs/performance.md, which is made from it. ``--fast`` measures fewer bits
(``OGAART_PRECISION=fast``) alone, which takes minutes more, and leaves the other rows as they are kept.
"""

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "stages.json"
DOCS = ROOT / "docs" / "performance.md"
BASELINE = "6a41523"
ROUNDS = 5
PICTURES = 700
LOOP = "a plain loop of Pillow"
THIS = "this version"

DECODE = """
import hashlib, io, resource, sys, tempfile, time
from pathlib import Path
from PIL import Image
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import Unpacker
from ogaart.settings import Settings

files = [Path(line) for line in Path(sys.argv[1]).read_text().splitlines()]

def plain(path):
    picture = Image.open(io.BytesIO(path.read_bytes())).convert("RGBA")
    hashlib.sha256(picture.tobytes())
    picture.thumbnail((256, 256))
    picture.save(io.BytesIO(), "WEBP", quality=82, method=2)

def seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

peak = 0
def unpacked(chosen):
    global peak
    began = seconds()
    limits = Limits.from_settings(Settings())
    with tempfile.TemporaryDirectory() as scratch, Unpacker(limits, Path(scratch)) as unpacker:
        for path in chosen:
            rows = list(unpacker.unpack(path))
            assert all(row.pixel_sha256 for row in rows), rows
        peak = max(peak, unpacker.peak_bytes)
    return seconds() - began

PASSES = 4
if sys.argv[2] == "plain":
    plain(files[0])
    began = time.process_time()
    for path in PASSES * files:
        plain(path)
    spent = time.process_time() - began
else:
    # All passes but the first, which starts the process, loads its libraries and takes its memory. The loop is warm too
    # when it is measured, and every picture counts in both.
    spent = unpacked((1 + PASSES) * files) - unpacked(files)
print(1000 * spent / (PASSES * len(files)), peak)
"""

EMBED = """
import dataclasses, sys
from pathlib import Path
import numpy as np
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.embedding.backend_choice import TORCH
from ogaart.resources.embedding.measurement_worker import drawn_pictures
from ogaart.settings import Settings

settings = Settings(data=Path(sys.argv[1]), model=sys.argv[2], weights=Path(sys.argv[3]) if sys.argv[3] else None,
                    embed_threads=2)
pictures = [np.dstack([one, np.full(one.shape[:2], 255, np.uint8)]) for one in drawn_pictures(16, 224)]
with Embedder(settings) as embedder:
    if sys.argv[4] == TORCH:
        embedder._choice = dataclasses.replace(embedder.choice, backend=TORCH)
    embedder.embed_rgba(pictures * 2)
    assert embedder.choice.backend == sys.argv[4], embedder.choice
    print(embedder.peak_bytes)
"""


def art(count: int = 48) -> list[Path]:
    """Pictures of the demo, an even choice."""
    files = sorted(p for p in (ROOT / "ogaart" / "demo" / "art").rglob("*") if p.suffix in {".png", ".jpg"})
    return [path for path in files if _visible(path)][:: max(1, len(files) // count)][:count]


def _visible(path: Path) -> bool:
    from PIL import Image

    with Image.open(path) as picture:
        return picture.convert("RGBA").getchannel("A").getbbox() is not None


def drawn_weights(path: Path) -> None:
    """Seeded weights for VGG16, scaled so that signals neither vanish nor grow."""
    import torch
    from torchvision.models import vgg16

    with torch.device("meta"):
        shapes = vgg16(weights=None).state_dict()
    random = torch.Generator().manual_seed(1)
    torch.save(
        {
            name: torch.full(tensor.shape, 0.01)
            if tensor.ndim == 1
            else torch.randn(tensor.shape, generator=random) * math.sqrt(2 / tensor[0].numel())
            for name, tensor in shapes.items()
        },
        path,
    )


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """The tree of a commit, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "-q", "--detach", tree, commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)


def program(tree: Path, code: str, *arguments: str) -> list[float]:
    """The numbers that a program prints last, run with the package of a tree."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OGAART_")}
    environment |= {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        env=environment, cwd=tree, stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    return [float(number) for number in done.stdout.splitlines()[-1].split()]


def decoding(baseline: str) -> dict[str, Any]:
    """CPU milliseconds a picture: the loop, the earlier commit, this version, in turn."""
    times: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    with checkout(baseline) as tree, tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        files = art()
        listed.write("\n".join(map(str, files)))
        listed.flush()
        for _ in range(ROUNDS):
            for name, where, what in ((LOOP, ROOT, "plain"), (baseline, tree, "ours"), (THIS, ROOT, "ours")):
                spent, peak = program(where, DECODE, listed.name, what)
                times.setdefault(name, []).append(spent)
                peaks[name] = max(peak, peaks.get(name, 0))
    return {
        "pictures": len(files),
        "milliseconds": {name: round(statistics.median(found), 2) for name, found in times.items()},
        "peak_mib": {name: round(peak / 2**20) for name, peak in peaks.items() if peak},
    }


def fewer_bits(model: str, weights: Path | None, data: Path, count: int) -> dict[str, Any]:
    """What ``measure_backends`` finds for ``OGAART_PRECISION=fast`` on pictures of the demo and quarters of them."""
    import io

    from PIL import Image

    from benchmarks.gpu import chosen
    from ogaart.resources.embedding.batches import EmbedderInput
    from ogaart.resources.embedding.measurement import measure_backends
    from ogaart.settings import Settings

    def pictures() -> Iterator[EmbedderInput]:
        for number, (path, quarter) in enumerate(chosen(count)):
            with Image.open(path) as image:
                width, height = (max(1, side // 2) for side in image.size)
                down, right = divmod(quarter - 1, 2)
                box = (right * width, down * height, (right + 1) * width, (down + 1) * height)
                out = io.BytesIO()
                (image.convert("RGBA").crop(box) if quarter else image.convert("RGBA")).save(out, "PNG")
            yield EmbedderInput(str(number), out.getvalue())

    settings = Settings(data=data, model=model, weights=weights, precision="fast", device="cpu", min_free_bytes=0)
    choice = measure_backends(settings, pictures())
    return {
        "chosen": choice.backend, "reason": choice.refused or choice.reason,
        "measured": {row.backend: asdict(row) for row in choice.measured},
    }  # fmt: skip


def embedding(model: str, weights: Path | None, data: Path) -> dict[str, Any]:
    """What ``measure_backends`` finds, and the peak memory of the process that embeds by each back end."""
    from ogaart.resources.embedding.backend_choice import TORCH
    from ogaart.resources.embedding.measurement import measure_backends
    from ogaart.settings import Settings

    choice = measure_backends(Settings(data=data, model=model, weights=weights, min_free_bytes=0))
    measured = {row.backend: {"milliseconds": row.milliseconds, "cosine": row.cosine, "refused": row.refused}
                for row in choice.measured}  # fmt: skip
    peaks = {
        backend: round(program(ROOT, EMBED, str(data), model, str(weights or ""), backend)[0] / 2**20)
        for backend in {TORCH, choice.backend}
    }
    return {"chosen": choice.backend, "measured": measured, "peak_mib": peaks}


def table(kept: dict[str, Any]) -> str:
    """The table of docs/performance.md."""
    decode = kept["decoding"]
    times = decode["milliseconds"]
    baseline = next(name for name in times if name not in {LOOP, THIS})
    rows: list[tuple[str, str, str, float, float | None]] = []
    for label, name, aim in (
        ("VGG16 fc2, exact", "vgg16", 2.2),
        ("EfficientNet-Lite0, exact", "efficientnet_lite0", 2.3),
    ):
        found = kept[name]
        before, now = (found["measured"][which]["milliseconds"] for which in ("torch", found["chosen"]))
        rows.append((label, f"PyTorch {before:.1f} ms", f"{found['chosen']} {now:.1f} ms", before / now, aim))
    label = "Decode, canonical pixels, features, thumbnail"
    rows.append((label, f"{LOOP} {times[LOOP]:.1f} ms", f"{times[THIS]:.1f} ms", times[LOOP] / times[THIS], 1.0))
    rows.append(
        (label, f"{baseline} {times[baseline]:.1f} ms", f"{times[THIS]:.1f} ms", times[baseline] / times[THIS], None)
    )
    lines = ["| Stage | Beside | Now | Ratio | Aim |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {a} | {b} | {c} | {ratio:.2f} | {_aim(ratio, aim)} |" for a, b, c, ratio, aim in rows]
    peaks = [("VGG16", kept["vgg16"]), ("EfficientNet-Lite0", kept["efficientnet_lite0"])]
    lines += ["", "| Process | Before | Now | Aim |", "| --- | --- | --- | --- |"]
    for model, found in peaks:
        memory = found["peak_mib"]
        now = memory[found["chosen"]]
        lines.append(
            f"| Embedding, {model} | {memory['torch']:,} MiB by PyTorch | {now:,} MiB by {found['chosen']} "
            f"| {_most(now, 1000)} |"
        )
    memory = decode["peak_mib"]
    lines.append(
        f"| Decoding | {memory[baseline]} MiB ({baseline}) | {memory[THIS]} MiB | {_most(memory[THIS], 200)} |"
    )
    return "\n".join([f"Processor: {kept['processor']}.", "", *lines, *_fast_table(kept)])


def _fast_table(kept: dict[str, Any]) -> list[str]:
    """The rows of fewer bits, where they were measured."""
    rows = []
    for label, name in (("VGG16", "vgg16_fast"), ("EfficientNet-Lite0", "efficientnet_lite0_fast")):
        measured = kept.get(name, {}).get("measured", {})
        for backend, row in measured.items():
            if backend == "torch" or not row["fidelity"]:
                continue
            near, time = row["fidelity"], row["milliseconds"]
            spent = (
                f"{time:.1f} ms, {measured['torch']['milliseconds'] / time:.1f} times as fast" if time else "refused"
            )
            rows.append(
                f"| {label} | {backend} | {spent} | {near['mean_cosine']:.5f} | {near['least_cosine']:.5f} "
                f"| {near['overlap']:.3f} | {near['pictures']} |"
            )
    if not rows:
        return []
    return [
        "",
        "| Fewer bits | By | Beside PyTorch | Mean cosine | Least | Overlap of the ten nearest | Pictures |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *rows,
    ]


def _aim(ratio: float, aim: float | None) -> str:
    if aim is None:
        return ""
    return f"{aim:.1f}, reached" if ratio >= aim else f"{aim:.1f}, short by {aim - ratio:.2f}"


def _most(found: float, most: float) -> str:
    return f"{most:,.0f} MiB, reached" if found <= most else f"{most:,.0f} MiB, over by {found - most:,.0f}"


def write_table(kept: dict[str, Any]) -> str:
    """The text of docs/performance.md with the table of what is kept."""
    marked = re.compile(r"(<!-- stages -->\n).*?(<!-- /stages -->)", re.DOTALL)
    return marked.sub(lambda found: f"{found[1]}{table(kept)}\n{found[2]}", DOCS.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baseline", default=BASELINE)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--fast", action="store_true")
    arguments = parser.parse_args()
    from ogaart.resources.embedding.backend_choice import machine

    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        data, weights = Path(folder) / "data", Path(folder) / "vgg16.pth"
        drawn_weights(weights)
        if arguments.fast:
            kept["efficientnet_lite0_fast"] = fewer_bits("efficientnet_lite0", None, data, PICTURES)
            kept["vgg16_fast"] = fewer_bits("vgg16", weights, data, PICTURES)
        else:
            kept |= {"processor": machine()["processor"], "packages": machine()["packages"]}
            kept["decoding"] = decoding(arguments.baseline)
            kept["vgg16"] = embedding("vgg16", weights, data)
            kept["efficientnet_lite0"] = embedding("efficientnet_lite0", None, data)
    print(json.dumps(kept, indent=1))
    print(table(kept))
    if arguments.keep:
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        DOCS.write_text(write_table(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
