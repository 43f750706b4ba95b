"""Families and animations of a publication: which of its pictures show the same, and which are frames of one thing."""

import posixpath
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from ogaart.likeness.families import Kin, KinKind, families, find_kin
from ogaart.likeness.frames import animations
from ogaart.resources.catalog.tables import FAMILIES, FRAMES, create_table

_PICTURES = """
SELECT i.image_id, i.slug, i.pixel_sha256, coalesce(i.width, 0) AS width, coalesce(i.height, 0) AS height,
    coalesce(i.format, '') AS format, coalesce(o.fid, 0) AS fid, coalesce(o.member_path, '') AS member_path,
    coalesce(f.shown_name, '') AS shown_name
FROM images AS i LEFT JOIN occurrences AS o ON o.image_id = i.image_id AND o.position = 0
LEFT JOIN files AS f ON f.slug = o.slug AND f.fid = o.fid AND f.role = 'file'
WHERE i.indexed QUALIFY row_number() OVER (PARTITION BY i.image_id ORDER BY f.position) = 1 ORDER BY i.image_id
"""


def write_kinship(con: duckdb.DuckDBPyConnection, arrays: Path, ids: Path) -> dict[str, int]:
    """Create the tables ``families`` and ``frames`` of a catalog.

    Args:
        con: connection whose default catalog holds the other tables.
        arrays: miniatures of the published images; see ``serving_files.write_signatures``.
        ids: their images, in that order.

    Returns:
        Rows by table.
    """
    found = con.sql(_PICTURES).to_arrow_table().to_pydict()
    places = np.load(ids)
    signatures = np.load(arrays, mmap_mode="r") if len(places) else np.zeros((0, 32, 32, 4), np.uint8)
    assert places.tolist() == found["image_id"], "both are in the order of ids"
    sizes = np.array([found["width"], found["height"]], np.int64).T.reshape(-1, 2)
    kin = find_kin(signatures, sizes, found["pixel_sha256"], _names(found), found["format"])
    runs = animations(_paths(found), sizes, signatures)
    number = found["image_id"]
    frames = [
        {"animation_id": number[run.frames[0]], "image_id": number[frame], "position": position, "kind": "numbered"}
        for run in runs
        for position, frame in enumerate(run.frames)
    ]
    con.register("given_families", pa.Table.from_pylist(_family_rows(number, kin), schema=FAMILIES.schema))
    con.register("given_frames", pa.Table.from_pylist(frames, schema=FRAMES.schema))
    return {table.name: create_table(con, table) for table in (FAMILIES, FRAMES)}


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


def _names(found: dict[str, list[str]]) -> list[str]:
    """What each picture is called in its entry, without folder and ending; empty where it has no name."""
    names = []
    for slug, path, shown in zip(found["slug"], found["member_path"], found["shown_name"], strict=True):
        stem = posixpath.splitext(posixpath.basename(path or shown))[0].lower()
        names.append(f"{slug}\0{stem}" if stem else "")
    return names
