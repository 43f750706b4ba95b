"""PyTorch on a GPU: 32 bits, batches as large as fit, compared with the processor's vectors before it is used."""

from concurrent.futures import Executor

import numpy as np
import torch
from numpy.typing import NDArray

from ogaart.resources.embedding.backends.base import DeviceUnusable
from ogaart.resources.embedding.backends.converted import LEAST_COSINE, cosines
from ogaart.resources.embedding.backends.torch_f32 import LoadedModel

LARGEST_BATCH = 256
"""Pictures at once, at first; halved whenever the GPU's memory is exhausted."""


class DeviceModel:
    """Embeds prepared pictures on a device.

    Args:
        loaded: the model; its weights are moved to the device.
        device: such as ``cuda``.
        samples: (N, S, S, 3) uint8, pictures by which the device's vectors are compared with the processor's.

    Raises:
        DeviceUnusable: PyTorch cannot use the device, or its vectors differ.
    """

    def __init__(self, loaded: LoadedModel, device: str, samples: NDArray[np.uint8]) -> None:
        self._model = loaded.model
        self._batch = LARGEST_BATCH
        self._device = torch.device(device)
        torch.backends.cudnn.allow_tf32 = False  # 10 bits of mantissa would be another vector space
        torch.backends.cuda.matmul.allow_tf32 = False
        expected = loaded.embed(samples, None)
        try:
            self._body = loaded.move(self._device)
            self.least_cosine = float(cosines(self.embed(samples, None), expected).min())
        except (RuntimeError, AssertionError) as cause:  # a build without CUDA asserts
            reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            raise DeviceUnusable(f"PyTorch cannot use the device {device!r}: {reason}") from cause
        if not self.least_cosine >= LEAST_COSINE:
            raise DeviceUnusable(
                f"the device {device!r} computes other vectors than the processor (cosine {self.least_cosine:.7f})"
            )

    def embed(self, prepared: NDArray[np.uint8], pool: Executor | None) -> NDArray[np.float32]:
        """Embed prepared pictures.

        Args:
            prepared: (N, S, S, 3) uint8 RGB, S the model's input size.
            pool: not used.

        Returns:
            (N, D) float32, not normalised.

        Raises:
            torch.OutOfMemoryError: not even one picture fits into the device's memory.
        """
        del pool
        parts: list[NDArray[np.float32]] = []
        start = 0
        while start < len(prepared):
            part = prepared[start : start + self._batch]
            try:
                parts.append(self._compute(part))
            except torch.OutOfMemoryError:
                if self._batch == 1:
                    raise
                self._batch = max(1, min(self._batch, len(part)) // 2)
                continue
            start += len(part)
        return np.concatenate(parts)

    @torch.inference_mode()
    def _compute(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(prepared.copy())
        if self._device.type == "cuda":
            pixels = pixels.pin_memory()
        with self._device:  # the model's own constants are made there
            moved = pixels.to(self._device, non_blocking=True).permute(0, 3, 1, 2).float()
            values = self._model.backbone(self._body, self._model.normalise(moved))
            for layer in self._model.dense(self._body):
                values = torch.relu(layer(values))
        return np.asarray(values.cpu().numpy(), np.float32)


def find_device(wanted: str) -> str:
    """The device to embed on: ``cuda``, ``mps`` or ``cpu``.

    Args:
        wanted: one of these, or ``auto`` for the first that PyTorch can use.

    Raises:
        DeviceUnusable: PyTorch cannot use the one that is wanted.
    """
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, there in usable.items() if there)
    if not usable[wanted]:
        raise DeviceUnusable(f"PyTorch {torch.__version__} finds no device {wanted!r} on this machine")
    return wanted
