"""The address of a search: everything a page shows is in its URL, so that it can be shared, kept and gone back to."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from ogaart.core.image_ids import parse_image_id
from ogaart.search.errors import InvalidParameter
from ogaart.search.query import MAX_DEPTH, MAX_PAGE_SIZE, PAGE_SIZE, Aspect, Box, Filters, Size

MAX_TEXT = 500
MAX_LINK = 4_000
MAX_PICTURES = 24
MAX_FOREIGN = 6  # of them from elsewhere: each has to be fetched and looked at
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")  # longer than any image_id, so that the two are never confused

Example = int | str
"""A picture asked with: of the catalog by its image_id, or a visitor's by the token of an upload or by its link."""


@dataclass(frozen=True)
class SearchUrl:
    """A search as its URL states it: pictures by token, link or id; the rest as in ``Query``."""

    words: str = ""
    upload: str = ""
    url: str = ""
    positive: tuple[Example, ...] = ()
    negative: tuple[Example, ...] = ()
    crop: Box | None = None
    filters: Filters = field(default_factory=Filters)
    fold: bool = True
    group: bool = False
    page: int = 1
    limit: int = PAGE_SIZE

    @property
    def empty(self) -> bool:
        """Whether nothing is asked."""
        return not (self.words.strip() or self.visual or self.filters.active())

    @property
    def visual(self) -> bool:
        """Whether a picture takes part."""
        return bool(self.upload or self.url or self.positive or self.negative)

    @property
    def only_unlike(self) -> bool:
        """Whether pictures only push away: then nothing has a likeness to speak of."""
        return bool(self.negative) and not (self.upload or self.url or self.positive)

    @property
    def offset(self) -> int:
        """Hits before this page."""
        return (self.page - 1) * self.limit

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters, in one fixed order; what has its default is left out."""
        f = self.filters
        pairs: list[tuple[str, Any]] = [("q", self.words), ("upload", self.upload), ("url", self.url)]
        pairs += [("like", i) for i in self.positive] + [("unlike", i) for i in self.negative]
        pairs.append(("crop", self.crop_text))
        for name, values in (
            ("licence", f.licences), ("use", f.uses), ("type", f.art_types), ("author", f.authors), ("tag", f.tags),
            ("colour", f.colours),
        ):  # fmt: skip
            pairs += [(name, value) for value in values]
        for name in ("min_width", "max_width", "min_height", "max_height"):
            pairs.append((name, getattr(f, name)))
        pairs += [("size", f.size), ("aspect", f.aspect)]
        pairs += [("alpha", _yes_no(f.alpha)), ("pixel_art", _yes_no(f.pixel_art)), ("entry", f.entry)]
        pairs += [("fold", "" if self.fold else "no"), ("group", "yes" if self.group else "")]
        pairs += [
            ("limit", self.limit if self.limit != PAGE_SIZE else ""),
            ("page", self.page if self.page > 1 else ""),
        ]
        return [(name, str(value)) for name, value in pairs if value not in ("", None)]

    def path(self, **changes: Any) -> str:
        """The URL of this search, with some parts changed; another part than the page goes back to page 1."""
        if changes and "page" not in changes:
            changes["page"] = 1
        query = urlencode(replace(self, **changes).pairs())
        return f"/search?{query}" if query else "/search"

    def filtered(self, **changes: Any) -> str:
        """The URL of this search with some filters changed."""
        return self.path(filters=replace(self.filters, **changes))

    def cleared(self) -> str:
        """The URL of this search without filters."""
        return self.path(filters=Filters())

    def also_like(self, example: Example) -> str:
        """The URL of this search with one more picture wished for."""
        return self.path(positive=_with(self.positive, example), negative=_without(self.negative, example))

    def not_like(self, example: Example) -> str:
        """The URL of this search with one more picture not wished for."""
        crop = None if example == self.cropped else self.crop
        return self.path(negative=_with(self.negative, example), positive=_without(self.positive, example), crop=crop)

    def without_picture(self, example: Example) -> str:
        """The URL of this search without one of the pictures that are wished for or not."""
        crop = None if example == self.cropped else self.crop
        return self.path(
            positive=_without(self.positive, example), negative=_without(self.negative, example), crop=crop
        )

    @property
    def cropped(self) -> Example | None:
        """Which of the wished pictures the crop is of; None where it is of the upload or the link, or of none."""
        return self.positive[0] if self.crop is not None and self.positive and not (self.upload or self.url) else None

    @property
    def temporary(self) -> bool:
        """Whether it holds an upload, and so stops working within the hour."""
        return bool(self.upload) or any(is_token(example) for example in (*self.positive, *self.negative))

    @property
    def crop_text(self) -> str:
        """The crop as the URL states it."""
        box = self.crop
        return "" if box is None else ",".join(f"{s:.4g}" for s in (box.left, box.top, box.width, box.height))

    def lifted(self, name: str) -> str:
        """The URL of this search with one filter lifted."""
        return self.path(filters=self.filters.without(name))


def is_token(example: Example) -> bool:
    """Whether an example is an upload's token."""
    return isinstance(example, str) and _TOKEN.fullmatch(example) is not None and not example.isdigit()


def is_link(text: str) -> bool:
    """Whether a text is one http(s) link, as people paste them: perhaps with blanks in its path."""
    text = text.strip()
    return text.lower().startswith(("http://", "https://")) and "." in text.split("/", 3)[2]


