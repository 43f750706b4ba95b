"""What libarchive does not report of an archive's headers: volumes of a set, encrypted members.

Without this both look like damage: libarchive unpacks encrypted bytes as they are, and reads past a volume's end.
"""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from ogaart.imaging.errors import Reason
from ogaart.imaging.seven_zip_coders import unread_chain

if TYPE_CHECKING:
    from ogaart.imaging.sniff import FileType

MOST_HEADERS = 100_000
_PARTS = "volumes are not joined"
_NO_DECODER = (
    "Decompression internal error",
    "bzip decompression failed",
    "Truncated 7-Zip file body",
    "File decompression failed",
    "Decompression failed",
)
"""What libarchive says of a 7z's members behind one for whose compression or filter it has no decoder."""
_DAMAGED_7Z = "Damaged 7-Zip archive"
"""What it says of a codec under a filter over which it does not read it."""
_RAR4, _RAR5 = b"Rar!\x1a\x07\0", b"Rar!\x1a\x07\x01\0"
_RAR3_VERSION, _STORED = 29, 0x30
_RAR5_HEADER_MOST = 2 << 20
_ZIP_END = struct.Struct("<4sHH")
_ZIP_TAIL = 22 + 65_535


@dataclass
class Envelope:
    """What was found in the headers.

    Attributes:
        volume: a sentence, if it is one volume of a set; else empty.
        unread: whether a member of a solid archive was met whose compression is not supported.
        locked: whether something encrypted was met.
        solid: whether members can be packed together, so that one that cannot be unpacked hides those behind it.
        old: the program that made it, if its headers are of a kind that libarchive takes for damage.
        hint: a sentence on the probable cause of damage; empty if unknown.
        unread_chain: codec and filter of a 7z that libarchive takes for damage; empty if there are none.
        refused: members that cannot be read from this file alone, by their number: the reason.
    """

    volume: str = ""
    hint: str = ""
    refused: dict[int, tuple[Reason, str]] = field(default_factory=dict)
    old: str = ""
    unread_chain: str = ""
    locked: bool = field(default=False, init=False)
    unread: bool = field(default=False, init=False)
    solid: bool = False

    def explain(self, reason: Reason, message: str) -> tuple[Reason, str]:
        """Class and message of a failure, in the light of the headers."""
        self.locked = self.locked or reason is Reason.ENCRYPTED
        self.unread = self.unread or (self.solid and reason is Reason.UNSUPPORTED)
        if reason is not Reason.CORRUPT:
            return reason, message
        if self.locked:  # members after an encrypted one cannot be reached, which looks like damage
            return Reason.ENCRYPTED, f"follows an encrypted member ({message})"
        if self.unread_chain and _DAMAGED_7Z in message:
            return Reason.UNSUPPORTED, f"{self.unread_chain} is not supported ({message})"
        if self.unread and any(said in message for said in _NO_DECODER):
            return Reason.UNSUPPORTED, f"packed together with a member that is not supported ({message})"
        if self.volume:
            return Reason.MULTI_VOLUME, f"{self.volume} ({message})"
        if self.old:
            return Reason.UNSUPPORTED, f"made by {self.old}, which is not supported ({message})"
        return reason, f"{message}; {self.hint}" if self.hint else message


def read_envelope(stream: IO[bytes], kind: FileType) -> Envelope:
    """Read an archive's headers as far as they are valid; the stream's position does not change.

    Args:
        stream: an open file with a descriptor.
        kind: the archive's type by its first bytes.

    Returns:
        What was found; never raises for what is in the file.
    """
    readers = {"rar": _rar, "zip": _zip, "7z": _seven_zip}
    envelope = Envelope()
    reader = readers.get(kind.format)
    if reader is not None:
        # Truncated: libarchive reports it, member by member.
        with contextlib.suppress(EOFError, struct.error):
            reader(_Bytes(stream.fileno()), envelope)
    return envelope


def last_volume(stream: IO[bytes]) -> str:
    """A sentence, if a file of unknown type is the last volume of a zip; else empty."""
    envelope = Envelope()
    _zip(_Bytes(stream.fileno()), envelope)
    return envelope.volume


