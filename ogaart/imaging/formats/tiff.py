"""What a TIFF's first directory says of its samples, for pictures that Pillow does not open."""

from __future__ import annotations

import struct

_NAMES = {
    258: "bits per sample",
    259: "compression",
    262: "photometric",
    277: "samples per pixel",
    339: "sample format",
}
_SHORT, _LONG = 3, 4


def described(data: bytes) -> str:
    """Name what a decoder would have to support, such as "bits per sample 10, compression 1".

    Returns:
        The fields found; empty where the directory is damaged or missing.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return ""
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, place)
        found = []
        for number in range(count):
            tag, kind, length = struct.unpack_from(f"{order}HHI", data, place + 2 + 12 * number)
            if tag not in _NAMES or kind not in (_SHORT, _LONG):
                continue
            at = place + 10 + 12 * number
            form = "H" if kind == _SHORT else "I"
            if struct.calcsize(form) * length > 4:
                (at,) = struct.unpack_from(f"{order}I", data, at)
            (value,) = struct.unpack_from(f"{order}{form}", data, at)
            found.append(f"{_NAMES[tag]} {value}")
    except struct.error:
        return ""
    return ", ".join(found)
