"""The parent's side of unpacking: a file goes in, rows come out, whatever the file does to the child process.

A crash or a hang becomes a failed row of the member at which it happened; a new child continues after it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from ogaart.core.states import MemberStatus
from ogaart.imaging.atlases.base import Atlas, Region
from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.identity import PIXELS_VERSION
from ogaart.imaging.pictures import Picture
from ogaart.imaging.worker_client import START_SECONDS, reason_of, start_worker
from ogaart.likeness.features import Features
from ogaart.workers.process import Child, ChildLost

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator
    from pathlib import Path
    from types import TracebackType

    from ogaart.imaging.limits import Limits
    from ogaart.workers import protocol

UNPACKER_VERSION = f"2.{PIXELS_VERSION}"
"""Rises with any change of what a file's rows say; its second part is the version of the canonical pixels."""

Bytes = bytes  # the type, in a class that has a field of that name
_OF_PICTURES = ("pixel_sha256", "width", "height", "mode", "frames")
RECYCLE_BYTES = 768 << 20
"""A child that holds more resident memory than this after a file is replaced before the next."""


@dataclass(frozen=True)
class UnpackedMember:
    """One row: a member of a file, or the file itself where it is not an archive.

    The fields from ``pixel_sha256`` on are set where ``status`` is PICTURE, and None elsewhere.

    Attributes:
        member_index: place in the archive, nested by '/', such as 3 or 3/0; empty for the file itself.
        member_path: path inside the archive, for display only; nested archives joined by '!/'.
        status: what became of it.
        error_class: class of the failure, where it failed; one of ``errors.Reason``.
        message: what is wrong, naming value and limit; for members passed over, why.
        format: format by magic bytes.
        bytes: length.
        sha256: hash of its own bytes, where they were read.
        pixel_sha256: hash of the canonical pixels.
        width: pixels.
        height: pixels.
        mode: Pillow's mode of the picture as stored.
        frames: number of frames.
        features: what its pixels look like, in columns of table ``images``.
        thumbnail: a WebP file.
        content: the picture file's bytes, above 1 MiB as a file without a name; None where it is the file itself.
        atlases: what a text says of the pictures beside it.
    """

    member_index: str
    member_path: str
    status: MemberStatus
    error_class: str | None = None
    message: str | None = None
    format: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    pixel_sha256: str | None = None
    width: int | None = None
    height: int | None = None
    mode: str | None = None
    frames: int | None = None
    features: Features | None = None
    thumbnail: Bytes | None = None
    content: Bytes | IO[Bytes] | None = None
    atlases: tuple[Atlas, ...] = ()


class Unpacker:
    """Unpacks and decodes untrusted files in a child process that is kept from file to file.

    A context manager; threads may share one, and then wait for each other.

    Args:
        limits: what the child keeps to.
        scratch: directory for unlinked temporary files.
    """

    def __init__(self, limits: Limits, scratch: Path) -> None:
        self._limits = limits
        self._scratch = scratch
        self._child: Child | None = None
        self._lock = threading.Lock()
        self._peak = 0
        self._restarts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stop(self) -> None:
        """Kill the child process while another thread unpacks by it; that file ends with a failed row."""
        child = self._child
        if child is not None:
            child.stop()

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    @property
    def peak_bytes(self) -> int:
        """Largest resident size that a child has reported."""
        return self._peak

    @property
    def restarts(self) -> int:
        """How many children crashed or hung."""
        return self._restarts

    def unpack(
        self, path: Path, done: Collection[str] = (), enter: Collection[str] = ()
    ) -> Generator[UnpackedMember, None, None]:
        """Unpack one file, streaming: at most a few members are in memory.

        Args:
            path: the file; its name is ignored.
            done: indexes of members whose results are known: they are skipped and yield no row.
            enter: those of them that are archives to be read for others of their members.

        Yields:
            One row for each member, in the archive's order; a file that is not an archive yields one with the index "".
            At least one row, for any bytes.

        Raises:
            OSError: the file itself cannot be opened.
        """
        with path.open("rb", buffering=0):
            pass
        with self._lock:
            yield from _Unpacking(self, path, done, enter).rows()

    def decode_one(self, data: bytes, *, max_bytes: int, max_pixels: int, seconds: float = 10.0) -> Picture:
        """Decode one untrusted picture; archives are refused.

        Args:
            data: the picture file's bytes.
            max_bytes: more are refused unread.
            max_pixels: more are refused undecoded.
            seconds: how long it may take.

        Raises:
            Unreadable: no picture, broken, or over a limit.
        """
        if len(data) > max_bytes:
            raise Unreadable(Reason.TOO_LARGE, f"{len(data):,} bytes; the limit is {max_bytes:,}")
        with self._lock:
            try:
                child = self._ready()
                answer = child.request({"op": "decode", "max_pixels": max_pixels}, (data,), seconds=seconds)
                self._finish(child.receive(seconds))
            except ChildLost as cause:
                self._forget()
                raise Unreadable(*reason_of(cause)) from cause
            except BaseException:
                self.close()
                raise
        fields = answer.fields
        if fields["kind"] == "unreadable":
            raise Unreadable(Reason(fields["error_class"]), fields["message"])
        rgba = np.frombuffer(answer.blobs[0], dtype=np.uint8).reshape(fields["shape"])
        return Picture(rgba, fields["mode"], fields["format"], fields["frames"])

    def _ready(self) -> Child:
        if self._child is None:
            self._child = start_worker(self._limits, self._scratch)
        return self._child

    def _forget(self) -> None:
        self._child = None
        self._restarts += 1

    def _finish(self, end: protocol.Message) -> None:
        self._peak = max(self._peak, end.fields["peak"])
        if end.fields["rss"] > RECYCLE_BYTES:
            self.close()


