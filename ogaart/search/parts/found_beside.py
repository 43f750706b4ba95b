"""What is found of a visitor's picture without what is near it: its exact parts, and cells like it, as results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ogaart.likeness.patch_matching import PartRelation
from ogaart.search.parts import cell_matches, shared_parts
from ogaart.search.parts.cell_matches import CellMatches
from ogaart.search.parts.shared_parts import FoundParts
from ogaart.search.query import QueryPicture
from ogaart.search.results import Hit, Relation, Results


@dataclass(frozen=True)
class FoundBeside:
    """What is found of a visitor's picture without what is near it.

    Attributes:
        parts: what it is an exact part of, and what it contains.
        cells: the sheets of which a cell is like it.
    """

    parts: FoundParts
    cells: CellMatches

    def shown_in(
        self, results: Results, picture: QueryPicture, read: Callable[[list[int]], Mapping[int, Hit]]
    ) -> Results:
        """The results with the hits that contain the picture, or are contained in it, each once and with its place.

        Args:
            results: without parts.
            picture: the visitor's.
            read: reads hits by id, as far as they may be shown.
        """
        parts, cells = self.parts, self.cells
        copies, similar = cells.of(Relation.PART), cells.of(Relation.SIMILAR)[: cell_matches.SHOWN]
        sharing = [pair for pair in parts.sharing if pair[1].relation is not PartRelation.PART][: cell_matches.SHOWN]
        ids = [image_id for image_id, _ in (*parts.part_of, *parts.contains, *sharing)]
        ids += [hit.image_id for hit in (*copies, *similar)]
        hits = read(ids) if ids else {}
        exact = shared_parts.shown(parts.part_of, hits, of_query=False)
        contains = shared_parts.shown(parts.contains, hits, of_query=True)
        proved = {part.hit.pixel_sha256 for part in (*exact, *contains)} | {picture.pixel_sha256}
        near = cell_matches.shown(copies, hits, proved.__contains__)
        proved |= {part.hit.pixel_sha256 for part in near}
        some = [one for one in shared_parts.shown(sharing, hits, of_query=False) if one.hit.pixel_sha256 not in proved]
        proved |= {part.hit.pixel_sha256 for part in some}
        return replace(
            results,
            part_of=(*exact, *near),
            contains=contains,
            similar_cells=(*some, *cell_matches.shown(similar, hits, proved.__contains__)),
        )
