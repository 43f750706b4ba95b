"""Libarchive's reader, narrowed to what is needed: headers, data and errors, one format's code at a time.

Only reading is bound, never extraction: nothing can be written under a name from an archive.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from libarchive import ArchiveError, ffi

from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.names import decode_name, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ogaart.imaging.sniff import FileType

BLOCK_BYTES = 1 << 18
_KIND_MASK = 0o170000
_UNSUPPORTED = (
    "unavailable",
    "not supported",
    "cannot support",
    "unsupported",
    "unexpected codec id",
    "unknown codec id",
)
_UNKNOWN = ("[unknown]", "??")
"""What libarchive adds where a method is none that exists: damage."""

# Only what is needed: every further format is attack surface, and some filters start other programs.
_READERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "zip": (("zip",), ()),
    "7z": (("7zip",), ()),
    "rar": (("rar", "rar5"), ()),
    "tar": (("tar",), ()),
    "gz": (("tar", "raw"), ("gzip",)),
    "bz2": (("tar", "raw"), ("bzip2",)),
    "xz": (("tar", "raw"), ("xz",)),
    "zst": (("tar", "raw"), ("zstd",)),
    "Z": (("tar", "raw"), ("compress",)),
    "lzma": (("tar", "raw"), ("lzma",)),
    "lz": (("tar", "raw"), ("lzip",)),
    "lz4": (("tar", "raw"), ("lz4",)),
    "lha": (("lha",), ()),
    "cab": (("cab",), ()),
    "iso": (("iso9660",), ()),
    "cpio": (("cpio",), ()),
    "ar": (("ar",), ()),
    "rpm": (("cpio",), ("rpm", "gzip", "bzip2", "xz", "lzma", "zstd")),
}


@dataclass(frozen=True)
class MemberHeader:
    """A member's header, its fields copied out of libarchive."""

    name: str
    kind: int
    size: int | None
    hard_link: bool


class Archive:
    """An open archive; libarchive's two reading calls, with their return codes checked.

    The package's own block reader takes a warning in the middle of the data (a wrong checksum) for a length.
    """

    def __init__(self, pointer: int, seeks: bool) -> None:
        self._pointer = pointer
        self._entry = ffi.entry_new()
        self._buffer = ctypes.create_string_buffer(BLOCK_BYTES)
        self.seeks = seeks

    def close(self) -> None:
        """Free the header; the handle is its opener's."""
        ffi.entry_free(self._entry)

    @property
    def is_raw(self) -> bool:
        """Whether it is one compressed file instead of an archive."""
        return bool(ffi.format_name(self._pointer) == b"raw")

    def next(self) -> MemberHeader | None:
        """The next member's header; None after the last.

        Raises:
            ArchiveError: broken from here on.
        """
        if ffi.read_next_header2(self._pointer, self._entry) == ffi.ARCHIVE_EOF:
            return None
        size = ffi.entry_size(self._entry) if ffi.entry_size_is_set(self._entry) else None
        link = ffi.entry_hardlink(self._entry) or ffi.entry_hardlink_w(self._entry)
        return MemberHeader(self._name(), ffi.entry_filetype(self._entry) & _KIND_MASK, size, bool(link))

    def _name(self) -> str:
        raw = ffi.entry_pathname(self._entry)
        if raw is not None:
            return decode_name(raw)
        wide = ffi.entry_pathname_w(self._entry)
        return printable(wide) if wide else "(unnamed)"

    def blocks(self) -> Iterator[bytes]:
        """The current member's data.

        Raises:
            ArchiveError: broken, encrypted, or its checksum is wrong.
        """
        while True:
            length = ffi.read_data(self._pointer, self._buffer, BLOCK_BYTES)
            if length < 0:
                raise ffi.archive_error(self._pointer, length)
            if length == 0:
                return
            yield ctypes.string_at(self._buffer, length)


@contextmanager
def opened(stream: IO[bytes], kind: FileType) -> Iterator[Archive]:
    """Open an archive with the readers of its type alone.

    Raises:
        Unreadable: libarchive does not recognise it.
    """
    formats, filters = _READERS[kind.format]
    pointer = ffi.read_new()
    archive: Archive | None = None
    try:
        for name in filters:
            ffi.get_read_filter_function(name)(pointer)
        for name in formats:
            ffi.get_read_format_function(name)(pointer)
        try:
            ffi.read_open_fd(pointer, stream.fileno(), BLOCK_BYTES)
        except ArchiveError as cause:
            raise Unreadable(reason_of(cause), f"{kind.format}: {message_of(cause)}") from cause
        archive = Archive(pointer, seeks=kind.format == "zip")
        yield archive
    finally:
        if archive is not None:
            archive.close()
        ffi.read_free(pointer)


def message_of(cause: ArchiveError) -> str:
    """Libarchive's error text; it has none for some kinds of damage."""
    return str(cause.msg) if cause.msg else "damaged or unsupported; libarchive returned no reason"


def reason_of(cause: ArchiveError) -> Reason:
    """The class of a libarchive error; it has texts, not codes."""
    text = str(cause.msg or "").lower()
    if "passphrase" in text or "encrypt" in text:
        return Reason.ENCRYPTED
    if any(said in text for said in _UNSUPPORTED) and not any(said in text for said in _UNKNOWN):
        return Reason.UNSUPPORTED
    if "allocate" in text or "memory" in text:
        return Reason.OUT_OF_MEMORY
    return Reason.CORRUPT