class _Unpacking:
    """One file's way through as many children as it costs."""

    def __init__(self, unpacker: Unpacker, path: Path, done: Collection[str], enter: Collection[str]) -> None:
        self._unpacker = unpacker
        self._path = path
        self._done: dict[str, None] = dict.fromkeys(done)
        self._enter: set[str] = set(enter)
        self._poison: set[str] = set()
        self._begun: dict[str, str] = {}
        self._seconds = 0.0

    def rows(self) -> Iterator[UnpackedMember]:
        """All rows, over restarts."""
        while True:
            try:
                yield from self._attempt()
            except ChildLost as cause:
                self._unpacker._forget()
                index, shown = self._begun.popitem() if self._begun else ("", "")
                self._begun.clear()
                limit = self._unpacker._limits.file_seconds
                if self._seconds >= limit:
                    message = f"took longer than {limit:g} s; the rest was not read (last: {cause})"
                    yield UnpackedMember("", "", MemberStatus.FAILED, Reason.TIMED_OUT, message)
                    return
                if index in self._done or index in self._poison:
                    index, shown = "", ""
                yield UnpackedMember(index, shown, MemberStatus.FAILED, *reason_of(cause))
                if not index:
                    return
                self._poison.add(index)
                self._done[index] = None
            else:
                return

    def _attempt(self) -> Iterator[UnpackedMember]:
        """Rows from one child, until the file or the child ends."""
        unpacker = self._unpacker
        limits = unpacker._limits
        request = {
            "op": "unpack",
            "path": str(self._path.absolute()),
            "done": list(self._done),
            "enter": sorted(self._enter),
            "poison": sorted(self._poison),
        }
        started = time.monotonic()
        child = unpacker._ready()
        self._seconds += time.monotonic() - started  # restarts count: a file of crashes must end too
        finished = False
        try:
            child.send(request, seconds=START_SECONDS)
            while True:
                left = limits.file_seconds - self._seconds - child.waited
                message = child.receive(max(0.0, min(limits.member_seconds, left)), spool=True)
                if message.fields["kind"] == "end":
                    finished = True
                    unpacker._finish(message)
                    return
                row = self._take(message)
                if row is not None:
                    yield row
        except ChildLost:
            finished = True
            raise
        finally:
            self._seconds += child.waited
            if not finished:
                # The caller stopped in the middle: what the child still sends has no reader.
                unpacker.close()

    def _take(self, message: protocol.Message) -> UnpackedMember | None:
        fields = message.fields
        index = fields["index"]
        if fields["kind"] == "begin":
            if fields["wanted"]:
                self._begun[index] = fields["path"]
            return None
        self._begun.pop(index, None)
        self._done[index] = None
        if fields["is_archive"]:
            self._enter.add(index)
        picture: dict[str, Any] = {}
        status = MemberStatus(fields["status"])
        if status is MemberStatus.PICTURE:
            thumbnail, signature, *content = message.blobs
            picture = {name: fields[name] for name in _OF_PICTURES}
            picture["features"] = Features(**fields["features"], signature=bytes(signature))
            picture["thumbnail"] = bytes(thumbnail)
            picture["content"] = _content(content[0]) if content else None
        return UnpackedMember(
            index,
            fields["path"],
            status,
            fields["error_class"],
            fields["message"],
            fields["format"],
            fields["bytes"],
            fields["sha256"],
            atlases=tuple(_atlas(atlas) for atlas in fields["atlases"]),
            **picture,
        )


def _atlas(fields: dict[str, Any]) -> Atlas:
    return Atlas(**{**fields, "regions": tuple(Region(**region) for region in fields["regions"])})


def _content(blob: Any) -> Bytes | IO[Bytes]:
    """A picture file's bytes: a short blob, or the file that a long one was written to."""
    return bytes(blob) if isinstance(blob, bytes | bytearray) else blob
