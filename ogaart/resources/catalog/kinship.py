"""Families and animations of a publication: which of its pictures show the same, and which are frames of one thing."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ogaart.likeness.families import DESCRIBED, Kin, KinKind, describe, families, find_kin
from ogaart.likeness.frames import animations
from ogaart.resources.catalog.generations import KIN
from ogaart.resources.catalog.signature_files import open_signatures
from ogaart.resources.catalog.tables import FAMILIES, FRAMES
from ogaart.resources.index.recall import Pictures
from ogaart.resources.storage.array_parts import ArrayParts, RowKind, Rows, write_array

_PLACED = """
SELECT i.image_id, i.slug, coalesce(i.width, 0) AS width, coalesce(i.height, 0) AS height,
    coalesce(i.format, '') AS format, coalesce(o.fid, 0) AS fid, coalesce(o.member_path, '') AS member_path,
    coalesce(f.shown_name, '') AS shown_name
FROM {images} AS i LEFT JOIN occurrences AS o ON o.image_id = i.image_id AND o.position = 0
LEFT JOIN files AS f ON f.slug = o.slug AND f.fid = o.fid AND f.role = 'file'
WHERE i.indexed QUALIFY row_number() OVER (PARTITION BY i.image_id ORDER BY f.position) = 1 ORDER BY i.image_id
"""
"""Where the published pictures are, of the table or query ``images``."""
_SEVERAL_FORMATS = """(FROM images SEMI JOIN (
    SELECT slug FROM images WHERE indexed GROUP BY slug HAVING min(coalesce(format, '')) <> max(coalesce(format, '')))
    USING (slug))"""
"""The images of entries that have them in several formats: in others no two differ in it."""
_STEM = (
    "regexp_replace(ltrim(parse_filename(if(member_path = '', shown_name, member_path), false, 'forward_slash'), '.'),"
    " '[.][^.]*$', '')"
)
"""A picture's name without its ending, nearly: pictures whose names are equal without it have this in common."""
_NAMED = f"""
SELECT image_id, slug, format, member_path, shown_name FROM ({_PLACED.format(images=_SEVERAL_FORMATS)})
WINDOW same AS (PARTITION BY slug, lower({_STEM})) QUALIFY min(format) OVER same <> max(format) OVER same
ORDER BY image_id
"""  # noqa: S608
_DESCRIPTION = RowKind((DESCRIBED,), np.uint8)
_BATCH = 2_048
_ROWS = 8_192


def find_kinship(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    pictures: Pictures,
    shared: Path | None = None,
    *,
    affected: bool = False,
) -> None:
    """Make the rows of the tables ``families`` and ``frames`` of a catalog, as ``given_families`` and ``given_frames``.

    Args:
        con: connection whose default catalog holds the other tables.
        path: the generation's folder, which holds the miniatures.
        pictures: those that are published.
        shared: the folder of a publication whose descriptions of miniatures are linked; None: all are made.
        affected: whether the table ``frames`` is that of a publication from which only the images in the temporary
            table ``affected_images`` differ.
    """
    ids = pictures.ids
    stored = open_signatures(path)
    assert np.array_equal(stored.ids, ids), "both are in the order of ids"
    signatures = cast("NDArray[np.uint8]", stored)  # read as a mapped array is
    described = _descriptions(path, ids, signatures, shared)
    names, formats = _names(con, ids)
    kin = find_kin(signatures, _sizes(con), pictures.repeated(), names, formats, described)
    rows = _family_rows(ids.tolist(), kin)
    con.register("given_families", pa.Table.from_pylist(rows, schema=FAMILIES.schema))
    con.register(
        "found_frames", pa.Table.from_pylist(_frame_rows(con, ids, signatures, affected=affected), FRAMES.schema)
    )
    others = " UNION ALL FROM frames ANTI JOIN affected_images USING (image_id)" if affected else ""
    con.execute(f"CREATE OR REPLACE TEMP TABLE given_frames AS FROM found_frames{others}")


def _sizes(con: duckdb.DuckDBPyConnection) -> NDArray[np.int64]:
    """(N, 2) width and height of the published images, by rising id."""
    found = con.execute(
        "SELECT image_id, coalesce(width, 0) AS width, coalesce(height, 0) AS height FROM images WHERE indexed"
    ).fetchnumpy()
    sizes = np.array([found["width"], found["height"]], np.int64).T.reshape(-1, 2)
    return np.asarray(sizes[np.argsort(found["image_id"])])


