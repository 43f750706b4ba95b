"""How one URL parameter of a search is read, written and described; the kinds of values that parameters have."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from typing import Any, ClassVar

from ogaart.likeness.fusion import USUAL, Weights
from ogaart.search.errors import InvalidParameter

MAX_TEXT = 500
MAX_VALUES = 24


@dataclass(frozen=True)
class Choice:
    """One value that a parameter can take, as the page labels it, and how else people write it."""

    value: str
    label: str
    hint: str = ""
    aliases: tuple[str, ...] = ()


class ValueType(ABC):
    """The type of a parameter's value.

    Attributes:
        type: JSON type of one value.
        many: whether the parameter may be repeated.
        default: the value where the parameter is missing.
        choices: the only values allowed; empty: any.
    """

    type: ClassVar[str] = "string"
    many: ClassVar[bool] = False
    default: Any = None
    choices: tuple[Choice, ...] = ()

    @abstractmethod
    def read(self, name: str, values: Sequence[str]) -> Any:
        """The value of the parameter.

        Args:
            name: the parameter, for messages.
            values: what the URL holds, stripped, without empty ones.

        Raises:
            InvalidParameter: a value is outside its type or limits.
        """

    def write(self, value: Any) -> list[str]:
        """The value as the URL holds it; nothing for the default."""
        return [] if value == self.default else [str(value)]

    def shown(self, value: Any) -> str:
        """One value as a visitor reads it: the label of a choice."""
        written = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        return next((one.label for one in self.choices if one.value == written), written)


@dataclass(frozen=True)
class Text(ValueType):
    """One text."""

    default: str | None = ""
    longest: int = MAX_TEXT

    def read(self, name: str, values: Sequence[str]) -> str | None:
        """The last one given."""
        if not values:
            return self.default
        if len(values[-1]) > self.longest:
            raise InvalidParameter(f"{name}: {len(values[-1])} characters; at most {self.longest} are allowed")
        return values[-1]


@dataclass(frozen=True)
class Texts(ValueType):
    """Several texts, each once.

    Attributes:
        separator: what also divides one value into several.
        longest: characters of one value.
    """

    many: ClassVar[bool] = True
    default: tuple[str, ...] = ()
    separator: str = ""
    longest: int = MAX_TEXT

    def read(self, name: str, values: Sequence[str]) -> tuple[str, ...]:
        """All of them, in order."""
        if len(values) > MAX_VALUES or any(len(value) > self.longest for value in values):
            raise InvalidParameter(f"{name}: at most {MAX_VALUES} values of at most {self.longest} characters")
        parts: Iterable[str] = values
        if self.separator:
            parts = (part.strip() for value in values for part in value.split(self.separator))
        return tuple(dict.fromkeys(part for part in parts if part))

    def write(self, value: Sequence[str]) -> list[str]:
        """One parameter each."""
        return list(value)


@dataclass(frozen=True)
class OneOf(ValueType):
    """One of the choices."""

    choices: tuple[Choice, ...] = ()
    default: str | None = None

    def read(self, name: str, values: Sequence[str]) -> str | None:
        """The last one given."""
        return _chosen(name, values, self.choices)[-1] if values else self.default


@dataclass(frozen=True)
class SomeOf(ValueType):
    """Any number of the choices, sorted."""

    many: ClassVar[bool] = True
    choices: tuple[Choice, ...] = ()
    default: tuple[str, ...] = ()

    def read(self, name: str, values: Sequence[str]) -> tuple[str, ...]:
        """All of them."""
        return tuple(sorted(set(_chosen(name, values, self.choices))))

    def write(self, value: Sequence[str]) -> list[str]:
        """One parameter each."""
        return list(value)


@dataclass(frozen=True)
class Whole(ValueType):
    """A whole number.

    Attributes:
        low: the smallest allowed.
        high: the largest allowed.
    """

    type: ClassVar[str] = "integer"
    low: int = 1
    high: int = 1 << 20
    default: int | None = None

    def read(self, name: str, values: Sequence[str]) -> int | None:
        """The last one given."""
        if not values:
            return self.default
        value = values[-1]
        # The length first: Python refuses to convert thousands of digits, with an error of its own.
        if not (value.isascii() and value.isdigit() and len(value) < 20 and self.low <= int(value) <= self.high):
            raise InvalidParameter(f"{name}: {value[:80]!r} is not a whole number from {self.low} to {self.high}")
        return int(value)


@dataclass(frozen=True)
class YesNo(ValueType):
    """``yes`` or ``no``; ``any`` is the default."""

    default: bool | None = None
    choices: tuple[Choice, ...] = (Choice("yes", "yes"), Choice("no", "no"))

    def read(self, name: str, values: Sequence[str]) -> bool | None:
        """The last one given."""
        value = values[-1].casefold() if values else "any"
        if value not in ("yes", "no", "any"):
            raise unknown_value(name, values[-1], ("yes", "no", "any"))
        return self.default if value == "any" else value == "yes"

    def write(self, value: bool | None) -> list[str]:
        """Nothing for the default."""
        return [] if value == self.default else ["yes" if value else "no"]


SAME_PALETTE = Weights(0.0, 0.0, 1.0)
PRESETS: tuple[tuple[Choice, Weights], ...] = (
    (Choice("looks-the-same", "Looks the same", "shape and colours before subject"), Weights(0.5, 1.0, 1.0)),
    (Choice("other-colours", "Same thing in other colours", "colours do not count"), Weights(1.0, 1.0, 0.0)),
    (Choice("same-palette", "Same palette", "colours alone count"), SAME_PALETTE),
)
"""Weights with a name."""
HEAVIEST = 2.0


@dataclass(frozen=True)
class LikenessWeights(ValueType):
    """How much subject, shape and colours count: a preset's name, or three numbers, also as three values."""

    many: ClassVar[bool] = True
    default: Weights = USUAL
    choices: tuple[Choice, ...] = tuple(choice for choice, _ in PRESETS)

    def read(self, name: str, values: Sequence[str]) -> Weights:
        """A preset, or subject, shape and colours in this order."""
        texts = [text.strip() for value in values for text in value.split(",")]
        if not texts:
            return self.default
        named = {choice.value: weights for choice, weights in PRESETS}
        if len(texts) == 1 and texts[0].casefold() in named:
            return named[texts[0].casefold()]
        try:
            numbers = [float(text) for text in texts]
        except ValueError:
            if len(texts) == 1 and texts[0]:
                raise unknown_value(name, texts[0], list(named)) from None
            numbers = []
        if len(numbers) != len(fields(Weights)) or not all(0 <= number <= HEAVIEST for number in numbers):
            raise InvalidParameter(
                f"{name}: {','.join(values)[:80]!r}; expected a preset ({', '.join(named)}), or subject,shape,colours "
                f"from 0 to {HEAVIEST:g}, such as 1,1,0"
            )
        if not any(numbers):
            raise InvalidParameter(f"{name}: all three are 0; at least one must count")
        found = Weights(*numbers)
        # Only their ratio counts: all at most is the same as all at the middle.
        return next((known for known in (USUAL, *named.values()) if known.in_ratio_of(found)), found)

    def write(self, value: Weights) -> list[str]:
        """A preset's name where it is one, nothing for the default."""
        if value == self.default:
            return []
        return [preset_of(value) or f"{value.subject:g},{value.shape:g},{value.colours:g}"]


