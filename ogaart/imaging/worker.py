"""The child process that unpacks and decodes: ``python -m ogaart.imaging.worker``, driven by ``unpacker`` over pipes.

It imports neither Dagster nor torch, limits its own address space, and ends with its parent. What breaks here is a
broken member, never a broken run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import locale
import logging
import os
import resource
import signal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from PIL import Image

from ogaart.core.states import MemberStatus
from ogaart.imaging import identity, pictures, self_extracting, thumbnails
from ogaart.imaging.archive_headers import last_volume
from ogaart.imaging.archive_members import Member, Stop
from ogaart.imaging.archives import Walk
from ogaart.imaging.atlases.base import MAX_BYTES as MAX_ATLAS_BYTES
from ogaart.imaging.atlases.reader import may_be_atlas, read_atlases
from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.formats import layered_zip
from ogaart.imaging.limits import Limits
from ogaart.imaging.sniff import FileType, Kind, read_head, sniff
from ogaart.likeness import features
from ogaart.likeness.premultiplied import premultiplied
from ogaart.workers import child, protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_AT_ONCE = 16 << 20
"""Most bytes of a file that is opened once instead of for its type, its pixels and its hash."""
_OF_NO_TEXT = frozenset((0x89, 0xFF))  # PNG, JPEG
_LOCALES = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8")


class DecodingWorker:
    """Answers requests one after the other; each answer is a stream of messages."""

    def __init__(self, out: BinaryIO, limits: Limits, scratch: Path) -> None:
        self._out = out
        self._limits = limits
        self._scratch = scratch
        self._loose: bytes | None = None
        """The whole of the file that is not an archive, where it is short and has been read."""

    def answer(self, request: protocol.Message) -> None:
        """Carry out one request: ``unpack`` a file or ``decode`` one picture."""
        self._set_alarm()
        if request.fields["op"] == "decode":
            self._decode(bytes(request.blobs[0]), int(request.fields["max_pixels"]))
        else:
            self._unpack(request.fields)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._send({"kind": "end", **child.memory()})
        self._out.flush()

    def _send(self, fields: dict[str, Any], blobs: tuple[Any, ...] = ()) -> None:
        protocol.send(self._out.write, fields, blobs)

    def _decode(self, data: bytes, max_pixels: int) -> None:
        try:
            picture = pictures.decode(data, dataclasses.replace(self._limits, max_pixels=max_pixels))
        except Unreadable as cause:
            self._send({"kind": "unreadable", "error_class": cause.error_class, "message": cause.message})
            return
        about = {"mode": picture.mode, "format": picture.format, "frames": picture.frames}
        self._send({"kind": "picture", "shape": picture.rgba.shape, **about}, (picture.rgba,))

    def _unpack(self, fields: dict[str, Any]) -> None:
        path = Path(fields["path"])
        done, enter, poison = set(fields["done"]), set(fields["enter"]), set(fields["poison"])

        def begin(index: str, shown: str) -> bool:
            # Sent for skipped members too: it shows that the child is alive.
            wanted = index not in poison and (index not in done or index in enter)
            self._send({"kind": "begin", "index": index, "path": shown, "wanted": wanted and index not in done})
            self._out.flush()
            self._set_alarm()
            return wanted

        try:
            for member in self._members(path, begin, done):
                if member.index not in done:
                    self._report(member, path)
        except Stop as stop:
            self._report(stop.last, path)
        except Unreadable as cause:
            nothing = cause.error_class is Reason.NOT_A_PICTURE
            status = MemberStatus.NOT_A_PICTURE if nothing else MemberStatus.FAILED
            self._report(Member("", "", status, None if nothing else cause.error_class, cause.message), path)

    def _set_alarm(self) -> None:
        # The parent ends a child that hangs; where the parent died too, the kernel does.
        signal.setitimer(signal.ITIMER_REAL, 2 * self._limits.member_seconds + 5)

    def _members(self, path: Path, begin: Any, done: set[str]) -> Iterator[Member]:
        """The file's members; the file itself under the empty index where it is not an archive."""
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = read_head(stream)
            kind = sniff(head)
            if kind.format == "zip" and layered_zip.format_of(stream):
                kind = FileType(Kind.PICTURE, "zip")
            walk = Walk(self._limits, self._scratch, size, begin, done.__contains__)
            if kind.kind in (Kind.ARCHIVE, Kind.COMPRESSED):
                # libarchive reads from the descriptor, whose place Python's buffer has moved.
                os.lseek(stream.fileno(), 0, os.SEEK_SET)
                yield from walk.members_of(stream, kind)
                return
            if kind.kind is Kind.OTHER and (behind := self._behind(stream, kind, head)):
                with behind[0]:
                    yield from walk.members_of(*behind)
                return
            if kind.format == "unknown" and (volume := last_volume(stream)):
                yield Member("", "", MemberStatus.FAILED, Reason.MULTI_VOLUME, f"zip: {volume}", "zip", size)
            elif begin("", ""):
                self._loose = head if len(head) == size else None
                atlas = None if _is_binary(kind, head) else _loose_atlas(path, head, size)
                yield atlas or Member("", "", MemberStatus.PICTURE, format=kind.format, bytes=size)

    def _behind(self, stream: IO[bytes], kind: FileType, head: bytes) -> tuple[IO[bytes], FileType] | None:
        """The archive behind the start of a file, and its type."""
        found = None
        if self_extracting.may_hold_archive(kind, head):
            rest = iter(lambda: stream.read(1 << 20), b"")
            _, found = self_extracting.find_in_stream(kind, head, rest)
        found = found or self_extracting.find_zip_by_its_end(stream)
        return self_extracting.archive_behind(stream, *found, kind, self._scratch) if found else None

    def _report(self, member: Member, path: Path) -> None:
        """Decode the member where it is a picture, and send its row."""
        row: dict[str, Any] = {}
        blobs: tuple[Any, ...] = ()
        if member.status is MemberStatus.PICTURE:
            try:
                row, blobs = self._picture(member, path)
            except Unreadable as cause:
                nothing = cause.error_class is Reason.NOT_A_PICTURE
                member.status = MemberStatus.NOT_A_PICTURE if nothing else MemberStatus.FAILED
                member.reason, member.message = None if nothing else cause.error_class, cause.message
            except MemoryError:
                member.status, member.reason = MemberStatus.FAILED, Reason.OUT_OF_MEMORY
                member.message = "not enough memory for it; raise OGAART_WORKER_BYTES"
        self._send(
            {
                "kind": "row",
                "index": member.index,
                "path": member.path,
                "status": member.status,
                "error_class": member.reason,
                "message": member.message,
                "format": member.format,
                "bytes": member.bytes,
                "sha256": member.sha256,
                "is_archive": member.is_archive,
                "atlases": [dataclasses.asdict(atlas) for atlas in member.atlases],
                **row,
            },
            blobs,
        )
        if member.index:  # what is said of the file itself is followed at once by its end
            self._out.flush()

    def _loose_source(self, path: Path, size: int) -> Path | bytes:
        """The bytes of the file, or its path where they are many."""
        if self._loose is not None:
            return self._loose
        return path.read_bytes() if size <= _READ_AT_ONCE else path

    def _picture(self, member: Member, path: Path) -> tuple[dict[str, Any], tuple[Any, ...]]:
        source = self._loose_source(path, member.bytes or 0) if member.data is None else member.data
        picture = pictures.decode(source, self._limits)
        multiplied = premultiplied(picture.rgba)
        about = features.describe(picture.rgba, multiplied)
        if member.data is None:
            member.sha256 = _sha256(source)
        member.format, member.message = picture.format, picture.note
        height, width = picture.rgba.shape[:2]
        row = {
            "pixel_sha256": identity.pixel_sha256(picture.rgba),
            "width": width,
            "height": height,
            "mode": picture.mode,
            "frames": picture.frames,
            "features": {name: value for name, value in vars(about).items() if name != "signature"},
        }
        content = () if member.data is None else (member.data,)
        return row, (thumbnails.webp(picture.rgba, multiplied), about.signature, *content)


