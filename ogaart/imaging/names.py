"""Names inside archives, for display only: decoded from unknown encodings, made harmless, and told from junk."""

from __future__ import annotations

import re
from itertools import pairwise

MAX_NAME = 1024
"""Characters kept of a name."""

_JUNK = {"__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db", "$recycle.bin", "@eadir"}
_COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".z", ".lzma", ".lz", ".lz4", ".svgz")
_KANA = re.compile(r"[\u3041-\u30fa]")
_COMMON_KANJI = range(0x88, 0x99)
"""First bytes in CP932 of the kanji in everyday use."""


def decode_name(raw: bytes) -> str:
    """Decode a name whose encoding nothing states.

    UTF-8 where it is valid; else CP932 where the result looks Japanese; else CP437, the encoding that the zip format
    names for everything else, which decodes any byte.

    Returns:
        Printable text; other characters (controls, direction overrides) as backslash escapes.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = _japanese(raw) or raw.decode("cp437", "backslashreplace")
    return printable(text)


def _japanese(raw: bytes) -> str | None:
    try:
        text = raw.decode("cp932")
    except UnicodeDecodeError:
        return None
    # European names also decode as CP932: into symbols, half-width katakana, rare kanji and single common ones. Kana,
    # or two common kanji in a row, are rare there.
    common = [_is_common_kanji(character) for character in text]
    return text if _KANA.search(text) or any(a and b for a, b in pairwise(common)) else None


def _is_common_kanji(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff" and character.encode("cp932")[0] in _COMMON_KANJI


def printable(text: str) -> str:
    """Escape what is not printable and cut to ``MAX_NAME`` characters."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"


def is_junk(path: str) -> bool:
    """Whether a path names what systems leave behind: ``__MACOSX``, dot files, ``Thumbs.db``, ``desktop.ini``."""
    parts = re.split(r"[/\\]", path)
    return any(p.lower() in _JUNK or (p.startswith(".") and p.strip(".") != "") for p in parts)


def unpacked_name(path: str, stated: str) -> str:
    """Name of the only member of a compressed file: the file's own without its suffix, where that is known."""
    own = path.rsplit("/", 1)[-1]
    for suffix in _COMPRESSIONS:
        if own.lower().endswith(suffix):
            return own[: -len(suffix)] or stated
    return stated
