"""A small publication of real pictures, written as the catalog writes it, with vectors that need no model.

``vector_of`` replaces the model: a picture's colours on mid-grey, on an 8 x 8 grid. All else is as published.
"""

import functools
import hashlib
import io
import json
import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ogaart.imaging import identity, thumbnails
from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import Picture, decode
from ogaart.likeness import features, signatures
from ogaart.likeness.grounds import without_ground
from ogaart.likeness.patches import patches as patches_of
from ogaart.likeness.query_patches import QueryPatches
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.index.base import Point
from ogaart.resources.index.factory import open_index
from ogaart.resources.index.payload import payload
from ogaart.resources.patches.runs import write_run
from ogaart.resources.serving import rows as serving_rows
from ogaart.resources.storage.blobs import Blobs
from ogaart.resources.storage.rows import EntryRow, ImageRow
from ogaart.resources.storage.schema import ENTRIES as ENTRY_TABLE
from ogaart.resources.storage.schema import IMAGES
from ogaart.resources.storage.table_types import Table
from ogaart.resources.storage.tables import R
from ogaart.search.query import Box, QueryPicture
from ogaart.settings import Settings
from ogaart.sites.licences import lookup
from ogaart.words.index_tables import write_word_index

ART = Path(__file__).parents[2] / "ogaart" / "demo" / "art"
SPACE = "colourgrid-1"
DIMENSION = 193
FAVOURITES = 3
SITE = "https://opengameart.org"


@dataclass(frozen=True)
class Entry:
    """One entry of the tiny site: which pictures, under which names, in which archive (none: loose files)."""

    slug: str
    title: str
    author: str
    licences: tuple[str, ...]
    tags: tuple[str, ...]
    art: str
    most: int = 12
    archive: str = ""
    notice: str = ""
    description: str = ""
    names: tuple[str, ...] = ()
    collaborators: tuple[str, ...] = ()


ENTRIES = (
    Entry("alien-platformer", "Alien platformer character", "Kenney", ("CC0",), ("alien", "character"),
          "pypi-arcade/alien/*.png", archive="alien blue.zip", description="A blue alien: walking, jumping, climbing."),
    Entry("robot-animated", "Robot, animated", "Kenney", ("CC0", "CC-BY 3.0"), ("robot", "character", "animated"),
          "pypi-arcade/animated_characters/robot/*.png", archive="robot.7z"),
    Entry("playing-cards", "Playing cards", "Kenney", ("CC-BY-SA 3.0",), ("card", "ui"), "pypi-arcade/cards/*.png",
          archive="cards.zip"),
    Entry("enemies", "Enemies <script>alert(1)</script>", "Evil & \"Sons\" <b>", ("GPL 2.0",), ("enemy", "frog"),
          "pypi-arcade/enemies/*.png", notice="Please credit <Evil & Sons>\nand link http://evil.example/"),
    Entry("enemies-again", "Enemies, once more", "Somebody else", ("CC-BY 4.0",), ("enemy",),
          "pypi-arcade/enemies/*.png", most=3),
    Entry("space-shooter", "Space shooter", "Kenney", ("CC0",), ("space", "ship"), "pypi-arcade/space_shooter/*.png",
          most=20, archive="space shooter.tar.gz"),
    Entry("tanks", "Top-down tanks", "Kenney", ("OGA-BY 3.0",), ("tank", "vehicle"),
          "pypi-arcade/topdown_tanks/*.png", most=20, archive="tanks.zip"),
    Entry("planets-set-n°1", "Planets set n°1 — 惑星", "Дмитрий", ("CC-BY 3.0",), ("planet", "space"),
          "naev-data/space/**/*.png", most=8, names=("100% planet #1 + ring.png", "惑星 地球.png")),
    Entry("unknown-licence", "Gallery of the unknown", "Nobody", ("All rights reversed",), ("icon",),
          "naev-data/commodity/*.png", most=6),
    Entry("textures", "Minimal textures", "Celeron55", ("CC-BY-SA 4.0", "LGPL 2.1"), ("texture", "tile", "pixel art"),
          "minetest-data/textures/*.png", most=24, archive="textures.zip"),
)  # fmt: skip


def vector_of(rgba: NDArray[np.uint8]) -> NDArray[np.float32]:
    """In place of the model: colours on a grid, and a constant so that no vector is zero."""
    premultiplied = signatures.signature(rgba).astype(np.float32) / 255
    on_grey = premultiplied[..., :3] + (1 - premultiplied[..., 3:]) * 0.5
    grid = np.append(on_grey.reshape(8, 4, 8, 4, 3).mean(axis=(1, 3)).reshape(-1) - 0.5, 0.05)
    return np.asarray(grid / np.linalg.norm(grid), np.float32)


