"""Texts of atlases in the encodings that programs save them in, as UTF-8."""

from __future__ import annotations

import re

_DECLARED = re.compile(rb"""\A(<\?xml[^>]*?)\s+encoding\s*=\s*["'](?P<name>[^"'>]*)["']""")
_WHITE = b"\xef\xbb\xbf \t\r\n"


def as_utf8(data: bytes) -> bytes:
    """A text in UTF-8, without a byte order mark and the white space before it.

    UTF-16 is told by its byte order mark, or by every second of the first bytes being zero. An XML declaration that
    states another encoding than UTF-8 is kept where it may be true: its reader knows those.

    Args:
        data: the text, or its first bytes; what is cut at the end is left out.
    """
    encoding = _utf_16(data)
    if encoding:
        data = data.decode(encoding, "ignore").encode("utf-8", "ignore")
    data = data.lstrip(_WHITE)
    declared = _DECLARED.match(data)
    # What was written to a string says UTF-16, whatever its file is saved in.
    if declared and (encoding or declared["name"].lower().replace(b"_", b"-").startswith(b"utf-16")):
        data = declared[1] + data[declared.end() :]
    return data


def decoded(data: bytes) -> str:
    """A text that ``as_utf8`` returned; one that is no UTF-8 is taken for Western European."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _utf_16(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    zeros = tuple(byte == 0 for byte in data[:4])
    if zeros == (False, True, False, True):
        return "utf-16-le"
    return "utf-16-be" if zeros == (True, False, True, False) else ""
