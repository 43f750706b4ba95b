"""The child process that embeds pictures: ``python -m ogaart.resources.embedding.worker``, driven by ``embedder``.

Only this process imports torch, and only where no faster back end is in use, so that a run does not keep its gigabyte.
It knows nothing of Dagster and ends with its parent. What a hostile picture breaks here is that picture's row.
"""

import os
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.embedding.backend_choice import LEAST_MEAN_COSINE, TORCH, backend_named
from ogaart.resources.embedding.backends.base import ConversionUnusable, DeviceUnusable
from ogaart.resources.embedding.backends.converted import LEAST_COSINE, ConvertedModel
from ogaart.resources.embedding.registry import WeightsMissing, model_named
from ogaart.workers import child, protocol

if TYPE_CHECKING:
    from ogaart.resources.embedding.backends.torch_f32 import LoadedModel


_SAMPLES = 4
"""Pictures by which a device is compared with the processor, which takes a third of a second for one by VGG16."""


class Model(Protocol):
    """A model that is ready to embed."""

    def embed(self, prepared: NDArray[np.uint8], pool: Executor | None) -> NDArray[np.float32]:
        """Prepared pictures, (N, S, S, 3) uint8, to (N, D) float32, by the threads of ``pool``."""


class EmbeddingWorker:
    """Answers requests, one message for each."""

    def __init__(self, fields: dict[str, Any]) -> None:
        threads = int(fields["threads"]) or os.cpu_count() or 1
        self._size = model_named(fields["model"]).input_size
        self.backend, self.reason = fields["backend"], ""
        """The back end in use, and why it is not the one that was requested."""
        self.device = ""
        """The device in use and how near its vectors are to the processor's; empty where that is the processor."""
        self.batch = 0
        """Pictures worth sending together to a device; 0 where any number will do."""
        self._model, self._pool = self._open(fields, threads)

    def _open(self, fields: dict[str, Any], threads: int) -> tuple[Model, Executor]:
        """The model on a GPU, or by the requested back end where it can be used, otherwise by PyTorch."""
        if fields["device"] and (on_device := self._on_device(fields)) is not None:
            return on_device, ThreadPoolExecutor(1)
        if self.backend != TORCH:
            try:
                converted = ConvertedModel.open(Path(fields["conversions"]), backend_named(self.backend), threads)
            except ConversionUnusable as cause:
                self.backend, self.reason = TORCH, str(cause)
            else:
                return converted, ThreadPoolExecutor(threads)
        import torch

        torch.set_num_threads(1)
        return _load(fields), ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def _on_device(self, fields: dict[str, Any]) -> Model | None:
        """The model on the device that the settings name; None where they name none and there is none.

        Raises:
            DeviceUnusable: the settings name a device that cannot be used.
        """
        from ogaart.resources.embedding.backends.torch_device import (
            EXACT,
            FAST_NUMBERS,
            REQUEST_BATCHES,
            find_device,
            open_device,
        )
        from ogaart.resources.embedding.measurement_worker import drawn_pictures

        try:
            device = find_device(fields["device"])
            if device == "cpu":
                return None
            ways = [(FAST_NUMBERS, LEAST_MEAN_COSINE)] if fields["fast"] else []
            ways.append((EXACT, LEAST_COSINE))
            samples = drawn_pictures(_SAMPLES, self._size)
            model, numbers = open_device(lambda: _load(fields), device, samples, ways)
        except DeviceUnusable as cause:
            if fields["device"] != "auto":
                raise
            self.reason = str(cause)
            return None
        self.backend = TORCH
        self.batch = REQUEST_BATCHES * model.batch
        self.device = f"{device} by {numbers}, smallest cosine to the processor's vectors {model.least_cosine:.7f}"
        return model

    def answer(self, request: protocol.Message) -> NDArray[np.float32]:
        """Embed prepared pictures."""
        count = int(request.fields["count"])
        prepared = np.frombuffer(request.blobs[0], np.uint8).reshape(count, self._size, self._size, 3)
        return np.ascontiguousarray(self._model.embed(prepared, self._pool))


def _load(fields: dict[str, Any]) -> "LoadedModel":
    from ogaart.resources.embedding.backends.torch_f32 import LoadedModel

    return LoadedModel(model_named(fields["model"]), Path(fields["weights"]) if fields["weights"] else None)


def main() -> None:
    """Serve until the parent closes the pipe."""
    out, requests = child.open_pipes()

    def reply(fields: dict[str, Any], blobs: tuple[Any, ...] = ()) -> None:
        protocol.send(out.write, {**fields, **child.memory()}, blobs)
        out.flush()

    try:
        worker = EmbeddingWorker(requests.get().fields)
    except WeightsMissing as error:
        reply({"kind": "weights-missing", "message": str(error)})
        return
    except DeviceUnusable as error:
        reply({"kind": "device-unusable", "message": str(error)})
        return
    ready = {"kind": "ready", "backend": worker.backend, "reason": worker.reason}
    reply({**ready, "device": worker.device, "batch": worker.batch})
    while True:
        reply({"kind": "vectors"}, (worker.answer(requests.get()),))


if __name__ == "__main__":
    main()
