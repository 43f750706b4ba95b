"""The address of a search: everything a page shows is in its URL, so that it can be shared, kept and gone back to."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from ogaart.search.query import MAX_DEPTH, MAX_PAGE_SIZE, PAGE_SIZE, Aspect, Box, Filters, Size

MAX_TEXT = 500
MAX_PICTURES = 24
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")


class AddressInvalid(ValueError):
    """A parameter has a value that cannot be meant; the message names it and what is expected."""


@dataclass(frozen=True)
class Address:
    """A search as its URL states it: pictures by token, URL or id; the rest as in ``Query``."""

    words: str = ""
    upload: str = ""
    url: str = ""
    likes: tuple[int, ...] = ()
    dislikes: tuple[int, ...] = ()
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
        return bool(self.upload or self.url or self.likes or self.dislikes)

    @property
    def offset(self) -> int:
        """Hits before this page."""
        return (self.page - 1) * self.limit

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters, in one fixed order; what has its default is left out."""
        f = self.filters
        pairs: list[tuple[str, Any]] = [("q", self.words), ("upload", self.upload), ("url", self.url)]
        pairs += [("like", i) for i in self.likes] + [("unlike", i) for i in self.dislikes]
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

    def also_like(self, image_id: int) -> str:
        """The URL of this search with one more picture wished for."""
        return self.path(likes=(*self.likes, image_id), dislikes=tuple(i for i in self.dislikes if i != image_id))

    def not_like(self, image_id: int) -> str:
        """The URL of this search with one more picture not wished for."""
        return self.path(dislikes=(*self.dislikes, image_id), likes=tuple(i for i in self.likes if i != image_id))

    def without_picture(self, image_id: int) -> str:
        """The URL of this search without one of the pictures that are wished for or not."""
        return self.path(
            likes=tuple(i for i in self.likes if i != image_id),
            dislikes=tuple(i for i in self.dislikes if i != image_id),
        )

    @property
    def crop_text(self) -> str:
        """The crop as the URL states it."""
        box = self.crop
        return "" if box is None else ",".join(f"{s:.4g}" for s in (box.left, box.top, box.width, box.height))

    def lifted(self, name: str) -> str:
        """The URL of this search with one filter lifted."""
        return self.path(filters=self.filters.without(name))


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
            raise AddressInvalid(f"{name}: {len(value)} characters; give at most {longest}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(self.values.get(name, [])))
        if len(found) > MAX_PICTURES or any(len(value) > MAX_TEXT for value in found):
            raise AddressInvalid(f"{name}: give at most {MAX_PICTURES} values of at most {MAX_TEXT} characters")
        return found

    def number(self, name: str, default: int | None, low: int, high: int) -> int | None:
        value = self.text(name)
        if not value:
            return default
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise AddressInvalid(f"{name}: {value!r} is not a whole number from {low} to {high}")
        return int(value)

    def ids(self, name: str) -> tuple[int, ...]:
        values = [part for value in self.texts(name) for part in value.split(",") if part]
        for value in values:
            if not (value.isascii() and value.isdigit() and int(value) < 1 << 63):
                raise AddressInvalid(f"{name}: {value!r} is not an image_id (a decimal number)")
        if len(values) > MAX_PICTURES:
            raise AddressInvalid(f"{name}: {len(values)} pictures; give at most {MAX_PICTURES}")
        return tuple(dict.fromkeys(int(value) for value in values))

    def choice(self, name: str) -> bool | None:
        value = self.text(name).lower()
        if value in ("", "any"):
            return None
        if value not in ("yes", "no"):
            raise AddressInvalid(f"{name}: {value!r}; give yes or no")
        return value == "yes"

    def members(self, name: str, allowed: Sequence[str]) -> tuple[str, ...]:
        values = self.texts(name)
        for value in values:
            if value not in allowed:
                raise AddressInvalid(f"{name}: {value!r}; give one of {', '.join(allowed)}")
        return values

    def box(self, name: str) -> Box | None:
        value = self.text(name)
        if not value:
            return None
        try:
            left, top, width, height = (float(part) for part in value.split(","))
            return Box(left, top, width, height)
        except ValueError as cause:
            raise AddressInvalid(
                f"{name}: {value!r}; give left,top,width,height as shares of the picture, such as 0.1,0.1,0.5,0.5"
            ) from cause


USES = ("sell", "no-credit", "no-share-alike", "drm")


def read_address(pairs: Iterable[tuple[str, str]]) -> Address:
    """Read a search from URL parameters; unknown ones are ignored.

    Raises:
        AddressInvalid: a value is out of its range.
    """
    read = _Reader(pairs)
    limit = read.number("limit", PAGE_SIZE, 1, MAX_PAGE_SIZE) or PAGE_SIZE
    page = read.number("page", 1, 1, MAX_DEPTH // limit) or 1
    token = read.text("upload")
    if token and not _TOKEN.fullmatch(token):
        raise AddressInvalid("upload: not a token of this server; upload the picture again")
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
    return Address(
        words=read.text("q"),
        upload=token,
        url=read.text("url", 4_000),
        likes=read.ids("like"),
        dislikes=read.ids("unlike"),
        crop=read.box("crop"),
        filters=filters,
        fold=read.choice("fold") is not False,
        group=read.choice("group") is True,
        page=page,
        limit=limit,
    )