def _is_binary(kind: FileType, head: bytes) -> bool:
    """Whether it is a picture by a magic number that begins no text."""
    return kind.kind is Kind.PICTURE and kind.certain and head[0] in _OF_NO_TEXT


def _sha256(source: Path | bytes) -> str:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _loose_atlas(path: Path, head: bytes, size: int) -> Member | None:
    """The file as a text that names the parts of a picture; None where it is something else."""
    if size > MAX_ATLAS_BYTES or not may_be_atlas(head):
        return None
    content = path.read_bytes()
    if not (atlases := read_atlases(content)):
        return None
    digest = hashlib.sha256(content).hexdigest()
    return Member("", "", MemberStatus.NOT_A_PICTURE, format="text", bytes=len(content), sha256=digest, atlases=atlases)


def _limit_address_space(extra: int) -> None:
    """Allow ``extra`` bytes beyond what is mapped now; on Linux, elsewhere the limit is not kept by the kernel."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    limit = pages * resource.getpagesize() + extra
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _use_utf8() -> None:
    """Choose a UTF-8 locale: libarchive converts names to the locale's encoding, and returns none where it cannot."""
    for name in _LOCALES:
        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            return


def main() -> None:
    """Serve until the parent closes the pipe."""
    logging.disable(logging.WARNING)
    _use_utf8()
    out, requests = child.open_pipes()
    start = requests.get()
    limits = Limits(**start.fields["limits"])
    Image.MAX_IMAGE_PIXELS = limits.max_pixels  # a second line: Pillow looks at pictures inside pictures too
    Image.init()
    worker = DecodingWorker(out, limits, Path(start.fields["scratch"]))
    _limit_address_space(limits.worker_bytes)
    gc.freeze()  # what has been imported is never garbage: no collection looks through it again
    protocol.send(out.write, {"kind": "ready", **child.memory()})
    out.flush()
    while True:
        worker.answer(requests.get())


if __name__ == "__main__":
    main()
