"""How alike two pictures are called: one likeness from the network's and the signature's, and the verdict. Pure."""

from collections.abc import Sequence

from ogaart.search.results import Hit, Relation, Verdict

# Closeness of signatures from which two pictures count as copies of each other; below, only the network speaks.
NEAR_COPY = 0.93
# Cosine under which the nearest picture is no longer like the one asked for.
SIMILAR = 0.45


def likeness(cosine: float, closeness: float | None, *, same: bool = False) -> float:
    """Blend both into one number from 0 to 1 that orders hits: copies come before what is only similar."""
    if same:
        return 1.0
    base = 0.9 * min(max(cosine, 0.0), 1.0)
    if closeness is not None and closeness >= NEAR_COPY:
        # Copies fill 0.90 to 0.99, ordered by how close they are.
        return max(base, 0.90 + 0.09 * (closeness - NEAR_COPY) / (1.0 - NEAR_COPY))
    return base


def relation(cosine: float, closeness: float | None, *, same: bool = False) -> Relation:
    """Name how a hit stands to the picture asked for."""
    if same:
        return Relation.SAME
    if closeness is not None and closeness >= NEAR_COPY:
        return Relation.NEAR
    return Relation.SIMILAR if cosine >= SIMILAR else Relation.UNLIKE


def verdict(hits: Sequence[Hit]) -> Verdict:
    """Say in one sentence what the best hit proves."""
    if not hits:
        return Verdict(Relation.UNLIKE, "Nothing here is like this picture.")
    best = hits[0]
    by = f"“{best.title}”" + (f" by {best.author}" if best.author else "")
    match best.relation:
        case Relation.SAME:
            return Verdict(Relation.SAME, f"This very picture is in {by}.")
        case Relation.NEAR:
            return Verdict(
                Relation.NEAR, f"A near copy of this picture is in {by}: resized, recompressed or retouched."
            )
        case Relation.SIMILAR:
            return Verdict(Relation.SIMILAR, "This picture itself is not here; these are similar.")
        case _:
            return Verdict(Relation.UNLIKE, "Nothing here is like this picture; these are the least far from it.")
