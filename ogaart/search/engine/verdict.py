"""What is said of a visitor's picture in one sentence: what its hits and its parts prove. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from ogaart.likeness import signatures
from ogaart.search.query import QueryPicture
from ogaart.search.results import Hit, Relation, Results, SharedPart, Verdict

_ASSEMBLED = 0.8
"""Share of a picture's patches that are in known pictures, from which on it is assembled from them."""
_HIDDEN = "An exact copy is here, but your words or filters hide it."


def with_verdict(results: Results, picture: QueryPicture, covered: float, *, hidden: bool) -> Results:
    """The results of a visitor's picture with the verdict on it.

    Args:
        results: with what the picture is a part of and contains.
        picture: the visitor's.
        covered: share of its patches that are in what it contains.
        hidden: whether an exact copy is here, but words or filters hide it.
    """
    proved = of_parts(results.part_of, results.contains, covered)
    like_a_part = bool(results.similar_cells)
    return replace(results, verdict=verdict(results.hits, picture, proved, like_a_part=like_a_part, hidden=hidden))


def verdict(
    hits: Sequence[Hit],
    picture: QueryPicture,
    proved: Verdict | None = None,
    *,
    like_a_part: bool = False,
    hidden: bool = False,
) -> Verdict:
    """Return one sentence on what the best hit proves.

    Its relation is the first hit's, or a stronger one that another hit has.

    Args:
        hits: the best first.
        picture: the visitor's.
        proved: what is said of parts, which counts for more than what is only similar.
        like_a_part: whether the picture is like a part of a hit, wherever that is.
        hidden: whether an exact copy is here, but words or filters hide it.
    """
    if hidden:
        left = verdict(hits, picture, proved, like_a_part=like_a_part)
        text = f"{_HIDDEN} {left.text}" if left.relation is Relation.NEAR else _HIDDEN
        return Verdict(left.relation, text)
    first = hits[0].relation if hits else None
    best = hits[0] if hits else None
    if first in (Relation.SIMILAR, Relation.UNLIKE):
        # Where the weights do not let copies come first, there may be one behind.
        best = next((hit for hit in hits if hit.relation is Relation.NEAR), best)
    if best is not None and best.relation is Relation.SAME:
        return Verdict(Relation.SAME, f"This exact picture is in {_named(best)}.")
    if best is not None and best.relation is Relation.NEAR:
        return Verdict(Relation.NEAR, f"{near_copy_in(best)}: resized, recompressed or retouched.")
    if proved is not None:
        return proved
    if first is Relation.SIMILAR or like_a_part:
        return Verdict(Relation.SIMILAR, "This picture was not found; these are similar.")
    return Verdict(Relation.UNLIKE, _nothing_like(picture, found=bool(hits)))


def _nothing_like(picture: QueryPicture, *, found: bool) -> str:
    """What is said where nothing is like a picture; ``found``: whether the closest matches are shown."""
    if picture.blank:
        return "Your picture is fully transparent: there is nothing in it to search with."
    if not found:
        return "No similar picture was found."
    if picture.noise:
        return "Your picture looks like noise: it shows no shapes. These are the closest matches."
    return "No similar picture was found; these are the closest matches."


def near_copy_in(hit: Hit) -> str:
    """What is said of a near copy, without how it differs and without a full stop."""
    return f"A near copy of this picture is in {_named(hit)}"


def _named(hit: Hit) -> str:
    return f"“{hit.title}”" + (f" by {hit.author}" if hit.author else "")


def shows_nothing(picture: QueryPicture) -> bool:
    """Whether nothing can be like a visitor's picture, whether as it is or without its ground.

    It is transparent, noise, or nearly the same all over. Exact pixels may still prove something of it: noise and flat
    colours are art, too.
    """
    forms = [form for form in (picture, picture.subject) if form is not None]
    return picture.blank or picture.noise or all(signatures.flat(form.signature) for form in forms)


def notes_on(picture: QueryPicture) -> tuple[str, ...]:
    """What is said of a visitor's picture that is nearly the same all over: no near copies of it are recognised."""
    if picture.blank or picture.noise or not shows_nothing(picture):
        return ()
    if len(picture.palette) > 1:
        return ("Your picture is nearly the same all over: near copies of it cannot be recognised.",)
    return ("Your picture has only one colour: near copies of it cannot be recognised.",)


def of_parts(part_of: Sequence[SharedPart], contains: Sequence[SharedPart], covered: float) -> Verdict | None:
    """What parts prove, exact ones before those that are near copies; None where there are none.

    Args:
        part_of: what the picture is a part of.
        contains: what is a part of it.
        covered: share of its patches that are in what it contains.
    """
    exact = [part for part in part_of if part.exact]
    if exact:
        return _of_wholes(exact)
    if contains:
        return _of_pieces(contains, covered)
    return _of_near_copy(part_of[0]) if part_of else None


def _of_wholes(part_of: Sequence[SharedPart]) -> Verdict:
    first = part_of[0]
    place = f"at x {first.place.x}, y {first.place.y}"
    if first.cell is not None:
        place += f" (column {first.cell[0]}, row {first.cell[1]})"
    more = f", and of {len(part_of) - 1} more" if len(part_of) > 1 else ""
    return Verdict(Relation.PART, f"This picture is a part of {_named(first.hit)}, {place}{_changed(first)}{more}.")


def _of_pieces(contains: Sequence[SharedPart], covered: float) -> Verdict:
    entries = len({part.hit.slug for part in contains})
    if len(contains) == 1:
        return Verdict(Relation.CONTAINED, f"This picture contains {_named(contains[0].hit)}{_changed(contains[0])}.")
    what = f"{len(contains)} known pictures of {entries} {'entry' if entries == 1 else 'entries'}"
    does = "is assembled from" if covered >= _ASSEMBLED else "contains"
    return Verdict(Relation.CONTAINED, f"This picture {does} {what}.")


def _of_near_copy(part: SharedPart) -> Verdict:
    place = f"at x {part.place.x}, y {part.place.y}{_changed(part)}"
    return Verdict(Relation.PART, f"A near copy of this picture is a part of {_named(part.hit)}, {place}.")


def _changed(part: SharedPart) -> str:
    return "".join(f", {change}" for change in part.changes)
