"""What belongs to a picture: the cells of a sheet, the frames of its animation, and its family in all entries."""

from collections.abc import Collection
from dataclasses import dataclass

from ogaart.search.engine.hits import read_hits
from ogaart.search.engine.serving_store import ServingStore
from ogaart.search.results import Hit

MOST_RELATIVES = 100
_LABELS = {
    "pixels": "exact copy",
    "copy": "copy",
    "size": "another size",
    "format": "another format",
    "recolour": "other colours",
}


@dataclass(frozen=True)
class SheetCell:
    """A part of a sheet, in pixels from its left upper corner.

    Attributes:
        number: zero-based place among the sheet's cells.
        x: left edge.
        y: upper edge.
        width: pixels.
        height: pixels.
        kind: what it was found by: named (an atlas), grid, strip or loose.
        name: its name in the atlas; empty where it has none.
        confidence: 0 to 1.
        source: the atlas; empty where it was recognised in the picture.
    """

    number: int
    x: int
    y: int
    width: int
    height: int
    kind: str
    name: str
    confidence: float
    source: str


@dataclass(frozen=True)
class Relative:
    """A picture of the same family.

    Attributes:
        hit: the picture.
        kind: how it is the same as the one of the family that it is most like: pixels, copy, size, format or recolour.
        evidence: 0 to 1; 1 for equal pixels.
    """

    hit: Hit
    kind: str
    evidence: float

    @property
    def label(self) -> str:
        """How it is the same, for people."""
        return _LABELS.get(self.kind, self.kind)


@dataclass(frozen=True)
class Kinship:
    """What belongs to one picture.

    Attributes:
        cells: of a sheet, in its order.
        frames: ids of the frames of its animation, itself among them, in order; empty where it is in none.
        family: other pictures that show the same, those of other entries first.
    """

    cells: tuple[SheetCell, ...] = ()
    frames: tuple[int, ...] = ()
    family: tuple[Relative, ...] = ()


def read_kinship(store: ServingStore, hit: Hit, blocked: Collection[int] = frozenset()) -> Kinship:
    """Read what belongs to a picture; nothing of a publication that does not know it.

    Args:
        store: of the publication.
        hit: the picture.
        blocked: images that must not be shown.
    """
    if not store.knows_kinship:
        return Kinship()
    cells = store.select(
        "SELECT number, x, y, width, height, kind, coalesce(name, '') AS name, confidence,"
        " coalesce(source, '') AS source FROM cells WHERE image_id = ? ORDER BY number",
        hit.image_id,
    )
    frames = store.select(
        "SELECT f.image_id FROM frames AS f JOIN frames AS own USING (animation_id)"
        " WHERE own.image_id = ? ORDER BY f.position",
        hit.image_id,
    )
    return Kinship(
        tuple(SheetCell(**dict(row)) for row in cells),
        tuple(row["image_id"] for row in frames if row["image_id"] not in blocked),
        _family(store, hit, blocked),
    )


def _family(store: ServingStore, hit: Hit, blocked: Collection[int]) -> tuple[Relative, ...]:
    rows = store.select(
        "SELECT f.image_id, f.kind, f.evidence FROM families AS own JOIN families AS f USING (family_id)"
        " JOIN images AS i ON i.image_id = f.image_id"
        " WHERE own.image_id = ?1 AND f.image_id <> ?1 ORDER BY i.slug = ?2, f.evidence DESC, f.image_id LIMIT ?3",
        hit.image_id,
        hit.slug,
        MOST_RELATIVES,
    )
    hits = read_hits(store, [row["image_id"] for row in rows], blocked)
    return tuple(
        Relative(hits[row["image_id"]], row["kind"], row["evidence"]) for row in rows if row["image_id"] in hits
    )