class _Bytes:
    """A file's bytes by offset; does not move the position that libarchive reads from."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.length = os.fstat(descriptor).st_size

    def at(self, place: int, count: int) -> bytes:
        """``count`` bytes from ``place``, or as many as there are."""
        return os.pread(self._descriptor, count, place) if 0 <= place < self.length else b""


def _rar(file: _Bytes, envelope: Envelope) -> None:
    if file.at(0, len(_RAR5)) == _RAR5:
        _rar5(file, envelope)
    else:
        _rar4(file, envelope)


def _rar4(file: _Bytes, envelope: Envelope) -> None:
    place, number = len(_RAR4), 0
    for _ in range(MOST_HEADERS):
        head = file.at(place, 36)
        _, kind, flags, length = struct.unpack_from("<HBHH", head)
        if length < 7:
            return
        data = struct.unpack_from("<I", head, 7)[0] if flags & 0x8000 or kind == 0x74 else 0
        if kind == 0x73:
            if flags & 0x01:
                envelope.volume = f"a {'first' if flags & 0x100 else 'later'} volume of a set; {_PARTS}"
            if flags & 0x80:
                return  # the headers that follow are encrypted
        elif kind == 0x74:
            if flags & 0x100:
                data += struct.unpack_from("<I", head, 32)[0] << 32
            _note(envelope, number, encrypted=bool(flags & 0x04), split=bool(flags & 0x03))
            version, method = head[24], head[25]
            if version < _RAR3_VERSION:
                envelope.old = f"RAR {version / 10:g}"
            if version < _RAR3_VERSION and method != _STORED:
                message = f"rar: compressed by RAR {version / 10:g}, which is not supported"
                envelope.refused.setdefault(number, (Reason.UNSUPPORTED, message))
            number += 1
        elif kind == 0x7B:
            return
        place += length + data


def _rar5(file: _Bytes, envelope: Envelope) -> None:
    place, number = len(_RAR5), 0
    for _ in range(MOST_HEADERS):
        sized = _Varints(file.at(place + 4, 10))
        length = sized.take()
        if not 0 < length <= _RAR5_HEADER_MOST:
            return
        start = place + 4 + sized.place
        header = _Varints(file.at(start, length))
        kind, flags = header.take(), header.take()
        extra = header.take() if flags & 0x01 else 0
        data = header.take() if flags & 0x02 else 0
        if kind == 1:
            archive = header.take()
            if archive & 0x01:
                which = f"volume {header.take() + 1}" if archive & 0x02 else "the first volume"
                envelope.volume = f"{which} of a set; {_PARTS}"
        elif kind == 2 and not flags & 0x08:  # libarchive skips members continued from the volume before
            _note(envelope, number, encrypted=_has_record(header.data, extra, 0x01), split=bool(flags & 0x10))
            number += 1
        elif kind in (4, 5):
            return  # the headers that follow are encrypted; the end
        place = start + length + data


def _note(envelope: Envelope, number: int, *, encrypted: bool, split: bool) -> None:
    if encrypted:
        envelope.refused[number] = (Reason.ENCRYPTED, "encrypted; its password is not known")
    elif split:
        envelope.refused[number] = (Reason.MULTI_VOLUME, f"it continues in another volume; {_PARTS}")


def _has_record(header: bytes, extra: int, wanted: int) -> bool:
    """Whether the extra area at a RAR 5 header's end holds a record of a type."""
    area = header[len(header) - extra :] if 0 < extra <= len(header) else b""
    while area:
        record = _Varints(area)
        length = record.take()
        if not length:
            return False
        after = record.place + length
        if record.take() == wanted:
            return True
        area = area[after:]
    return False


class _Varints:
    """Numbers of seven bits a byte, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self) -> int:
        """The next one.

        Raises:
            EOFError: it is cut off, or longer than any number.
        """
        value = 0
        for shift in range(0, 70, 7):
            if self.place >= len(self.data):
                raise EOFError
            byte = self.data[self.place]
            self.place += 1
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise EOFError


def _zip(file: _Bytes, envelope: Envelope) -> None:
    tail = file.at(max(0, file.length - _ZIP_TAIL), _ZIP_TAIL)
    end = tail.rfind(b"PK\x05\x06")
    if end >= 0:
        _, disk, start_disk = _ZIP_END.unpack_from(tail, end)
        if disk >= start_disk and 0 < disk < 0xFFFF:
            envelope.volume = f"volume {disk + 1} of a set; {_PARTS}"
    elif file.at(0, 8) == b"PK\x07\x08PK\x03\x04":
        envelope.volume = f"the first volume of a set; {_PARTS}"


def _seven_zip(file: _Bytes, envelope: Envelope) -> None:
    offset, length = struct.unpack_from("<QQ", file.at(12, 16))
    envelope.solid = True
    missing = 32 + offset + length - file.length
    if missing > 0:
        envelope.hint = f"its last {missing:,} bytes are missing: truncated, or the first volume of a set; {_PARTS}"
        return
    envelope.unread_chain = unread_chain(file.at)
