"""The processes that read pictures for embedding: as many as cores, so that reading keeps up with a fast model.

Each reads one picture at a time, so the picture at which it breaks is known.
"""

import dataclasses
import queue
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np

from ogaart.imaging.errors import Reason
from ogaart.imaging.limits import Limits
from ogaart.likeness import cells
from ogaart.resources.embedding.batches import EmbedderInput, Failure, Reading
from ogaart.resources.embedding.kept_child import EmbedderBroken, KeptChild
from ogaart.settings import Settings
from ogaart.workers.process import REUSING_MEMORY, Child, ChildLost, clean_environment

READER_SECONDS = 60.0
PICTURES_FOR_ANOTHER = 64
"""Pictures read that are worth one more process, which reads none before it has started."""
_AHEAD = 2
"""Pictures for each process that are read before they are needed: one at work, and one that waits for it."""


class PictureReaders:
    """Reads pictures in child processes: one at first, and another with each 64 pictures.

    Threads may share it, and then share its processes.

    Args:
        settings: the limits of decoding, and how many processes may decode.
        size: side of the model's pictures.
    """

    def __init__(self, settings: Settings, size: int) -> None:
        self._settings = settings
        self._size = size
        self._readers: list[KeptChild] = []
        # The one that was used last comes first: pictures that come one at a time need one process only.
        self._idle: queue.LifoQueue[KeptChild] = queue.LifoQueue()
        self._add(KeptChild(self._start))
        self._count = 0
        self._starting: Future[None] | None = None
        self._closed = False

    @property
    def peak(self) -> int:
        """Largest resident size that a process has reported, in bytes."""
        return max(reader.peak for reader in self._readers)

    @property
    def pids(self) -> list[int]:
        """The process ids of those that run."""
        return [reader.pid for reader in self._readers if reader.pid is not None]

    def close(self) -> None:
        """End the processes; what is being read ends with them, and starts no other."""
        self._closed = True
        for reader in self._readers:
            reader.stop()
        with suppress(queue.Empty):
            for _ in self._readers:
                self._idle.get(timeout=READER_SECONDS)  # no thread uses it any more
        for reader in self._readers:
            reader.close()
            self._idle.put(reader)

    def read(self, pictures: Iterable[EmbedderInput]) -> Iterator[Reading]:
        """Read pictures, some at the same time.

        Args:
            pictures: taken a few before they are needed.

        Yields:
            What became of each picture, in their order.

        Raises:
            EmbedderBroken: the processes break at everything.
        """
        self._closed = False
        pending: deque[Future[Reading]] = deque()
        with ThreadPoolExecutor(self._settings.decoder_count + 1, "reading") as pool:
            try:
                for picture in pictures:
                    pending.append(pool.submit(self._read, picture))
                    self._count += 1
                    if self._count % PICTURES_FOR_ANOTHER == 0:
                        self._grow(pool)
                    if len(pending) >= _AHEAD * len(self._readers):
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _grow(self, pool: ThreadPoolExecutor) -> None:
        """Begin to start one more process, unless there are enough, or one is being started."""
        if self._starting is not None:
            if not self._starting.done():
                return
            self._starting.result()
        if len(self._readers) < self._settings.decoder_count:
            self._starting = pool.submit(self._start_another)

    def _start_another(self) -> None:
        """Pictures are read in their order: none may wait for the start of a process."""
        reader = KeptChild(self._start)
        reader.start()
        self._add(reader)

    def _add(self, reader: KeptChild) -> None:
        self._readers.append(reader)
        self._idle.put(reader)

    def _read(self, picture: EmbedderInput) -> Reading:
        reader = self._idle.get()
        try:
            return self._read_by(reader, picture)
        finally:
            self._idle.put(reader)

    def _read_by(self, reader: KeptChild, picture: EmbedderInput) -> Reading:
        """Have a child read one picture; what breaks the child twice is a failure, of derived spaces if it can be."""
        reading = Reading(count=1)
        try:
            answer = reader.request(*_request(picture), self._settings.member_seconds, retry=True)
        except ChildLost as error:
            lost = Failure(picture.key, Reason.WORKER_CRASHED, str(error))
            wanted = [*picture.derive, *([cells.SPACE] if picture.named else [])]
            if picture.embed and wanted:  # the model may still be able to embed it
                reading = self._read_by(reader, dataclasses.replace(picture, derive=(), named={}))
            elif picture.embed:
                reading.failures.append(lost)
            for space in dict.fromkeys(wanted):
                reading.underived.setdefault(space, []).append(lost)
            return reading
        if answer.fields["kind"] == "failed":
            reading.failures.append(Failure(picture.key, answer.fields["error_class"], answer.fields["message"]))
            return reading
        blobs = list(answer.blobs)
        if picture.embed:
            prepared = np.frombuffer(blobs.pop(0), np.uint8).reshape(self._size, self._size, 3)
            reading.prepared.append((picture.key, prepared))
        kept = [(space, picture.key) for space in answer.fields["derived"]]
        kept += [(cells.SPACE, key) for key in answer.fields["named"]]
        for (space, key), content in zip(kept, blobs, strict=True):
            reading.derived.setdefault(space, {})[key] = bytes(content)
        for space, (error_class, message) in answer.fields["failed"].items():
            reading.underived.setdefault(space, []).append(Failure(picture.key, error_class, message))
        return reading

    def _start(self) -> Child:
        if self._closed:
            raise EmbedderBroken("the embedder was closed while it was reading")
        environment = clean_environment((), ("OMP_",)) | REUSING_MEMORY
        child = Child("ogaart.resources.embedding.reader", "the process that reads pictures", environment)
        limits = dataclasses.asdict(Limits.from_settings(self._settings))
        try:
            child.request({"limits": limits, "size": self._size}, seconds=READER_SECONDS)
        except ChildLost as error:
            raise EmbedderBroken(f"{error}; it did not start") from error
        except BaseException:
            child.kill()
            raise
        if self._closed:
            child.kill()
            raise EmbedderBroken("the embedder was closed while it was reading")
        return child


def _request(picture: EmbedderInput) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    wanted = {"op": "read", "embed": picture.embed, "derive": picture.derive, "named": picture.named}
    if isinstance(picture.source, bytes):
        return {**wanted, "path": ""}, (picture.source,)
    return {**wanted, "path": str(picture.source)}, ()