def _with(examples: tuple[Example, ...], one: Example) -> tuple[Example, ...]:
    return examples if one in examples else (*examples, one)


def _without(examples: tuple[Example, ...], one: Example) -> tuple[Example, ...]:
    return tuple(example for example in examples if example != one)


def _yes_no(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


class _Reader:
    """Reads typed values from URL parameters, and refuses with the parameter's name."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.values: dict[str, list[str]] = {}
        for name, value in pairs:
            if value.strip():
                self.values.setdefault(name, []).append(value.strip())

    def text(self, name: str, longest: int = MAX_TEXT) -> str:
        value = self.values.get(name, [""])[-1]
        if len(value) > longest:
            raise InvalidParameter(f"{name}: {len(value)} characters; give at most {longest}")
        return value

    def texts(self, name: str, longest: int = MAX_TEXT) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(self.values.get(name, [])))
        if len(found) > MAX_PICTURES or any(len(value) > longest for value in found):
            raise InvalidParameter(f"{name}: give at most {MAX_PICTURES} values of at most {longest} characters")
        return found

    def number(self, name: str, default: int | None, low: int, high: int) -> int | None:
        value = self.text(name)
        if not value:
            return default
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise InvalidParameter(f"{name}: {value!r} is not a whole number from {low} to {high}")
        return int(value)

    def examples(self, name: str) -> tuple[Example, ...]:
        found: list[Example] = []
        for value in self.texts(name, MAX_LINK):
            parts = [value] if is_link(value) else value.split(",")
            found.extend(self.example(name, part) for part in parts if part)
        if len(found) > MAX_PICTURES:
            raise InvalidParameter(f"{name}: {len(found)} pictures; give at most {MAX_PICTURES}")
        return tuple(dict.fromkeys(found))

    @staticmethod
    def example(name: str, text: str) -> Example:
        if (number := parse_image_id(text)) is not None:
            return number
        if is_link(text) or is_token(text):
            return text
        raise InvalidParameter(
            f"{name}: {text[:80]!r} is not an image_id (a decimal number), a link (http or https), or an upload's token"
        )

    def choice(self, name: str) -> bool | None:
        value = self.text(name).lower()
        if value in ("", "any"):
            return None
        if value not in ("yes", "no"):
            raise InvalidParameter(f"{name}: {value!r}; give yes or no")
        return value == "yes"

    def members(self, name: str, allowed: Sequence[str]) -> tuple[str, ...]:
        values = self.texts(name)
        for value in values:
            if value not in allowed:
                raise InvalidParameter(f"{name}: {value!r}; give one of {', '.join(allowed)}")
        return values

    def box(self, name: str) -> Box | None:
        value = self.text(name)
        if not value:
            return None
        try:
            left, top, width, height = (float(part) for part in value.split(","))
            return Box(left, top, width, height)
        except ValueError as cause:
            raise InvalidParameter(
                f"{name}: {value!r}; give left,top,width,height as shares of the picture, such as 0.1,0.1,0.5,0.5"
            ) from cause


USES = ("sell", "no-credit", "no-share-alike", "drm")


def read_search_url(pairs: Iterable[tuple[str, str]]) -> SearchUrl:
    """Read a search from URL parameters; unknown ones are ignored.

    Raises:
        InvalidParameter: a value is out of its range.
    """
    read = _Reader(pairs)
    limit = read.number("limit", PAGE_SIZE, 1, MAX_PAGE_SIZE) or PAGE_SIZE
    page = read.number("page", 1, 1, MAX_DEPTH // limit) or 1
    token = read.text("upload")
    if token and not _TOKEN.fullmatch(token):
        raise InvalidParameter("upload: not a token of this server; upload the picture again")
    positive, negative = read.examples("like"), read.examples("unlike")
    foreign = sum(isinstance(example, str) for example in (*positive, *negative))
    if foreign > MAX_FOREIGN:
        raise InvalidParameter(f"like: {foreign} uploads and links, with those of unlike; give at most {MAX_FOREIGN}")
    filters = Filters(
        licences=read.texts("licence"),
        uses=tuple(sorted(read.members("use", USES))),
        art_types=read.texts("type"),
        authors=read.texts("author"),
        tags=tuple(part for value in read.texts("tag") for tag in value.split(",") if (part := tag.strip())),
        size=next((Size(value) for value in read.members("size", list(Size))), None),
        aspect=next((Aspect(value) for value in read.members("aspect", list(Aspect))), None),
        colours=read.texts("colour"),
        min_width=read.number("min_width", None, 1, 1 << 20),
        max_width=read.number("max_width", None, 1, 1 << 20),
        min_height=read.number("min_height", None, 1, 1 << 20),
        max_height=read.number("max_height", None, 1, 1 << 20),
        alpha=read.choice("alpha"),
        pixel_art=read.choice("pixel_art"),
        entry=read.text("entry") or None,
    )
    return SearchUrl(
        words=read.text("q"),
        upload=token,
        url=read.text("url", MAX_LINK),
        positive=positive,
        negative=negative,
        crop=read.box("crop"),
        filters=filters,
        fold=read.choice("fold") is not False,
        group=read.choice("group") is True,
        page=page,
        limit=limit,
    )
