"""Parameters that name pictures to search with, or a part of one: ids, links, tokens of uploads, boxes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ogaart.core.image_ids import parse_image_id
from ogaart.search.errors import InvalidParameter
from ogaart.search.parameters import MAX_VALUES, Texts, ValueType
from ogaart.search.query import Box, PixelBox

MAX_LINK = 4_000
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")  # longer than any image_id, so that the two are never confused
_PIXELS = "pixel:"
LINK = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
"""A link among other words."""

Example = int | str
"""A picture to search with: of the catalog by its image_id, or a visitor's by the token of an upload or by its link."""


def is_token(example: Example) -> bool:
    """Whether an example is an upload's token."""
    return isinstance(example, str) and _TOKEN.fullmatch(example) is not None and not example.isdigit()


def is_link(text: str) -> bool:
    """Whether a text is one http(s) link, as people paste them: perhaps with blanks in its path."""
    text = text.strip()
    if not text.lower().startswith(("http://", "https://")):
        return False
    host = text.split("/", 3)[2].lower()
    return "." in host or host.startswith("[") or host.partition(":")[0] == "localhost"


@dataclass(frozen=True)
class Token(ValueType):
    """The token of an upload."""

    default: str = ""

    def read(self, name: str, values: Sequence[str]) -> str:
        """The last one given."""
        if values and not _TOKEN.fullmatch(values[-1]):
            raise InvalidParameter(f"{name}: not a token of this server; upload the picture again")
        return values[-1] if values else ""


@dataclass(frozen=True)
class Examples(ValueType):
    """Pictures to search with: ids, also comma-separated, links and tokens."""

    many: ClassVar[bool] = True
    default: tuple[Example, ...] = ()

    def read(self, name: str, values: Sequence[str]) -> tuple[Example, ...]:
        """All of them, each once."""
        found: list[Example] = []
        for value in Texts(longest=MAX_LINK).read(name, values):
            parts = [value] if is_link(value) else value.split(",")
            found.extend(self._example(name, part) for part in parts if part)
        if len(found) > MAX_VALUES:
            raise InvalidParameter(f"{name}: {len(found)} pictures; at most {MAX_VALUES} are allowed")
        return tuple(dict.fromkeys(found))

    def write(self, value: Sequence[Example]) -> list[str]:
        """One parameter each."""
        return [str(example) for example in value]

    @staticmethod
    def _example(name: str, text: str) -> Example:
        if (number := parse_image_id(text)) is not None:
            return number
        if is_link(text) or is_token(text):
            return text
        raise InvalidParameter(
            f"{name}: {text[:80]!r} is not an image_id (a decimal number), a link (http or https), or an upload's token"
        )


@dataclass(frozen=True)
class Crop(ValueType):
    """Part of a picture, in shares of it or, as W3C's media fragments write it, in pixels."""

    def read(self, name: str, values: Sequence[str]) -> Box | None:
        """The last one given."""
        if not values:
            return None
        text = values[-1]
        try:
            if text.startswith(_PIXELS):
                return PixelBox(*_whole(text.removeprefix(_PIXELS)))
            left, top, width, height = (float(part) for part in text.split(","))
            return Box(left, top, width, height)
        except ValueError as cause:
            raise InvalidParameter(
                f"{name}: {text[:80]!r}; expected left,top,width,height as shares of the picture, such as "
                "0.1,0.1,0.5,0.5 (width and height from 0.01), or in pixels, such as pixel:16,0,16,16 (from 1 pixel)"
            ) from cause

    def write(self, value: Box | None) -> list[str]:
        """Four digits of a share are finer than a pixel of most pictures; pixels are whole."""
        if value is None:
            return []
        if isinstance(value, PixelBox):
            return [_PIXELS + ",".join(f"{side:.0f}" for side in value.sides)]
        return [",".join(f"{s:.4g}" for s in (value.left, value.top, value.width, value.height))]


def _whole(text: str) -> tuple[int, int, int, int]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 8 for part in parts):
        raise ValueError(f"{text[:80]!r} is not four whole numbers")
    left, top, width, height = (int(part) for part in parts)
    return left, top, width, height
