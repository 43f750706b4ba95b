"""PyTorch on a GPU: exact in 32 bits, or fast in 16; compared with the processor's vectors before it is used."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from ogaart.resources.embedding.backends.base import DeviceUnusable
from ogaart.resources.embedding.backends.converted import LEAST_COSINE, cosines
from ogaart.resources.embedding.backends.torch_f32 import LoadedModel

LARGEST_BATCH = 256
"""Pictures at once, at first; halved whenever the GPU's memory is exhausted."""
REQUEST_BATCHES = 2
"""Batches worth sending together: while one is computed, the next is copied to the device."""
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Numbers of 16 bits by which convolutions and matrix products may be computed, by name."""
EXACT, FAST_NUMBERS = "f32", "fp16"
"""What vectors are computed with for each value of ``OGAART_PRECISION``; fp16 has eight times the precision of bf16."""


class DeviceModel:
    """Embeds prepared pictures on a device.

    Args:
        loaded: the model; its weights are moved to the device.
        device: such as ``cuda``.
        samples: (N, S, S, 3) uint8, pictures by which the device's vectors are compared with the processor's.
        numbers: ``f32``, or a name of ``HALF``, which PyTorch then uses where it is safe (autocast).
        least: the smallest cosine to the processor's vectors that is accepted.

    Attributes:
        batch: pictures that are computed at once.
        least_cosine: the smallest that was found.

    Raises:
        DeviceUnusable: PyTorch cannot use the device, or its vectors differ.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        device: str,
        samples: NDArray[np.uint8],
        numbers: str = EXACT,
        least: float = LEAST_COSINE,
    ) -> None:
        self._model = loaded.model
        self._half = HALF.get(numbers)
        self.batch = LARGEST_BATCH
        self._device = torch.device(device)
        torch.backends.cudnn.allow_tf32 = False  # 10 bits of mantissa would be another vector space
        torch.backends.cuda.matmul.allow_tf32 = False
        expected = loaded.embed(samples, None)
        try:
            self._body = loaded.move(self._device)
            self._upload = _Upload(self._device)
            self.least_cosine = float(cosines(self.embed(samples, None), expected).min())
        except (RuntimeError, AssertionError) as cause:  # a build without CUDA asserts
            reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            raise DeviceUnusable(f"PyTorch cannot use the device {device!r}: {reason}") from cause
        if not self.least_cosine >= least:
            raise DeviceUnusable(
                f"the device {device!r} computes other vectors than the processor by {numbers} "
                f"(cosine {self.least_cosine:.7f}, at least {least} is needed)"
            )

    @torch.inference_mode()
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
        parts: list[torch.Tensor] = []
        done = 0
        while done < len(prepared):
            try:
                for values in self._batches(prepared[done:]):
                    parts.append(values)
                    done += len(values)
            except torch.OutOfMemoryError:
                if self.batch == 1:
                    raise
                self.batch = max(1, min(self.batch, len(prepared) - done) // 2)
        vectors = np.array(torch.cat(parts).cpu().numpy(), np.float32)
        if self._half is not None and (overflowed := ~np.isfinite(vectors).all(axis=1)).any():
            half, self._half = self._half, None  # a number was too large for 16 bits
            vectors[overflowed] = self.embed(prepared[overflowed], None)
            self._half = half
        return vectors

    def _batches(self, prepared: NDArray[np.uint8]) -> Iterator[torch.Tensor]:
        """Vectors of a batch each, on the device; the next batch is on its way while one is computed."""
        parts = [prepared[start : start + self.batch] for start in range(0, len(prepared), self.batch)]
        on_device = self._upload.start(parts[0])
        for number in range(len(parts)):
            values = self._compute(on_device())
            if number + 1 < len(parts):
                on_device = self._upload.start(parts[number + 1])
            yield values

    def _compute(self, pictures: torch.Tensor) -> torch.Tensor:
        """(N, S, S, 3) uint8 on the device to (N, D) float32 there."""
        half: AbstractContextManager[object] = nullcontext()
        if self._half is not None:
            half = torch.autocast(self._device.type, dtype=self._half)
        with self._device, half:  # the model's own constants are made on the device
            # Their channels are last in memory, as the convolutions want them.
            values = self._model.backbone(self._body, self._model.normalise(pictures.permute(0, 3, 1, 2).float()))
            for layer in self._model.dense(self._body):
                values = torch.relu(layer(values))
        return values.float()


class _Upload:
    """Copies pictures to a device; on CUDA by two buffers in turn, beside what the device computes."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._pinned: list[torch.Tensor] = []
        self._copied: list[torch.cuda.Event] = []
        self._turn = 0

    def start(self, pictures: NDArray[np.uint8]) -> Callable[[], torch.Tensor]:
        """Begin to copy pictures; what is returned waits for their end, on the device's side, and returns them."""
        if self._stream is None:
            moved = torch.from_numpy(pictures.copy()).to(self._device)
            return lambda: moved
        if not self._copied:
            self._copied = [torch.cuda.Event(), torch.cuda.Event()]  # type: ignore[no-untyped-call]
        count = len(pictures)
        if not self._pinned or self._pinned[0].shape[0] < count:
            self._pinned = [torch.empty(pictures.shape, dtype=torch.uint8, pin_memory=True) for _ in self._copied]
        self._turn = 1 - self._turn
        copied, pinned = self._copied[self._turn], self._pinned[self._turn]
        copied.synchronize()  # the buffer's former pictures have left it
        pinned.numpy()[:count] = pictures
        with torch.cuda.stream(self._stream):
            there = pinned[:count].to(self._device, non_blocking=True)
            copied.record()

        def ready() -> torch.Tensor:
            computing = torch.cuda.current_stream(self._device)
            computing.wait_event(copied)
            there.record_stream(computing)  # its memory is not used for other pictures before it was read
            return there

        return ready


def open_device(
    load: Callable[[], LoadedModel], device: str, samples: NDArray[np.uint8], ways: Sequence[tuple[str, float]]
) -> tuple[DeviceModel, str]:
    """A model on a device, by the first of several ways whose vectors are near enough to the processor's.

    Args:
        load: loads the model; each way needs one of its own.
        device: such as ``cuda``.
        samples: see ``DeviceModel``.
        ways: the numbers to compute with and the smallest cosine that is accepted; the last one is the exact one.

    Returns:
        The model, and what it computes with; in words, with why other ways were refused.

    Raises:
        DeviceUnusable: none can be used; the cause is that of the last.
    """
    *others, (exact, least) = ways
    refused = ""
    for numbers, accepted in others:
        try:
            return DeviceModel(load(), device, samples, numbers, accepted), numbers
        except DeviceUnusable as cause:
            refused += f" ({cause})"
    return DeviceModel(load(), device, samples, exact, least), exact + refused


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