class GridImageReader:
    """Looks at pictures as the service's own eyes do, but with ``vector_of``, and in this process: tests trust them."""

    def __init__(self, *, patches: bool = False) -> None:
        self._patches = patches

    def read_image(self, content: bytes, box: Box | None, space: str) -> QueryPicture:
        rgba = _cut(content, box)
        subject = without_ground(rgba)
        return replace(
            self._described(rgba, space),
            part=box is not None,
            subject=None if subject is None else self._described(subject, space),
            thumbnail=thumbnails.webp(rgba),
        )

    def _described(self, rgba: NDArray[np.uint8], space: str) -> QueryPicture:
        found = _described(rgba, space)
        return replace(found, patches=QueryPatches.of(rgba)) if self._patches else found

    def thumbnail(self, content: bytes, box: Box | None) -> bytes:
        return thumbnails.webp(_cut(content, box))

    def close(self) -> None:
        pass


def _described(rgba: NDArray[np.uint8], space: str) -> QueryPicture:
    return QueryPicture(
        pixel_sha256=identity.pixel_sha256(rgba),
        signature=signatures.signature(rgba),
        vector=vector_of(rgba),
        space=space,
        width=rgba.shape[1],
        height=rgba.shape[0],
        palette=features.main_colours(rgba),
    )


def _cut(content: bytes, box: Box | None) -> NDArray[np.uint8]:
    rgba = decode(content, Limits()).rgba
    return rgba if box is None else box.cut(rgba)


def png(rgba: NDArray[np.uint8]) -> bytes:
    """A picture as PNG."""
    out = io.BytesIO()
    Image.fromarray(rgba).save(out, "PNG")
    return out.getvalue()


def pictures(entry: Entry) -> list[Path]:
    """The picture files of an entry, in order; of one with a path from the root on, those."""
    folder = Path("/") if entry.art.startswith("/") else ART
    return sorted(folder.glob(entry.art.lstrip("/")))[: entry.most]


def image_id(slug: str, index: int) -> int:
    """The id of an entry's picture."""
    entry = next(entry for entry in ENTRIES if entry.slug == slug)
    rgba = decode(pictures(entry)[index], Limits()).rgba
    return identity.image_id(slug, identity.pixel_sha256(rgba))


def publish(settings: Settings, entries: tuple[Entry, ...] = ENTRIES, *, patches: bool = False) -> int:
    """Publish the entries as the next generation, with their patches or, as before there were any, without.

    Returns:
        Its number.
    """
    generations = Generations(settings.data / "generations")
    building = generations.begin()
    store = sqlite3.connect(building.path / "words.sqlite")
    store.executescript(serving_rows.serving_ddl())
    blobs = Blobs(settings.data / "blobs")
    found: dict[int, Any] = {}
    pack = building.path / "packs" / "extracted_images" / "tiny" / "0000.zip"
    pack.parent.mkdir(parents=True)
    store.execute("INSERT INTO packs VALUES (1, ?)", (str(pack.relative_to(building.path)),))
    points: list[Point] = []
    with pack.open("wb") as packed:
        for entry in entries:
            _write_entry(store, entry)
            for n, path in enumerate(pictures(entry)):
                point, signature = _write_picture(store, blobs, packed, entry, n, path)
                points.append(point)
                found[point.id] = signature
    store.executescript(serving_rows.INDEXES)
    write_word_index(store)
    facts = {"generation": building.number, "space": SPACE, "model": "efficientnet_lite0", "images": len(found),
             "entries": len(entries), "built_at": "2026-10-02T08:00:00+00:00",
             "newest_fetched_at": "2026-10-01T03:37:00+00:00", "typical_cosine": 0.45}  # fmt: skip
    store.executemany("INSERT INTO info VALUES (?, ?)", facts.items())
    store.commit()
    store.close()
    ids = np.array(sorted(found), np.int64)
    np.save(building.path / "signature_ids.npy", ids)
    np.save(building.path / "signatures.npy", np.stack([found[i] for i in ids]))
    if patches:
        looked_at = (_looked_at(path)[1].rgba for entry in entries for path in pictures(entry))
        found_in = {identity.pixel_sha256(rgba): patches_of(rgba) for rgba in looked_at}
        write_run(building.path / "patches", list(found_in.items()))
    with open_index(settings, building.path / "index", SPACE, DIMENSION) as index:
        index.upsert(points)
        index.flush()
    manifest = {"number": building.number, "space": SPACE, "model": facts["model"], "dimension": DIMENSION,
                "counts": {}}  # fmt: skip
    (building.path / "manifest.json").write_text(json.dumps(manifest))
    building.finish()
    generations.switch(building.number)
    return building.number


