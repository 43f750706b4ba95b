"""Which cells each sheet of a partition has: those that an atlas beside it names, else those recognised in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ogaart.core.staleness import fingerprint
from ogaart.imaging.atlases.reader import picture_of
from ogaart.likeness import sheets
from ogaart.likeness.frames import numbered
from ogaart.likeness.sheets import Cell, CellKind
from ogaart.pipeline.derived_step import DerivedStep
from ogaart.pipeline.step import Step
from ogaart.resources.storage.rows import AtlasRegionRow, CellRow, ImageRow
from ogaart.resources.storage.schema import ATLAS_REGIONS, CELLS, FILE_LINKS, OCCURRENCES

VERSION = "1"
"""Rises when the same regions and pixels make other cells."""


@dataclass(frozen=True)
class NamedCells:
    """What one atlas says of a picture."""

    source: str
    cells: Mapping[Cell, str]

    @property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """x, y, width and height of each cell, the frames of an animation one after the other by their numbers."""
        ordered = sorted(self.cells, key=lambda cell: numbered(self.cells[cell]) or (self.cells[cell].lower(), 0))
        return [(cell.x, cell.y, cell.width, cell.height) for cell in ordered]


class SheetCells:
    """The cells of a partition's images.

    Attributes:
        stored: the rows as the last run left them.
        rows: the rows as they are now; those that did not change are the stored ones.
        counts: how many cells each image has; images that were not looked at are missing.

    Args:
        step: the step.
        images: the partition's images by id.
        known: how many cells each image had; None: it was not looked at.
        derived: what was recognised in pictures.
        named: what atlases name, see ``named_cells``.
    """

    def __init__(
        self,
        step: Step,
        images: Mapping[int, ImageRow],
        known: Mapping[int, int | None],
        derived: DerivedStep,
        named: Mapping[int, NamedCells],
    ) -> None:
        self.stored = step.stores.tables.read(CELLS, step.partition)
        self.rows: list[CellRow] = []
        self.counts: dict[int, int] = {}
        self._step = step
        before: dict[int, list[CellRow]] = {}
        for row in self.stored:
            before.setdefault(row["image_id"], []).append(row)
        unnamed = {row["image_id"] for row in self.stored if row["kind"] == CellKind.NAMED} - named.keys()
        # Where there are no cells, nothing tells by which version of the recognition: those are looked at each time.
        outdated = {i for i, rows in before.items() if i in images and rows[0]["fingerprint"] != _wanted(images[i])}
        looked_at = [i for i in images if not known.get(i) or i in unnamed or i in outdated]
        pixels = {i: images[i]["pixel_sha256"] for i in looked_at if i not in named}
        found = derived.contents(sheets.SPACE, sorted(set(pixels.values())))
        for number, image in images.items():
            rows = before.get(number, [])
            if number in named:
                rows = self._now(number, image, rows, self._named(named[number]))
            elif number in pixels:
                content = found.get(pixels[number])
                if content is None and (known.get(number) is None or number in unnamed):
                    continue  # it could not be read, or its segment is damaged: the next run looks at it
                if content is not None:
                    rows = self._now(number, image, rows, self._recognised(content))
            self.counts[number] = len(rows)
            self.rows += rows

    @staticmethod
    def _named(found: NamedCells) -> Iterator[CellRow]:
        for cell, name in found.cells.items():
            yield {**_box(cell), "kind": CellKind.NAMED, "name": name, "confidence": 1.0, "source": found.source}

    @staticmethod
    def _recognised(content: bytes) -> Iterator[CellRow]:
        sheet = sheets.unpacked(content)
        for cell in sheet.cells if sheet else ():
            assert sheet is not None
            confidence = round(sheet.confidence, 2)
            yield {**_box(cell), "kind": sheet.kind, "name": None, "confidence": confidence, "source": None}

    def _now(
        self, image_id: int, image: ImageRow, before: Sequence[CellRow], cells: Iterator[CellRow]
    ) -> list[CellRow]:
        """The rows of an image; the stored ones where they say the same."""
        wanted = _wanted(image)
        old = {row["number"]: row for row in before}
        rows: list[CellRow] = []
        for number, facts in enumerate(cells):
            row: CellRow = {"image_id": image_id, "number": number, **facts}
            stored = old.get(number)
            same = stored is not None and stored["fingerprint"] == wanted and _says(stored, row)
            rows.append(stored if stored is not None and same else self._step.stamp(row, wanted))
        return rows


def _wanted(image: ImageRow) -> str:
    return fingerprint(VERSION, sheets.SPACE, image["pixel_sha256"])


def named_cells(step: Step, images: Mapping[int, ImageRow]) -> dict[int, NamedCells]:
    """What atlases name in the partition's pictures: of several for one picture, the one with the most parts.

    Those that name one part each, as Godot keeps them, are one atlas together. One part alone does not tell how the
    picture is divided.
    """
    regions: dict[tuple[str, int | None, str, str, str, str], list[AtlasRegionRow]] = {}
    for row in step.stores.tables.read(ATLAS_REGIONS, step.partition):
        key = (row["slug"], row["fid"], row["member_index"], row["member_path"], row["format"], row["picture"])
        regions.setdefault(key, []).append(row)
    if not regions:
        return {}
    in_files, in_entries = _pictures(step, {key[0] for key in regions})
    names = {(r["slug"], r["fid"]): r["shown_name"] or "" for r in step.stores.tables.read(FILE_LINKS, step.partition)}
    found: dict[int, NamedCells] = {}
    single: dict[tuple[int, str], dict[Cell, str]] = {}
    for (slug, fid, index, path, kind, stated), rows in sorted(regions.items(), key=str):
        own = path if index else names.get((slug, fid), "")
        image_id = picture_of(stated, own, in_files.get((slug, fid), {})) if index else None
        if image_id is None:
            image_id = picture_of(stated, own.rpartition("/")[2], in_entries.get(slug, {}))
        if image_id is None or image_id not in images:
            continue
        named = NamedCells(f"{kind}: {own}" if own else kind, _inside(rows, images[image_id]))
        if len(rows) == 1:
            of_file = own.rpartition("/")[2].rpartition(".")[0]
            for cell, name in named.cells.items():
                single.setdefault((image_id, kind), {}).setdefault(cell, name or of_file)
        elif len(named.cells) > _known(found, image_id):
            found[image_id] = named
    for (image_id, kind), cells in single.items():
        if len(cells) > _known(found, image_id):
            found[image_id] = NamedCells(kind, cells)
    return {image_id: named for image_id, named in found.items() if len(named.cells) > 1}


def _known(found: Mapping[int, NamedCells], image_id: int) -> int:
    return len(found[image_id].cells) if image_id in found else 0


def _pictures(
    step: Step, slugs: set[str]
) -> tuple[dict[tuple[str, int | None], dict[str, int]], dict[str, dict[str, int]]]:
    """Images by their path in each archive, and the loose ones of each entry by the name that its page shows."""
    tables = step.stores.tables
    names = {(row["slug"], row["fid"]): row["shown_name"] or "" for row in tables.read(FILE_LINKS, step.partition)}
    in_files: dict[tuple[str, int | None], dict[str, int]] = {}
    in_entries: dict[str, dict[str, int]] = {}
    for row in tables.read(OCCURRENCES, step.partition):
        if row["slug"] not in slugs:
            continue
        if row["member_index"]:
            in_files.setdefault((row["slug"], row["fid"]), {})[row["member_path"]] = row["image_id"]
        else:
            in_entries.setdefault(row["slug"], {})[names.get((row["slug"], row["fid"]), "")] = row["image_id"]
    return in_files, in_entries


def _inside(rows: Sequence[AtlasRegionRow], image: ImageRow) -> dict[Cell, str]:
    """The regions that lie within the picture, each box once, by the first of its names."""
    width, height = image["width"] or 0, image["height"] or 0
    found: dict[Cell, str] = {}
    for row in sorted(rows, key=lambda row: row["number"]):
        top = height - row["y"] - row["height"] if row["from_below"] else row["y"]
        if row["x"] + row["width"] <= width and 0 <= top <= height - row["height"]:
            found.setdefault(Cell(row["x"], top, row["width"], row["height"]), row["name"])
    return found


def _box(cell: Cell) -> CellRow:
    return {"x": cell.x, "y": cell.y, "width": cell.width, "height": cell.height}


def _says(stored: CellRow, row: CellRow) -> bool:
    """Whether a stored row says what a new one would; confidences are float32 there."""
    return all(
        abs((stored["confidence"] or 0) - row["confidence"]) < 1e-6 if key == "confidence" else stored.get(key) == value
        for key, value in row.items()
    )
