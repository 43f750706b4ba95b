"""How alike two pictures are called: one similarity from the model's and the signature's, and the verdict. Pure.

The numbers are tuned on 431 game pictures with EfficientNet-Lite0; `make quality` prints the results.
"""

from collections.abc import Sequence

from ogaart.likeness import signatures
from ogaart.search.query import QueryPicture
from ogaart.search.results import Hit, Relation, Verdict

# Closeness of signatures from which two pictures are copies of each other, by the smaller side in pixels: a copy of an
# icon loses more of it.
_ICON, PICTURE = 16.0, 32
NEAR_ICON, _NEAR_PICTURE = 0.68, 0.93
_BEST_SIMILAR = 0.9
# Fits below mean little for a picture that is not known to be cropped: flat backgrounds fit into much.
_FIT = 0.65
_HIDDEN = "An exact copy is here, but your words or filters hide it."


def near_copy(side: float) -> float:
    """Closeness from which two pictures are copies, the smallest side of both being so many pixels."""
    share = min(max((side - _ICON) / (PICTURE - _ICON), 0.0), 1.0)
    return NEAR_ICON + share * (_NEAR_PICTURE - NEAR_ICON)


def likeness(cosine: float, closeness: float | None, side: float, share: float, *, copies_first: bool = True) -> float:
    """Blend both into one number from 0 to 1 that orders hits: copies come before what is only similar.

    Args:
        cosine: of the model's vectors.
        closeness: of the signatures; None where they cannot be compared.
        side: smallest side of both pictures, in pixels.
        share: weight of the closeness where they are not copies; see ``LikenessThresholds.closeness_share``.
        copies_first: whether copies by the closeness come first. Of an edited upload they do; among pictures as they
            are, the next frame is as close as a copy, and the vectors know better which of them is nearer.
    """
    cosine = min(max(cosine, 0.0), 1.0)
    if closeness is None:
        return _BEST_SIMILAR * cosine
    base = _BEST_SIMILAR * ((1.0 - share) * cosine + share * closeness)
    least = near_copy(side)
    if closeness < least or not copies_first:
        return base
    # Copies fill 0.90 to 0.99, ordered by how close they are; 1 is for the very pixels.
    return max(base, _BEST_SIMILAR + 0.09 * (closeness - least) / (1.0 - least))


def likeness_of_part(cosine: float, fit: float, *, known: bool) -> float:
    """What a hit is worth in that the query seems to be cut out of it; below that of any copy, 0 where it does not.

    Args:
        cosine: of the model's vectors.
        fit: how well the query fits into the hit's best part.
        known: whether the query is known to be a part of something; of any other, flat grounds would fit too often.
    """
    if fit < _FIT and not known:
        return 0.0
    return _BEST_SIMILAR * (min(max(cosine, 0.0), 1.0) + fit) / 2


def relation(cosine: float, closeness: float | None, side: float, typical: float) -> Relation:
    """Name the relation of a hit to the picture of the search.

    Args:
        cosine: of the model's vectors.
        closeness: of the signatures; None where they cannot be compared.
        side: smallest side of both pictures, in pixels.
        typical: cosine that nine of ten pictures stay below with all unrelated ones: models differ in it, and what is
            no nearer than that is not even similar. Each publication measures its own; one of before has what half of
            all pairs stay below, and one of few pictures takes its model's.
    """
    if closeness is not None and closeness >= near_copy(side):
        return Relation.NEAR
    return Relation.SIMILAR if cosine >= typical else Relation.UNLIKE


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