def _write_entry(store: sqlite3.Connection, entry: Entry) -> None:
    urls = [found.url if (found := lookup(name)) else f"{SITE}/unknown" for name in entry.licences]
    store.execute(
        "INSERT INTO entries(slug, title, author, author_url, submitter, posted_at, art_type, tags,"
        " licences, licence_urls, notice,"
        " description, page_url, fetched_at, favourites, collaborators) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (entry.slug, entry.title, entry.author, f"{SITE}/users/x", entry.author, "2026-10-01T03:37:00", "2D Art",
         json.dumps(entry.tags), json.dumps(entry.licences), json.dumps(urls), entry.notice or None,
         entry.description, f"{SITE}/content/{entry.slug}", "2026-10-01T03:37:00Z", FAVOURITES,
         json.dumps(entry.collaborators)),
    )  # fmt: skip


@functools.cache
def _looked_at(path: Path) -> tuple[bytes, Picture, features.Features, bytes]:
    content = path.read_bytes()
    picture = decode(content, Limits())
    return content, picture, features.describe(picture.rgba), thumbnails.webp(picture.rgba)


def _empty(table: Table[R]) -> R:
    """A row as a stage reads it, whose columns have no value: a payload may read any of them."""
    return cast("R", dict.fromkeys(table.schema.names))


def _write_picture(
    store: sqlite3.Connection, blobs: Blobs, packed: Any, entry: Entry, n: int, path: Path
) -> tuple[Point, NDArray[np.uint8]]:
    content, picture, seen, thumb = _looked_at(path)
    rgba = picture.rgba
    pixels = identity.pixel_sha256(rgba)
    number = identity.image_id(entry.slug, pixels)
    height, width = rgba.shape[:2]
    offset = packed.tell()
    packed.write(thumb)
    inner = packed.tell()
    name = entry.names[n] if n < len(entry.names) else path.name
    if entry.archive:
        packed.write(content)
        file, member, sha = entry.archive, f"PNG/{name}", hashlib.sha256(entry.archive.encode()).hexdigest()
    else:
        file, member, sha = name, "", blobs.put(content)
    store.execute(
        "INSERT OR REPLACE INTO images(image_id, slug, pixel_sha256, width, height, mode, format, frames,"
        " has_alpha, colours, palette,"
        " palette_shares, pixel_art, pack, thumb_offset, thumb_length)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (number, entry.slug, bytes.fromhex(pixels), width, height, picture.mode, picture.format, picture.frames,
         seen.has_alpha, seen.colours, json.dumps(seen.palette), json.dumps(seen.palette_shares), seen.pixel_art,
         1, offset, len(thumb)),
    )  # fmt: skip
    of_file = (n, f"{SITE}/sites/default/files/{quote(file)}", file, bytes.fromhex(sha))
    file_number = store.execute("INSERT INTO files VALUES (NULL,?,?,?,?)", of_file).lastrowid
    store.execute(
        "INSERT INTO places VALUES (?,?,?,?,?,?,?,?)",
        (number, file_number, member, hashlib.sha256(content).digest(), picture.format, len(content),
         inner if entry.archive else None, len(content) if entry.archive else None),
    )  # fmt: skip
    image: ImageRow = {
        **_empty(IMAGES),
        "pixel_sha256": pixels, "width": width, "height": height, "has_alpha": seen.has_alpha, "frames": picture.frames,
        "pixel_art": seen.pixel_art, "colours": seen.colours, "palette": list(seen.palette),
        "palette_shares": list(seen.palette_shares),
    }  # fmt: skip
    content_page: EntryRow = {
        **_empty(ENTRY_TABLE),
        "slug": entry.slug, "title": entry.title, "author": entry.author, "art_type": "2D Art",
        "tags": list(entry.tags), "collaborators": list(entry.collaborators), "licences": list(entry.licences),
        "description": entry.description, "fetched_at": datetime(2026, 9, 21, tzinfo=UTC), "favourites": FAVOURITES,
    }  # fmt: skip
    return Point(number, vector_of(rgba), payload(image, content_page, (file, member))), signatures.signature(rgba)
