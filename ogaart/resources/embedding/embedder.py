"""The parent's side of embedding: pictures go in, unit vectors come out, whatever a picture does to a child process.

Children read pictures, one at a time each, so the picture at which one breaks is known; what was prepared before is
kept here. Another child holds the model, and computes a batch while the next one is read.
"""

import dataclasses
import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ogaart.imaging.errors import Reason
from ogaart.resources.embedding.backend_choice import TORCH, BackendChoice, choose, gpu_is_possible
from ogaart.resources.embedding.batches import Batch, EmbedderInput, Failure, Reading
from ogaart.resources.embedding.kept_child import EmbedderBroken, KeptChild
from ogaart.resources.embedding.picture_readers import PictureReaders
from ogaart.resources.embedding.preprocessing import prepare
from ogaart.resources.embedding.registry import VectorSpace, WeightsMissing, find_weights, model_named
from ogaart.settings import Settings
from ogaart.workers import protocol
from ogaart.workers.process import Child, ChildLost, clean_environment

__all__ = ["Batch", "Embedder", "EmbedderBroken", "EmbedderInput", "Failure", "WeightsMissing"]

_FOR_DOWNLOADS = ("LANG", "TORCH_HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
START_SECONDS = 1800.0
"""Half a gigabyte of weights may have to come over a slow line first."""
_log = logging.getLogger(__name__)


class Embedder:
    """Embeds pictures by the settings' model in child processes, started by the first picture.

    A context manager; threads may share one, and then wait for each other.

    Args:
        settings: model, weights, batch, threads and the limits of decoding.

    Raises:
        UnknownModel: the settings name a model that is not there.
        WeightsMissing: the weights are known to be missing or damaged already; a download is tried at the start.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._weights = find_weights(settings)
        self._model = model_named(settings.model)
        self._readers = PictureReaders(settings, self._model.input_size)
        self._worker = KeptChild(self._start_worker)
        self._together = settings.embed_batch
        self.space = VectorSpace.of(settings)
        self._choice: BackendChoice | None = None
        self._starting: Child | None = None
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """End the model's child while another thread waits for it, or for its start: that fails, as all later do."""
        self._stopped = True
        self._worker.stop()
        starting = self._starting
        if starting is not None:
            starting.stop()

    def close(self) -> None:
        """End the child processes."""
        self._readers.close()
        self._worker.close()

    @property
    def peak_bytes(self) -> int:
        """Largest resident size a child has reported."""
        return max(self._readers.peak, self._worker.peak)

    @property
    def pid(self) -> int | None:
        """The process id of the child with the model, where one runs."""
        return self._worker.pid

    @property
    def choice(self) -> BackendChoice:
        """The back end in use, and why it is this one; it is final once a child has started."""
        if self._choice is None:
            self._choice = choose(self._settings)
        return self._choice

    def choose_again(self) -> None:
        """Take the back end that is chosen now, such as after a measurement; the next picture's child starts by it."""
        if self._choice is not None and (chosen := choose(self._settings)).backend != self._choice.backend:
            self._worker.close()
            self._choice, self._together = chosen, self._settings.embed_batch

    def start(self) -> None:
        """Start the model's child now, so that the first picture need not wait.

        Raises:
            WeightsMissing: the weights are missing and cannot be downloaded.
            EmbedderBroken: the child does not start.
        """
        self._worker.start()

    def embed(self, pictures: Iterable[tuple[str, bytes | Path]]) -> Iterator[Batch]:
        """Decode, prepare and embed pictures.

        Args:
            pictures: keys and picture files, as bytes or paths; taken as they are needed.

        Yields:
            One batch for each ``embed_batch`` pictures, more on a GPU; in all, every key once, in vectors or failures.

        Raises:
            WeightsMissing: the weights are missing and cannot be downloaded.
            EmbedderBroken: the child breaks at everything.
        """
        return self.read(EmbedderInput(key, source) for key, source in pictures)

    def read(self, pictures: Iterable[EmbedderInput]) -> Iterator[Batch]:
        """Decode pictures once each, for the model's vector and the derived spaces that want them.

        While the model computes a batch, the pictures of the next one are read.

        Args:
            pictures: taken as they are needed.

        Yields:
            One batch for each ``embed_batch`` pictures; on a GPU, for as many as it takes at once.

        Raises:
            WeightsMissing: the weights are missing and cannot be downloaded.
            EmbedderBroken: the child breaks at everything.
        """
        with ThreadPoolExecutor(1, "embedding") as model:
            for batch in _ahead(model.submit(self._finish, reading) for reading in self._readings(pictures)):
                yield batch.result()

    def _readings(self, pictures: Iterable[EmbedderInput]) -> Iterator[Reading]:
        """Pictures read, as many together as make a batch."""
        reading = Reading()
        for read in self._readers.read(pictures):
            if read.prepared and self._worker.pid is None and gpu_is_possible(self._settings):
                self.start()  # it says how many pictures the GPU takes at once
            reading.add(read)
            if reading.count >= self._together:
                yield reading
                reading = Reading()
        if reading.count:
            yield reading

    def embed_rgba(self, pictures: Sequence[NDArray[np.uint8]]) -> Batch:
        """Embed pictures already decoded; keys are their places in the sequence.

        Args:
            pictures: each (H, W, 4) uint8 canonical pixels.

        Raises:
            WeightsMissing: the weights are missing and cannot be downloaded.
            EmbedderBroken: the child breaks at everything.
        """
        return self._embed([(str(i), prepare(rgba, self._model.input_size)) for i, rgba in enumerate(pictures)], [])

    # -- the steps --------------------------------------------------------------------------------------------

    def _finish(self, reading: Reading) -> Batch:
        batch = self._embed(reading.prepared, reading.failures)
        return dataclasses.replace(batch, derived=reading.derived, underived=reading.underived, read=reading.count)

    def _embed(self, prepared: list[tuple[str, NDArray[np.uint8]]], failures: list[Failure]) -> Batch:
        """Embed prepared pictures together; where that breaks the child, each alone."""
        keys = [key for key, _ in prepared]
        try:
            vectors = self._vectors([pixels for _, pixels in prepared])
        except ChildLost as error:
            _log.warning("%s with %d pictures: each is tried alone", error, len(prepared))
            keys, vectors, lost = self._singly(prepared)
            failures = [*failures, *lost]
        norms = np.linalg.norm(vectors, axis=1)
        good = np.isfinite(norms) & (norms > 0)
        bad = [
            Failure(keys[i], "NoVector", f"the model returned a vector of length {norms[i]}: it has no direction")
            for i in np.flatnonzero(~good)
        ]
        return Batch(
            tuple(key for key, fine in zip(keys, good, strict=True) if fine),
            vectors[good] / norms[good, None],
            norms[good].astype(np.float32),
            (*failures, *bad),
        )

    def _singly(
        self, prepared: list[tuple[str, NDArray[np.uint8]]]
    ) -> tuple[list[str], NDArray[np.float32], list[Failure]]:
        keys, rows, lost = [], [], []
        for key, pixels in prepared:
            try:
                rows.append(self._vectors([pixels]))
                keys.append(key)
            except ChildLost as error:
                lost.append(Failure(key, Reason.WORKER_CRASHED, str(error)))
        return keys, np.concatenate(rows) if rows else np.empty((0, self.space.dimension), np.float32), lost

    def _vectors(self, prepared: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if not prepared:
            return np.empty((0, self.space.dimension), np.float32)
        pixels = np.ascontiguousarray(np.stack(prepared))
        answer = self._worker.request({"op": "embed", "count": len(pixels)}, (pixels,), 60.0 + 20.0 * len(pixels))
        return np.frombuffer(answer.blobs[0], np.float32).reshape(len(pixels), self.space.dimension)

    # -- the children -----------------------------------------------------------------------------------------

    def _start_worker(self) -> Child:
        if self.choice.refused and not gpu_is_possible(self._settings):
            raise EmbedderBroken(self.choice.refused)
        if self._weights.path is None:
            _log.info("the weights of %s are downloaded first: %s", self._model.name, self._model.source)
        started = time.monotonic()
        try:
            child, hello = self._start()
        except ChildLost as error:
            if self._stopped:
                raise EmbedderBroken("it was stopped") from error
            if self.choice.backend == TORCH:
                raise EmbedderBroken(f"{error}; it did not start: is torch installed (ogaart doctor)?") from error
            self._fall_back(str(error))
            return self._start_worker()
        self._worker.peak = max(self._worker.peak, hello.fields["peak"])
        if hello.fields["kind"] == "weights-missing":
            child.kill()
            raise WeightsMissing(hello.fields["message"])
        if hello.fields["kind"] == "device-unusable":
            child.kill()
            raise EmbedderBroken(
                f"OGAART_DEVICE={self._settings.device}: {hello.fields['message']}; install a build of PyTorch for "
                "this device, or set OGAART_DEVICE=auto"
            )
        if hello.fields["device"]:
            self._choice = dataclasses.replace(self.choice, backend=TORCH, reason=hello.fields["device"])
            self._together = max(self._together, hello.fields["batch"])
        if hello.fields["reason"]:
            self._fall_back(hello.fields["reason"])
        _log.info("%s loaded in %.1f s by %s", self.space.name, time.monotonic() - started, self.choice.backend)
        return child

    def _start(self) -> tuple[Child, protocol.Message]:
        child = Child("ogaart.resources.embedding.worker", "the embedding process", _environment())
        start = {
            "op": "start",
            "model": self._model.name,
            "weights": str(self._weights.path) if self._weights.path else "",
            "backend": self.choice.backend,
            "conversions": str(self.choice.folder),
            "threads": self._settings.embed_threads,
            "fast": self._settings.precision == "fast",
            "device": self._settings.device if gpu_is_possible(self._settings) else "",
        }
        self._starting = child
        if self._stopped:
            child.stop()
        try:
            return child, child.request(start, seconds=START_SECONDS)
        except BaseException:
            child.kill()
            raise
        finally:
            self._starting = None

    def _fall_back(self, reason: str) -> None:
        """Use PyTorch from here on."""
        _log.warning("%s is not used: %s; PyTorch embeds instead", self.choice.backend, reason)
        self._choice = dataclasses.replace(self.choice, backend=TORCH, reason=f"{self.choice.backend}: {reason}")


def _ahead(batches: Iterable[Future[Batch]]) -> Iterator[Future[Batch]]:
    """Each one once the next has been submitted."""
    before: Future[Batch] | None = None
    for batch in batches:
        if before is not None:
            yield before
        before = batch
    if before is not None:
        yield before


def _environment() -> dict[str, str]:
    """What torch needs: the number of its threads, and the way to weights that are yet to be downloaded."""
    proxies = [name for name in os.environ if name.lower() in _PROXIES]
    return clean_environment((*_FOR_DOWNLOADS, *proxies), ("OMP_", "MKL_"))