def _descriptions(
    path: Path, ids: NDArray[np.int64], signatures: NDArray[np.uint8], shared: Path | None
) -> NDArray[np.uint8]:
    """What the miniatures are compared by: written beside them, and mapped."""

    def made(some: NDArray[np.int64]) -> Rows:
        places = np.searchsorted(ids, some)
        for start in range(0, len(some), _BATCH):
            part = slice(start, start + _BATCH)
            yield some[part], describe(signatures[places[part]])

    before = shared / KIN if shared is not None else None
    write_array(path / KIN, ids, _DESCRIPTION, before, made)
    return cast("NDArray[np.uint8]", ArrayParts.open(path / KIN, _DESCRIPTION))  # read as a mapped array is


def _frame_rows(
    con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64], signatures: NDArray[np.uint8], *, affected: bool
) -> list[dict[str, Any]]:
    """The rows of frames: of affected images, or of all."""
    images = "(FROM images SEMI JOIN affected_images USING (image_id))" if affected else "images"
    found = con.sql(f"FROM ({_PLACED.format(images=images)}) ORDER BY slug, image_id").to_arrow_table()
    rows = [row for some in by_entry(found) for row in _frames_of(some.to_pydict(), ids, signatures)]
    return sorted(rows, key=lambda row: (row["animation_id"], row["position"]))


def by_entry(table: pa.Table, at_once: int = _ROWS) -> Iterator[pa.Table]:
    """A table that is sorted by ``slug`` in parts of whole entries, each of so many rows at least but the last."""
    slugs = table["slug"].combine_chunks()
    first = np.flatnonzero(pc.not_equal(slugs[1:], slugs[:-1]).to_numpy(zero_copy_only=False)) + 1
    start = 0
    for end in [*first.tolist(), len(table)]:
        if end - start >= at_once or end == len(table):
            yield table.slice(start, end - start)
            start = end


def _frames_of(
    found: dict[str, list[Any]], ids: NDArray[np.int64], signatures: NDArray[np.uint8]
) -> Iterator[dict[str, Any]]:
    """The rows of frames of some entries."""
    sizes = np.array([found["width"], found["height"]], np.int64).T.reshape(-1, 2)
    number = found["image_id"]
    places = np.searchsorted(ids, np.array(number, np.int64))
    for run in animations(_paths(found), sizes, cast("NDArray[np.uint8]", _Chosen(signatures, places))):
        for position, frame in enumerate(run.frames):
            yield {
                "animation_id": number[run.frames[0]],
                "image_id": number[frame],
                "position": position,
                "kind": "numbered",
            }


class _Chosen:
    """Some rows of an array, which are read where they are wanted."""

    def __init__(self, rows: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
        self._rows = rows
        self._places = places

    def __getitem__(self, wanted: list[int]) -> NDArray[np.uint8]:
        return self._rows[self._places[wanted]]


def _family_rows(number: list[int], kin: list[Kin]) -> list[dict[str, object]]:
    """A row for each picture that has kin: with whom it has most in common, and the family's head."""
    best: dict[int, tuple[float, int, Kin]] = {}
    for pair in kin:
        for one, other in ((pair.one, pair.other), (pair.other, pair.one)):
            if one not in best or pair.evidence > best[one][0]:
                best[one] = (pair.evidence, other, pair)
    heads = families(len(number), kin)
    copies = families(len(number), [pair for pair in kin if pair.kind is not KinKind.RECOLOUR])
    return [
        {
            "family_id": number[int(heads[place])],
            "copy_id": number[int(copies[place])],
            "image_id": number[place],
            "like_image_id": number[other],
            "kind": pair.kind.value,
            "evidence": evidence,
        }
        for place, (evidence, other, pair) in sorted(best.items())
    ]


def _paths(found: dict[str, list[str]]) -> list[str]:
    """Where each picture is: its entry, its archive, and its path there or the name that the page shows."""
    return [
        f"{slug}\0{fid if path else ''}\0{path or shown}"
        for slug, fid, path, shown in zip(
            found["slug"], found["fid"], found["member_path"], found["shown_name"], strict=True
        )
    ]


def _names(con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64]) -> tuple[list[str], list[str]]:
    """What each picture is called in its entry, without folder and ending, and its format.

    Empty where no other format of its entry has that name, or it has none.
    """
    names, formats = [""] * len(ids), [""] * len(ids)
    found = con.execute(_NAMED).fetchall()
    places = np.searchsorted(ids, np.array([row[0] for row in found], np.int64)).tolist()
    for place, (_, slug, kind, path, shown) in zip(places, found, strict=True):
        stem = posixpath.splitext(posixpath.basename(path or shown))[0].lower()
        names[place], formats[place] = f"{slug}\0{stem}" if stem else "", kind
    return names, formats
