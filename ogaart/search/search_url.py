"""The URL of a search: it holds everything that a page shows, so that it can be shared, kept and opened again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import urlencode

from ogaart.likeness.fusion import USUAL, Weights
from ogaart.search.errors import InvalidParameter
from ogaart.search.filters import BY_FIELD, FILTERS, Filters
from ogaart.search.parameters import (
    MAX_VALUES,
    Choice,
    LikenessWeights,
    OneOf,
    Parameter,
    Text,
    Whole,
    YesNo,
    nearest,
    unknown_name,
    weights_label,
)
from ogaart.search.picture_parameters import MAX_LINK, Crop, Example, Examples, Token, is_token
from ogaart.search.query import MAX_DEPTH, MAX_PAGE_SIZE, PAGE_SIZE, Box, Sort

MAX_FOREIGN = 6  # pictures that are not of the catalog: each has to be fetched and embedded


@dataclass(frozen=True)
class SearchUrl:
    """A search as its URL holds it: pictures by token, link or id; the rest as in ``SearchQuery``."""

    words: str = ""
    upload: str = ""
    url: str = ""
    positive: tuple[Example, ...] = ()
    negative: tuple[Example, ...] = ()
    crop: Box | None = None
    filters: Filters = field(default_factory=Filters)
    fold: bool = True
    group: bool | None = None
    sort: str = Sort.RELEVANCE.value
    weights: Weights = USUAL
    page: int = 1
    limit: int = PAGE_SIZE
    page_size: int = PAGE_SIZE
    """What ``limit`` is where the URL does not say: pages show more than the API returns."""

    @property
    def empty(self) -> bool:
        """Whether the search is empty."""
        return not (self.words.strip() or self.visual or self.filters.active())

    @property
    def visual(self) -> bool:
        """Whether a picture takes part."""
        return bool(self.upload or self.url or self.positive or self.negative)

    @property
    def one_each(self) -> bool:
        """Whether one hit of each entry is shown: if requested, and by default but where that would hide something.

        That is within one entry, where near-identical hits are listed, and where a visitor's picture is looked for.
        """
        if self.group is not None:
            return self.group
        own = self.upload or self.url or any(isinstance(example, str) for example in self.positive)
        return self.fold and self.filters["entry"] is None and not own and self.crop is None

    @property
    def only_unlike(self) -> bool:
        """Whether all examples are negative: then the similarity of hits means nothing."""
        return bool(self.negative) and not (self.upload or self.url or self.positive)

    @property
    def offset(self) -> int:
        """Hits before this page."""
        return (self.page - 1) * self.limit

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters, in the order of ``PARAMETERS``; what has its default is left out."""
        return [(row.name, text) for row in PARAMETERS for text in self._written(row, self._value(row))]

    @cached_property
    def _encoded(self) -> dict[str, str]:
        """What the URL holds of each parameter; a page of results has four links of a search on each of its cards."""
        return {row.name: self._encode(row, self._value(row)) for row in PARAMETERS}

    def _encode(self, row: Parameter, value: Any) -> str:
        return _query_of(row.name, *self._written(row, value))

    def _value(self, row: Parameter) -> Any:
        return self.filters[row.field] if row.field in BY_FIELD else getattr(self, row.field)

    def _written(self, row: Parameter, value: Any) -> list[str]:
        if row.field == "limit":
            return [] if value == self.page_size else [str(value)]
        return row.kind.write(value)

    def path(self, **changes: Any) -> str:
        """The URL of this search, with some parts changed; another part than the page goes back to page 1."""
        if changes and "page" not in changes:
            changes["page"] = 1
        encoded = self._encoded
        if changes:
            encoded = encoded | {row.name: self._encode(row, value) for row, value in self._changed(changes)}
        query = "&".join(filter(None, encoded.values()))
        return f"/search?{query}" if query else "/search"

    def _changed(self, changes: Mapping[str, Any]) -> Iterator[tuple[Parameter, Any]]:
        """The parameters whose values some fields change, and the new values."""
        for name, value in changes.items():
            if name == "filters":
                kept = self.filters
                for field in {*kept.active(), *value.active()}:
                    if value[field] is not kept[field]:
                        yield BY_FIELD[field], value[field]
            elif value is not getattr(self, name):
                yield _BY_FIELD[name], value

    def chips(self) -> tuple["Chip", ...]:
        """Words, each value of each filter and what counts, with the URL of this search without it."""
        found = [Chip("words", "words", self.words.strip(), self.path(words=""))] if self.words.strip() else []
        for name in self.filters.active():
            row, value = BY_FIELD[name], self.filters[name]
            if not row.kind.many:
                found.append(Chip(name, row.label, row.kind.shown(value), self.lifted(name)))
                continue
            for one in value:
                rest = tuple(other for other in value if other != one)
                url = self.filtered(**{name: rest}) if rest else self.lifted(name)
                found.append(Chip(name, row.label, row.kind.shown(one), url))
        if self.visual and self.weights != USUAL:
            found.append(Chip("weights", "likeness by", weights_label(self.weights), self.path(weights=USUAL)))
        return tuple(found)

    def respelled(self, field: str, value: str, usual: str) -> str:
        """The URL of this search with one value of a filter in another spelling."""
        held = self.filters[field]
        if isinstance(held, str):
            return self.filtered(**{field: usual})
        return self.filtered(**{field: tuple(dict.fromkeys(usual if one == value else one for one in held))})

    def filtered(self, **changes: Any) -> str:
        """The URL of this search with some filters changed."""
        return self.path(filters=self.filters.with_changes(**changes))

    def cleared(self) -> str:
        """The URL of this search without filters."""
        return self.path(filters=Filters())

    def also_like(self, example: Example) -> str:
        """The URL of this search with one more positive example."""
        return self.path(positive=_with(self.positive, example), negative=_without(self.negative, example))

    def not_like(self, example: Example) -> str:
        """The URL of this search with one more negative example."""
        crop = None if example == self.cropped else self.crop
        return self.path(negative=_with(self.negative, example), positive=_without(self.positive, example), crop=crop)

    def without_picture(self, example: Example) -> str:
        """The URL of this search without one of its examples."""
        crop = None if example == self.cropped else self.crop
        return self.path(
            positive=_without(self.positive, example), negative=_without(self.negative, example), crop=crop
        )

    def without_pictures(self) -> str:
        """The URL of this search by its words and filters alone."""
        return self.path(upload="", url="", positive=(), negative=(), crop=None, weights=USUAL)

    @property
    def cropped(self) -> Example | None:
        """Which of the positive examples the crop is of; None where it is of the upload or the link, or of none."""
        return self.positive[0] if self.crop is not None and self.positive and not (self.upload or self.url) else None

    @property
    def unused(self) -> tuple[str, ...]:
        """What is said of parameters that have nothing to apply to here: nothing in a URL is dropped without a word."""
        found = []
        if self.crop is not None and not (self.upload or self.url or self.positive):
            found.append("crop is ignored: there is no picture of which it could be a part.")
        if self.weights != USUAL and not self.visual:
            found.append("weights are ignored: without a picture, nothing is compared.")
        return tuple(found)

    @property
    def temporary(self) -> bool:
        """Whether it holds an upload, and so stops working within one hour."""
        return bool(self.upload) or any(is_token(example) for example in (*self.positive, *self.negative))

    @property
    def crop_text(self) -> str:
        """The crop as the URL holds it."""
        return "".join(_CROP.write(self.crop))

    def like_alone(self, image_id: int) -> str:
        """The URL of a new search with one picture; what the visitor wants to do with it stays."""
        return self._alone.path(positive=(image_id,))

    @cached_property
    def _alone(self) -> "SearchUrl":
        """What of this search belongs to the visitor, and not to what is searched for."""
        return SearchUrl(filters=Filters(uses=self.filters["uses"]), page_size=self.page_size, limit=self.limit)

    def of_entry(self, slug: str) -> str:
        """The URL of this search within one entry, nothing collapsed."""
        return self.path(filters=self.filters.with_changes(entry=slug), fold=False, group=False)

    def lifted(self, name: str) -> str:
        """The URL of this search with one filter removed."""
        return self.path(filters=self.filters.without(name))


