"""How things are written on pages: sizes, dates, names. Pure functions, used as template filters."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from ogaart.resources.embedding.registry import model_label
from ogaart.search.filters import BY_FIELD
from ogaart.search.query import QueryPicture
from ogaart.search.results import Hit

_PARAMETER = re.compile(r"\S+: ")
_CODE = re.compile(r"`([^`]+)`")
_THUMB = 256  # longest side of a thumbnail


@dataclass(frozen=True)
class ThumbnailSize:
    """Size of a thumbnail on the page, and whether its pixels stay sharp."""

    width: int
    height: int
    crisp: bool


def shown(picture: Hit | QueryPicture, room: int) -> ThumbnailSize:
    """Fit a thumbnail into a square of ``room`` pixels; small pixel art grows by a whole factor, sharply."""
    return fit(picture.width, picture.height, room, pixel_art=isinstance(picture, Hit) and picture.pixel_art)


def fit(width: int, height: int, room: int, *, pixel_art: bool, growth: float = 1.5) -> ThumbnailSize:
    """Fit a picture of this size; see ``shown``. Painted art grows by ``growth`` at most: much, and it blurs."""
    longest = max(width, height, 1)
    if longest <= room and (pixel_art or longest <= 48):
        factor = max(1, room // longest)
        return ThumbnailSize(width * factor, height * factor, crisp=True)
    scale = min(growth, room / longest)
    return ThumbnailSize(
        max(1, round(width * scale)), max(1, round(height * scale)), crisp=pixel_art and longest <= _THUMB
    )


def where(hit: Hit) -> str:
    """The file, and the path inside it."""
    return f"{hit.file} › {hit.member_path}" if hit.member_path else hit.file


def alt(hit: Hit) -> str:
    """A picture in words, for those who do not see it."""
    name = (hit.member_path or hit.file).rsplit("/", 1)[-1]
    return f"{hit.title}: {name}" if name else hit.title


def percent(score: float) -> str:
    """Likeness as people read it."""
    return f"{round(100 * score)}%"


def author_place(hit: Hit) -> str:
    """Where the link of a picture's author leads: to the site of its entry, or elsewhere."""
    try:
        host, own = (urlsplit(url).hostname or "" for url in (hit.author_url, hit.page_url))
    except ValueError:  # an author may have written anything
        return "on another page"
    return "on OpenGameArt" if host == own else f"on {host.removeprefix('www.') or 'another page'}"


def day(stamp: str) -> str:
    """The day of an ISO time."""
    return stamp[:10]


def model_name(model: str) -> str:
    """The embedding model's name as its authors write it."""
    return model_label(model)


def size(count: int) -> str:
    """A number of bytes as people read it."""
    if count < 1 << 10:
        return f"{count} bytes"
    for unit in ("KB", "MB"):
        count_in_unit = count / (1 << 10 if unit == "KB" else 1 << 20)
        if count_in_unit < 1 << 10:
            return f"{count_in_unit:.1f} {unit}" if count_in_unit < 10 else f"{count_in_unit:.0f} {unit}"
    return f"{count / (1 << 30):.1f} GB"


def sentence(text: str) -> str:
    """A text as a sentence: a capital first, unless it begins with the name of a parameter, and a full stop last."""
    text = text.strip()
    first = text[:1] if _PARAMETER.match(text) else text[:1].upper()
    return f"{first}{text[1:]}{'' if text.endswith(('.', '!', '?', '…')) else '.'}" if text else ""


def inline_code(text: str) -> Markup:
    """HTML of a text whose parts between backticks are code; everything is escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def with_count(hint: str, count: int | None) -> str:
    """A choice's hint with the number of pictures that it leaves, where that is known."""
    return " · ".join(part for part in (hint, "" if count is None else f"{count:,}") if part)


def filter_name(name: str) -> str:
    """A filter in words."""
    return BY_FIELD[name].label
