"""JSON with the hash of its own bytes in it, so that a value that rots is noticed although it still parses.

``seal`` is the first key and ``sealed`` the last: one damaged byte leaves at least one of them. A text that has neither
was written by hand, or before seals were made, and is read as it is.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_HASH_DIGITS = 64
_UNSEALED = b"0" * _HASH_DIGITS
"""What stands in place of the hash while it is computed."""
_FIRST = re.compile(rb'\s*\{\s*"seal": "(.{64})"', re.DOTALL)
_LAST = re.compile(rb'"sealed": true\s*\}\s*\Z')


class SealBroken(ValueError):
    """The bytes are not those that were written."""


def seal_json(fields: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    """A JSON object with its seal, as UTF-8.

    Args:
        fields: what it holds; ``seal`` and ``sealed`` are added.
        indent: spaces of each level; None: one line, without a line end.
    """
    whole = {"seal": _UNSEALED.decode(), **fields, "sealed": True}
    text = json.dumps(whole, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return text.replace(_UNSEALED, hashlib.sha256(text).hexdigest().encode(), 1)


def seal_of(fields: Mapping[str, Any]) -> str:
    """The hash in the seal of a JSON object, as one line."""
    found = _FIRST.match(seal_json(fields))
    assert found is not None
    return found[1].decode()


def open_json(data: bytes) -> Any:
    """What a JSON text holds, without its seal.

    Raises:
        SealBroken: the text has a seal and is not as it was written.
        ValueError: it is not JSON.
    """
    first, last = _FIRST.match(data), _LAST.search(data)
    if first is None and last is None:
        return json.loads(data)
    if first is None or last is None or not _holds(data, first):
        raise SealBroken("not as it was written (its hash is wrong)")
    fields = json.loads(data)
    del fields["seal"], fields["sealed"]
    return fields


def damaged_lines(data: bytes) -> list[int]:
    """Numbers of the lines of JSON that are not as they were written, but for those that were cut off."""
    found = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            if line.endswith(b"}"):
                open_json(line)
        except ValueError:
            found.append(number)
    return found


def is_sealed(data: bytes) -> bool:
    """Whether a JSON text has a seal, intact or not."""
    return _FIRST.match(data) is not None or _LAST.search(data) is not None


def _holds(data: bytes, first: re.Match[bytes]) -> bool:
    whole = data[: first.start(1)] + _UNSEALED + data[first.end(1) :]
    return first.group(1) == hashlib.sha256(whole).hexdigest().encode()
