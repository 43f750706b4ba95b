"""Messages between a process and its child: a JSON header and byte strings, length-prefixed."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PREFIX = struct.Struct("<I")
MAX_HEADER = 64 << 20
SPOOLED_BYTES = 1 << 20
"""A longer blob is written to a file by a receiver that requests it."""


class WireError(Exception):
    """The other side has ended, or sent an invalid message."""


@dataclass(frozen=True)
class Message:
    """One message: ``fields`` as JSON, ``blobs`` as they are; long ones as files at their start, where requested."""

    fields: dict[str, Any]
    blobs: tuple[Any, ...] = ()


def send(write: Callable[[bytes | memoryview], Any], fields: dict[str, Any], blobs: Sequence[Any] = ()) -> None:
    """Write one message.

    Args:
        write: writes all bytes passed, such as a buffered file's ``write``.
        fields: JSON values.
        blobs: objects with the buffer interface, C-contiguous.
    """
    views = [memoryview(blob).cast("B") if len(memoryview(blob)) else memoryview(b"") for blob in blobs]
    header = json.dumps({**fields, "blobs": [len(view) for view in views]}).encode()
    write(_PREFIX.pack(len(header)) + header)
    for view in views:
        write(view)


def receive(read: Callable[[int], bytes | bytearray], spool: Callable[[int], IO[bytes]] | None = None) -> Message:
    """Read one message.

    Args:
        read: returns exactly the number of bytes requested, or raises.
        spool: reads that many bytes into a file; for blobs longer than ``SPOOLED_BYTES``.

    Raises:
        WireError: the header is too long or not a JSON object.
    """
    (length,) = _PREFIX.unpack(read(_PREFIX.size))
    if length > MAX_HEADER:
        raise WireError(f"a header of {length:,} bytes; the limit is {MAX_HEADER:,}")
    try:
        fields = json.loads(read(length).decode())
        lengths = [int(n) for n in fields.pop("blobs")]
    except (ValueError, KeyError, AttributeError) as cause:
        raise WireError(f"invalid message header: {cause}") from cause
    return Message(fields, tuple(spool(n) if spool and n > SPOOLED_BYTES else read(n) for n in lengths))