@dataclass(frozen=True)
class Chip:
    """One value that narrows a search.

    Attributes:
        field: ``words``, ``weights``, or a filter's.
        label: what the page calls the filter.
        value: as a visitor reads it.
        url: the same search without it.
    """

    field: str
    label: str
    value: str
    url: str


@lru_cache(maxsize=512)  # the links of a page have nearly all of their parameters in common
def _query_of(name: str, *texts: str) -> str:
    return urlencode([(name, text) for text in texts])


def _with(examples: tuple[Example, ...], one: Example) -> tuple[Example, ...]:
    return examples if one in examples else (*examples, one)


def _without(examples: tuple[Example, ...], one: Example) -> tuple[Example, ...]:
    return tuple(example for example in examples if example != one)


_CROP = Crop()
_EXAMPLE = f"by image_id, by the token of an upload, or by link (at most {MAX_FOREIGN} of the last two)"

ORDERS = (
    (Sort.RELEVANCE, "most relevant"),
    (Sort.NEWEST, "newest"),
    (Sort.FAVOURITES, "most favourited"),
    (Sort.LARGEST, "largest"),
    (Sort.SMALLEST, "smallest"),
)

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("q", "words", 'Words; `"a phrase"` and `-not` are understood. A link is understood as `url`.', "robot",
              Text()),
    Parameter("url", "url", "A picture by its link, fetched by this server from the public web.",
              "https://example.org/a.png", Text(longest=MAX_LINK)),
    Parameter("upload", "upload", "Token of a picture sent within the last hour.", "zck3sNIgVpcOi_PQnctMQQ", Token()),
    Parameter("like", "positive", f"Pictures that hits should be like: {_EXAMPLE}.", "252004677832353023", Examples()),
    Parameter("unlike", "negative", f"Pictures that hits should be unlike: {_EXAMPLE}.", "3870836344659593194",
              Examples()),
    Parameter("crop", "crop",
              "Part of the picture: left,top,width,height as shares of it, or in pixels: `pixel:16,0,16,16`.",
              "0.1,0.2,0.5,0.5", _CROP),
    *FILTERS,
    Parameter("weights", "weights", "What counts in a search with pictures: a preset, or subject,shape,colours, each "
              "from 0 to 2.", "1,1,0", LikenessWeights()),
    Parameter("fold", "fold", "`no`: near-identical hits are listed separately.", "no", YesNo(default=True)),
    Parameter("group", "group", "`yes`: one hit of each entry; `no`: all. By default one, but not within an entry, with"
              " `fold=no` or for a picture of your own.", "yes", YesNo()),
    Parameter("sort", "sort", "The order of words and filters; pictures rank by similarity.", "newest", OneOf(
        tuple(Choice(order.value, label) for order, label in ORDERS), Sort.RELEVANCE.value)),
    Parameter("limit", "limit", f"Hits on a page, 1 to {MAX_PAGE_SIZE}; default {PAGE_SIZE}.", "10",
              Whole(high=MAX_PAGE_SIZE, default=PAGE_SIZE)),
    Parameter("page", "page", "Page, from 1.", "2", Whole(high=MAX_DEPTH, default=1)),
)  # fmt: skip
"""Every parameter of a search, in the order of the API page."""