def preset_of(weights: Weights) -> str:
    """The name of the preset that has these weights; empty where none has."""
    return next((choice.value for choice, known in PRESETS if known == weights), "")


def weights_label(weights: Weights) -> str:
    """Weights as a visitor reads them: the label of a preset, or what counts and how much."""
    named = next((choice.label for choice, known in PRESETS if known == weights), "")
    return named or f"subject {weights.subject:g}, shape {weights.shape:g}, colours {weights.colours:g}"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a search: the row from which its URL, OpenAPI, the API page and the command line are made.

    Attributes:
        name: in the URL.
        field: in ``SearchUrl`` or ``Filters``.
        help: what it means, for the API page.
        example: a valid value.
        kind: how it is read and written.
        aliases: other names that are read.
    """

    name: str
    field: str
    help: str
    example: str
    kind: ValueType
    aliases: tuple[str, ...] = dataclass_field(default=(), kw_only=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that is read."""
        return (self.name, *self.aliases)


def _chosen(name: str, values: Sequence[str], choices: Sequence[Choice]) -> Sequence[str]:
    known = {form.casefold(): one.value for one in choices for form in (one.value, *one.aliases)}
    for value in values:
        if value.casefold() not in known:
            raise unknown_value(name, value, [one.value for one in choices])
    return [known[value.casefold()] for value in values]


def unknown_name(name: str, near: Sequence[str], known: Sequence[str]) -> InvalidParameter:
    """The error for a parameter that does not exist; it names the ones that may be meant, or all."""
    way_out = f"known are {', '.join(known)}" if known else "none are read here"
    if near:
        way_out = f"did you mean {_either(near)}?"
    return InvalidParameter(f"{name[:80]}: unknown parameter; {way_out}")


def unknown_value(name: str, value: str, known: Sequence[str]) -> InvalidParameter:
    """The error for a value that a closed list does not have; it names the nearest ones, and all of a short list."""
    near = nearest(value, known)
    meant = f"; did you mean {_either(near)}?" if near else "."
    return InvalidParameter(f"{name}: {value[:80]!r} does not exist{meant} Known are {', '.join(known)}")


def nearest(value: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known values that a misspelled one may mean, the likeliest first: beginnings, parts, then similar ones."""
    wanted = _bare(value)
    folded: dict[str, str] = {}
    for one in known:
        folded.setdefault(_bare(one), one)
    inside = [one for one in folded if wanted and (wanted in one or (len(one) > 2 and one in wanted))]
    inside.sort(key=lambda one: (not one.startswith(wanted), abs(len(one) - len(wanted)), one))
    similar = difflib.get_close_matches(wanted, folded, n=count, cutoff=0.65)
    return [folded[one] for one in dict.fromkeys([*similar, *inside])][:count]


def _bare(name: str) -> str:
    """A name as it is compared: letters and digits alone, as CCBY means CC-BY; signs where it has nothing else."""
    folded = name.casefold().strip()
    return "".join(one for one in folded if one.isalnum()) or folded


def _either(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)
