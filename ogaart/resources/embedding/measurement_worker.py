"""The child process that converts a model for each back end, verifies it against PyTorch and measures both.

``python -m ogaart.resources.embedding.measurement_worker``, driven by ``measurement``: what a converter keeps in
memory, and its crash, end with this process.
"""

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ogaart.resources.embedding.backend_choice import (
    BACKENDS,
    FAST_BACKENDS,
    LEAST_MEAN_COSINE,
    LEAST_OVERLAP,
    TORCH,
    Measured,
    keep,
)
from ogaart.resources.embedding.backends.base import Backend, ConversionUnusable
from ogaart.resources.embedding.backends.converted import (
    LEAST_COSINE,
    ConvertedModel,
    cosines,
    store_dense,
    store_probe,
)
from ogaart.resources.embedding.backends.torch_f32 import LoadedModel
from ogaart.resources.embedding.fidelity import fidelity
from ogaart.resources.embedding.registry import EmbeddingModel, WeightsMissing, model_named
from ogaart.workers import child, protocol

PICTURES = 16
ROUNDS = 3
_TIMED = 4
"""Pictures of each round; VGG16 takes a third of a second for one."""


def measure(model: EmbeddingModel, weights: Path, folder: Path) -> tuple[Measured, ...]:
    """Convert, verify and measure.

    Args:
        model: which.
        weights: its state dict.
        folder: takes the conversions; it is empty.

    Raises:
        WeightsMissing: the weights do not load.
    """
    torch.set_num_threads(1)
    loaded = LoadedModel(model, weights)
    pictures = drawn_pictures(PICTURES, model.input_size)
    expected = loaded.embed(pictures, None)
    backbone = _store_dense(loaded, folder)
    store_probe(pictures[:1], expected[:1], folder)
    contenders: dict[str, Callable[[NDArray[np.uint8], None], Any]] = {TORCH: loaded.embed}
    found = {TORCH: Measured(TORCH, None, 1.0)}
    for backend in BACKENDS.values():
        if not backend.installed():
            found[backend.name] = Measured(backend.name, None, 0.0, "its packages are not installed")
            continue
        converted, found[backend.name] = _convert(backend, backbone, model.input_size, folder, pictures, expected)
        if converted is not None:
            contenders[backend.name] = converted.embed
    for name, milliseconds in _milliseconds(contenders, pictures[:_TIMED]).items():
        found[name] = Measured(name, milliseconds, found[name].cosine)
    measured = tuple(found.values())
    keep(folder, measured)
    return measured


def measure_fewer_bits(
    model: EmbeddingModel, weights: Path, folder: Path, pictures: NDArray[np.uint8]
) -> tuple[Measured, ...]:
    """Convert with fewer bits, compare on the operator's pictures, and measure what is near enough.

    Args:
        model: which.
        weights: its state dict.
        folder: takes the conversions; it is empty.
        pictures: (N, S, S, 3) uint8: two in seven are what the conversions are fitted to, the others are measured.

    Raises:
        WeightsMissing: the weights do not load.
    """
    torch.set_num_threads(1)
    loaded = LoadedModel(model, weights)
    fitted = np.arange(len(pictures)) % 7 < 2
    own = pictures[~fitted]
    threads = os.cpu_count() or 1
    found = {TORCH: Measured(TORCH, None, 1.0)}
    contenders: dict[str, Callable[[NDArray[np.uint8], None], Any]] = {TORCH: loaded.embed}
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        expected = loaded.embed(own, pool)
        backbone = _store_dense(loaded, folder)
        for backend in FAST_BACKENDS.values():
            if not backend.installed():
                found[backend.name] = Measured(backend.name, None, 0.0, "its packages are not installed")
                continue
            try:
                (folder / backend.name).mkdir()
                backend.convert(backbone, model.input_size, folder / backend.name, pictures[fitted])
                vectors = ConvertedModel.load(folder, backend, threads).embed(own, pool)
            except ConversionUnusable as cause:
                found[backend.name] = Measured(backend.name, None, 0.0, str(cause))
                continue
            near = fidelity(expected, vectors)
            accepted = near.mean_cosine >= LEAST_MEAN_COSINE and near.overlap >= LEAST_OVERLAP
            refused = "" if accepted else str(near)
            found[backend.name] = Measured(backend.name, None, near.least_cosine, refused, near)
            if accepted:
                store_probe(own[:PICTURES], vectors[:PICTURES], folder / backend.name)
                contenders[backend.name] = ConvertedModel.load(folder, backend, 1).embed
    for name, milliseconds in _milliseconds(contenders, own[:_TIMED]).items():
        found[name] = replace(found[name], milliseconds=milliseconds)
    measured = tuple(found.values())
    keep(folder, measured, "fast")
    return measured


