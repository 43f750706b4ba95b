"""What belongs to a picture: cells of a sheet, frames of its animation, its family, and exact parts in all entries."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ogaart.search.engine.hits import read_hits
from ogaart.search.parts.shared_parts import cell_of, covers
from ogaart.search.results import Hit, PartBox, SharedPart
from ogaart.search.store.serving_store import ServingStore

MOST_RELATIVES = 100
MOST_PARTS = 200
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
        part_of: pictures that contain it, by exact pixels, those of other entries first.
        contains: pictures that it contains, likewise.
    """

    cells: tuple[SheetCell, ...] = ()
    frames: tuple[int, ...] = ()
    family: tuple[Relative, ...] = ()
    part_of: tuple[SharedPart, ...] = ()
    contains: tuple[SharedPart, ...] = ()

    @property
    def credits_path(self) -> str | None:
        """Path of the credits of every picture that it contains; None where it contains none."""
        ids = ",".join(str(part.hit.image_id) for part in self.contains)
        return f"/credits?ids={ids}" if ids else None


def read_kinship(store: ServingStore, hit: Hit, blocked: Collection[int] = frozenset()) -> Kinship:
    """Read what belongs to a picture; nothing of a publication that does not know it.

    Args:
        store: of the publication.
        hit: the picture.
        blocked: images that must not be shown.
    """
    if not store.knows_kinship:
        return Kinship()
    cells = store.select_of(
        hit.image_id,
        "SELECT number, x, y, width, height, kind, coalesce(name, '') AS name, confidence,"
        " coalesce(source, '') AS source FROM cells WHERE image_id = ? ORDER BY number",
        hit.image_id,
    )
    frames = store.select_whole(
        "SELECT f.image_id FROM frames AS f JOIN frames AS own USING (animation_id)"
        " WHERE own.image_id = ? ORDER BY f.position",
        hit.image_id,
    )
    return Kinship(
        tuple(SheetCell(**dict(row)) for row in cells),
        tuple(row["image_id"] for row in frames if row["image_id"] not in blocked),
        _family(store, hit, blocked),
        _parts(store, hit, blocked, of="part", other="whole"),
        _parts(store, hit, blocked, of="whole", other="part"),
    )


def frames_with(store: ServingStore, ids: Sequence[int]) -> frozenset[int]:
    """The frames of the animations of some pictures, these among them; empty in a publication that does not know."""
    if not store.knows_kinship or not any(brief.animation_id is not None for brief in store.briefs(ids).values()):
        return frozenset()
    rows = store.select_whole(
        "SELECT DISTINCT f.image_id FROM frames AS f JOIN frames AS own USING (animation_id)"
        " WHERE own.image_id IN (SELECT value FROM json_each(?))",
        json.dumps(list(ids)),
    )
    return frozenset(row["image_id"] for row in rows)


def count_cells(store: ServingStore, image_id: int) -> int:
    """How many cells a picture has; 0 in a publication that does not know."""
    if not store.knows_kinship:
        return 0
    rows = store.select_of(image_id, "SELECT count(*) AS cells FROM cells WHERE image_id = ?", image_id)
    return int(rows[0]["cells"])


def linked_with(store: ServingStore, image_id: int) -> frozenset[int]:
    """The images that contain one or are contained in it, by exact pixels."""
    if not store.knows_parts:
        return frozenset()
    rows = store.select(
        "SELECT image_id FROM images WHERE pixel_sha256 IN"
        " (SELECT whole FROM parts WHERE part = ?1 UNION SELECT part FROM parts WHERE whole = ?1)",
        bytes.fromhex(store.pixel_sha256(image_id) or ""),
    )
    return frozenset(row["image_id"] for row in rows)


def _family(store: ServingStore, hit: Hit, blocked: Collection[int]) -> tuple[Relative, ...]:
    rows = store.select(
        "SELECT f.image_id, f.kind, f.evidence, i.slug FROM families AS own JOIN families AS f USING (family_id)"
        " JOIN images AS i ON i.image_id = f.image_id"
        " WHERE own.image_id = ?1 AND f.image_id <> ?1"
        " ORDER BY i.slug = ?2, coalesce(f.evidence, 0) DESC, f.image_id LIMIT ?3",
        hit.image_id,
        hit.slug,
        MOST_RELATIVES,
    )
    rows.sort(key=lambda row: (row["slug"] == hit.slug, -(row["evidence"] or 0), row["image_id"]))
    rows = rows[:MOST_RELATIVES]
    hits = read_hits(store, [row["image_id"] for row in rows], blocked)
    return tuple(
        Relative(hits[row["image_id"]], row["kind"], row["evidence"]) for row in rows if row["image_id"] in hits
    )


def _parts(store: ServingStore, hit: Hit, blocked: Collection[int], *, of: str, other: str) -> tuple[SharedPart, ...]:
    """The published links of a picture: as the ``part`` of others, or as the ``whole`` that contains them."""
    if not store.knows_parts:
        return ()
    rows = store.select(
        "SELECT i.image_id, i.slug, p.x, p.y, p.width, p.height, p.share,"  # noqa: S608 - two constants
        " p.width * p.height * p.share * p.share AS claim FROM parts AS p"
        f" JOIN images AS i ON i.pixel_sha256 = p.{other} WHERE p.{of} = ?1"
        " ORDER BY i.slug = ?2, claim DESC, i.image_id LIMIT ?3",
        bytes.fromhex(hit.pixel_sha256),
        hit.slug,
        MOST_PARTS,
    )
    rows.sort(key=lambda row: (row["slug"] == hit.slug, -row["claim"], row["image_id"]))
    rows = rows[:MOST_PARTS]
    hits = read_hits(store, [row["image_id"] for row in rows], blocked)
    found: dict[str, SharedPart] = {}
    for row in rows:
        linked = hits.get(row["image_id"])
        place = PartBox(row["x"], row["y"], row["width"], row["height"])
        whole, part = (linked, hit) if other == "whole" else (hit, linked)
        if linked is None or whole is None or part is None or covers(place, (whole.width, whole.height)):
            continue  # what is all of the other is a copy, which the family lists
        cell = cell_of(place, whole.width, whole.height) if other == "whole" else None
        # By how much it is larger in the picture whose page this is: what is hidden of a part makes its place smaller.
        larger = max(place.width / part.width, place.height / part.height)
        scale = _whole_number(1 / larger if other == "whole" else larger)
        found.setdefault(linked.pixel_sha256, SharedPart(linked, place, cell, scale, 0, row["share"]))
    return tuple(found.values())


def _whole_number(scale: float) -> float:
    """A scale as the whole number or unit fraction that it is but for rounded places."""
    return float(round(scale)) if scale >= 1 else 1 / round(1 / scale)
