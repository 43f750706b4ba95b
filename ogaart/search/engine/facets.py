"""The values that filters can take, as the index counts them."""

from dataclasses import dataclass

from ogaart.likeness.colours import COLOUR_NAMES
from ogaart.resources.index.base import VectorIndex

Counts = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Facets:
    """Values with how many pictures have each."""

    licences: Counts
    art_types: Counts
    tags: Counts
    authors: Counts
    colours: tuple[str, ...]


EMPTY = Facets((), (), (), (), COLOUR_NAMES)


def read_facets(index: VectorIndex) -> Facets:
    """Count an index's values: all licences and types, the hundred most frequent tags and authors."""

    def counts(key: str) -> Counts:
        return tuple((name, count) for name, count in index.facet(key, limit=100).items() if name)

    found = dict(counts("colour_names"))
    return Facets(
        licences=counts("licences"),
        art_types=counts("art_type"),
        tags=counts("tags"),
        authors=counts("author"),
        colours=tuple(name for name in COLOUR_NAMES if name in found),
    )