def _store_dense(loaded: LoadedModel, folder: Path) -> torch.nn.Module:
    """Write the dense layers; returns what is before them."""
    backbone, layers = loaded.modules()
    store_dense([(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in layers], folder / "dense")
    return backbone


def drawn_pictures(count: int, side: int) -> NDArray[np.uint8]:
    """Seeded pictures of blocks and ramps in many sizes, (N, side, side, 3) uint8."""
    random = np.random.default_rng(13)
    pictures = []
    for number in range(count):
        cells = 2 + 3 * number
        cell = -(-side // cells)
        blocks = random.integers(0, 256, (cells, cells, 3), dtype=np.uint8).repeat(cell, 0).repeat(cell, 1)
        ramp = np.linspace(0.3, 1.0, side)[:, None, None]
        pictures.append((blocks[:side, :side] * ramp).astype(np.uint8))
    return np.stack(pictures)


def _convert(
    backend: Backend,
    backbone: torch.nn.Module,
    size: int,
    folder: Path,
    pictures: NDArray[np.uint8],
    expected: NDArray[np.float32],
) -> tuple[ConvertedModel | None, Measured]:
    """A back end's conversion, opened, if all its vectors are PyTorch's; and what was found."""
    own = folder / backend.name
    own.mkdir()
    try:
        backend.convert(backbone, size, own, pictures)
        converted = ConvertedModel.open(folder, backend, 1)
        found = converted.embed(pictures, None)
    except ConversionUnusable as cause:
        return None, Measured(backend.name, None, 0.0, str(cause))
    least = float(cosines(found, expected).min())
    if not least >= LEAST_COSINE:
        return None, Measured(backend.name, None, least, f"its vectors differ from PyTorch's (cosine {least:.7f})")
    return converted, Measured(backend.name, None, least)


def _milliseconds(
    contenders: dict[str, Callable[[NDArray[np.uint8], None], Any]], pictures: NDArray[np.uint8]
) -> dict[str, float]:
    """CPU time of one picture by each, in turn and more than once, so that other work on the machine weighs alike."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, embed in contenders.items():
            started = time.process_time()
            embed(pictures, None)
            times[name].append((time.process_time() - started) * 1000 / len(pictures))
    return {name: round(statistics.median(found), 2) for name, found in times.items()}


def main() -> None:
    """Carry out one request, then end."""
    out, requests = child.open_pipes()
    request = requests.get()
    model = model_named(request.fields["model"])
    weights, folder = Path(request.fields["weights"]), Path(request.fields["folder"])
    try:
        if request.blobs:
            side = model.input_size
            pictures = np.frombuffer(request.blobs[0], np.uint8).reshape(-1, side, side, 3)
            measure_fewer_bits(model, weights, folder, pictures)
        else:
            measure(model, weights, folder)
    except WeightsMissing as error:
        answer = {"kind": "weights-missing", "message": str(error)}
    else:
        answer = {"kind": "measured"}
    protocol.send(out.write, {**answer, **child.memory()})
    out.flush()


if __name__ == "__main__":
    main()