_BY_FIELD = {row.field: row for row in PARAMETERS}
NAMES: tuple[str, ...] = tuple(name for row in PARAMETERS for name in row.names)
"""Every name that is read, aliases included."""
_CANONICAL = {name: row.name for row in PARAMETERS for name in row.names}
MAX_PARAMETERS = 300
"""Parameters of a URL, repeated ones too: each name that is not known is compared with all that are."""


def read_search_url(pairs: Iterable[tuple[str, str]], page_size: int = PAGE_SIZE, *, strict: bool = False) -> SearchUrl:
    """Read a search from URL parameters.

    Args:
        pairs: names, aliases included, and values.
        page_size: hits on a page where they do not say.
        strict: whether no value may be empty, and none more than a parameter takes; forms send empty ones.

    Raises:
        InvalidParameter: a name is unknown, a value is outside its type or limits, there are too many, or a picture is
            both liked and disliked.
    """
    given: dict[str, list[str]] = {}
    for name, value in not_too_many(pairs):
        if name not in _CANONICAL:
            raise unknown_parameter(name)
        values = given.setdefault(_CANONICAL[name], [])
        if value.strip():
            values.append(value.strip())
        elif strict:
            raise InvalidParameter(f"{_CANONICAL[name]}: the value is empty; leave the parameter out where it has none")
    for row in PARAMETERS:
        _require_counts(row, given.get(row.name), strict=strict)
    read = {row.field: row.kind.read(row.name, given.get(row.name, [])) for row in PARAMETERS}
    for row in PARAMETERS:
        if given.get(row.name) and read[row.field] == ():  # commas alone: what should narrow must not be dropped
            raise InvalidParameter(f"{row.name}: {given[row.name][-1][:80]!r} names nothing; leave the parameter out")
    filters = Filters(**{row.field: read.pop(row.field) for row in FILTERS})
    if not given.get("limit"):
        read["limit"] = page_size
    url = SearchUrl(filters=filters, page_size=page_size, **read)
    if url.page > (last := MAX_DEPTH // url.limit):
        raise InvalidParameter(f"page: {url.page}; expected 1 to {last}; narrow the search instead of paging further")
    _require_fitting_examples(url)
    return url


def _require_fitting_examples(url: SearchUrl) -> None:
    foreign = sum(isinstance(example, str) for example in (*url.positive, *url.negative))
    if foreign > MAX_FOREIGN:
        raise InvalidParameter(
            f"like: {foreign} uploads and links, with those of unlike; at most {MAX_FOREIGN} are allowed"
        )
    for example in url.negative:
        if example in url.positive and example != url.cropped:  # a part of a picture may be liked, and the rest not
            raise InvalidParameter(f"unlike: {str(example)[:80]!r} is in like as well; leave it out of one of them")


def _require_counts(row: Parameter, values: list[str] | None, *, strict: bool) -> None:
    """Refuse more values than a parameter takes."""
    if values is None:
        return
    if len(values) > 1 and not row.kind.many and (strict or row.field in BY_FIELD or len(set(values)) > 1):
        raise InvalidParameter(f"{row.name}: {len(values)} values; it takes one")
    if len(values) > MAX_VALUES and row.kind.many:
        raise InvalidParameter(f"{row.name}: {len(values)} values; at most {MAX_VALUES} are allowed")


def unknown_parameter(name: str) -> InvalidParameter:
    """The error for a name that is not read; it names the parameter that is meant."""
    return unknown_name(name, tuple(dict.fromkeys(_CANONICAL[one] for one in nearest(name, NAMES))), NAMES)


def not_too_many(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Parameters as a list.

    Raises:
        InvalidParameter: there are more than ``MAX_PARAMETERS``.
    """
    found = list(pairs)
    if len(found) > MAX_PARAMETERS:
        raise InvalidParameter(f"{len(found):,} parameters; at most {MAX_PARAMETERS} are allowed")
    return found
