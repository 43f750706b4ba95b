"""How alike two pictures are called: one similarity from the model's and the signature's, and what it is called. Pure.

The numbers are tuned on 431 game pictures with EfficientNet-Lite0; `make quality` prints the results.
"""

from ogaart.search.results import Relation

# Closeness of signatures from which two pictures are copies of each other, by the smaller side in pixels: a copy of an
# icon loses more of it.
_ICON, PICTURE = 16.0, 32
NEAR_ICON, _NEAR_PICTURE = 0.68, 0.93
_BEST_SIMILAR = 0.9
# Fits below mean little for a picture that is not known to be cropped: flat backgrounds fit into much.
_FIT = 0.65


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
