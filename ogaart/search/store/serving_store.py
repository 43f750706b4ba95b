"""One generation's serving store, read only: rows of words.sqlite, signatures, thumbnails and originals."""

import json
import sqlite3
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.catalog.signature_files import open_signatures
from ogaart.resources.catalog.subject_files import SubjectFiles
from ogaart.resources.objects.store import ObjectStore
from ogaart.search.filters import Filters
from ogaart.search.results import EntryFields, EntryJson, Hit, HitJson, Info, LicenceStatement, NamedPicture
from ogaart.search.store.database import ServingDatabase
from ogaart.search.store.fulltext import WordMatcher
from ogaart.search.store.image_columns import ImageColumns
from ogaart.search.store.picture_files import FileSlice, Original
from ogaart.search.store.remembered_hits import MOST_WRITTEN, RememberedHits
from ogaart.words.index import WordIndex


class Brief(NamedTuple):
    """The little that ranking and folding need of an image."""

    image_id: int
    slug: str
    pixels: int
    """The same for images of equal pixels."""
    side: int
    """The smaller one, in pixels."""
    copy_id: int | None = None
    """The same for all copies of a picture, in whatever entries; None: the publication does not know."""
    animation_id: int | None = None
    """The same for all frames of an animation; None: it is in none."""


class PlaceRow(NamedTuple):
    """A file or member that holds the pixels of an image, as words.sqlite has it."""

    image_id: int
    nth: int
    """Its place in the catalog's order."""
    fid: int | None
    file_url: str | None
    file: str | None
    member_path: str | None
    file_sha256: str | None
    sha256: str | None
    format: str | None
    bytes: int | None
    slug: str
    pixels: str


class ServingStore:
    """Reads of one generation's folder; safe to use from many threads.

    Args:
        path: the generation's folder.
        number: its number.
        objects: where packs are read from that the folder has only links to; by default none are.
    """

    def __init__(self, path: Path, number: int, objects: ObjectStore | None = None) -> None:
        self.path = path
        self._objects = objects
        self._database = ServingDatabase(path)
        self._rows = self._database.rows
        self._signatures = open_signatures(path)
        self._ids = self._signatures.ids
        self.subjects = SubjectFiles(path)
        self.hits: RememberedHits[int, Hit] = RememberedHits()
        self.entries: RememberedHits[str, EntryFields] = RememberedHits()
        self.written: RememberedHits[int, HitJson] = RememberedHits(MOST_WRITTEN)
        self.written_entries: RememberedHits[str, EntryJson] = RememberedHits()
        self._names: RememberedHits[int, NamedPicture] = RememberedHits(MOST_WRITTEN)
        self.info = self._read_info(number)
        # Publications of earlier versions lack some tables and columns.
        self._has_licence_history = self._database.has("licence_history")
        self._has_collaborators = self._database.has("entries", "collaborators")
        self._has_renamed = self._database.has("renamed")
        self._has_renamed_entries = self._database.has("renamed_entries")
        self.with_files = "LEFT JOIN files USING (file)" if self._database.has("places", "file") else ""
        """What joins the names and URLs of files to the table ``places``, which has them itself in earlier versions."""
        numbered = self._database.has("packs")
        self._pack_path = "(SELECT path FROM packs WHERE packs.pack = i.pack)" if numbered else "i.pack"
        """A pack's path: earlier versions have it with each image."""
        self.knows_kinship = self._database.has("families")
        self.knows_parts = self._database.has("parts")
        indexed = self._database.word_layers()
        self.columns = ImageColumns(indexed.columns, self._rows)
        # By row, read once: each search looks hundreds of images up.
        self._copies = self._kin("families", "copy_id", self.columns.ids)
        self._animations = self._kin("frames", "animation_id", np.full(len(self.columns), -1, np.int64))
        self.words = WordIndex(indexed.layers, self.columns.entry_of, len(self.columns.slugs))
        self.matcher = WordMatcher(self.words, self.columns.with_colour)

    def close(self) -> None:
        """Close every idle connection; those in use close with their request."""
        self._database.close()

    def select(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of a query over words.sqlite, for lists that only one module needs.

        Order and limit are those of each of its files: what has them is ordered and limited again by who reads it.
        """
        return self._rows(sql, *values)

    def select_whole(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of a query over the tables of relations alone (``serving.layers.WHOLE``), of which one file has all."""
        return self._database.whole_rows(sql, *values)

    def select_of(self, image_id: int, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of a query over what belongs to one image."""
        return self._database.rows_of([image_id], sql, *values)

    def _read_info(self, number: int) -> Info:
        pairs = {row["key"]: row["value"] for row in self._database.whole_rows("SELECT key, value FROM info")}

        def text(*keys: str) -> str:
            return next((str(pairs[key]) for key in keys if pairs.get(key) is not None), "")

        return Info(
            generation=number,
            images=int(text("images") or 0),
            entries=int(text("entries") or 0),
            model=text("model"),
            space=text("space"),
            built_at=text("built_at"),
            newest_fetch=text("newest_fetched_at", "newest fetched_at", "fetched_at"),
            typical_cosine=float(text("typical_cosine") or 0) or None,
            unrelated_cosine=float(text("unrelated_cosine") or 0) or None,
        )

    def new_id(self, image_id: int) -> int | None:
        """The present id of an image that had another one before; None if none had this."""
        if not self._has_renamed:
            return None
        rows = self._database.whole_rows("SELECT new_image_id FROM renamed WHERE image_id = ?", image_id)
        return int(rows[0]["new_image_id"]) if rows else None

    def new_key(self, key: str) -> str:
        """The present key of an entry that had another one before; ``key`` itself if none had this."""
        if not self._has_renamed_entries:
            return key
        rows = self._database.whole_rows("SELECT new_slug FROM renamed_entries WHERE slug = ?", key)
        return str(rows[0]["new_slug"]) if rows else key

    # -- what ranking needs -------------------------------------------------------------------------------------------

    def palettes(self, ids: Sequence[int]) -> dict[int, tuple[tuple[int, float], ...]]:
        """Main colours of the images as 0xRRGGBB with their shares."""
        rows = self._database.rows_of(
            ids,
            "SELECT image_id, palette, palette_shares FROM images WHERE image_id IN (SELECT value FROM json_each(?))",
            json.dumps(list(ids)),
        )
        return {
            image_id: tuple(zip(json.loads(palette or "[]"), json.loads(shares or "[]"), strict=False))
            for image_id, palette, shares in rows
        }

    def briefs(self, ids: Sequence[int]) -> dict[int, Brief]:
        """What ranking and folding need of those images that the catalog holds."""
        rows = self.columns.rows(ids)
        rows = rows[rows >= 0]
        known = self.columns.ids[rows].tolist()
        entries = [self.columns.slugs[entry] for entry in self.columns.entry_of[rows].tolist()]
        shared = zip(known, entries, self.columns.pixels[rows].tolist(), self.columns.sides[rows].tolist(), strict=True)
        if not self.knows_kinship:
            return {one[0]: Brief(*one) for one in shared}
        kin = zip(self._copies[rows].tolist(), self._animations[rows].tolist(), strict=True)
        return {
            one[0]: Brief(*one, copy, None if animation < 0 else animation)
            for one, (copy, animation) in zip(shared, kin, strict=True)
        }

    def _kin(self, table: str, column: str, alone: NDArray[np.int64]) -> NDArray[np.int64]:
        """A column of the publication's families or animations by row; ``alone`` where an image has none."""
        values = alone.copy()
        if self.knows_kinship:
            rows_of = f"SELECT image_id, {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608
            found = self.select_whole(rows_of)
            both = np.array([tuple(row) for row in found], np.int64).reshape(-1, 2)
            rows = self.columns.rows(both[:, 0])
            values[rows[rows >= 0]] = both[rows >= 0, 1]
        return values

    def with_pixels_of(self, ids: Sequence[int]) -> list[int]:
        """Images of exactly the pixels of some images, in every entry, these among them."""
        rows = self.columns.with_pixels_of(self.columns.rows(ids))
        return [int(image_id) for image_id in self.columns.ids[rows].tolist()]

    def pixel_sha256(self, image_id: int) -> str | None:
        """The hash of an image's pixels; None for an id that the catalog does not hold."""
        query = "SELECT lower(hex(pixel_sha256)) AS pixels FROM images WHERE image_id = ?"
        rows = self._database.rows_of([image_id], query, image_id)
        return str(rows[0]["pixels"]) if rows else None

    def same_pixels(self, pixel_sha256: str) -> list[int]:
        """Images of exactly these pixels, in every entry."""
        rows = self._rows("SELECT image_id FROM images WHERE pixel_sha256 = ?", bytes.fromhex(pixel_sha256))
        return [row["image_id"] for row in rows]

    def signatures(self, ids: Sequence[int]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Signatures (N, 32, 32, 4) of the images, and which of them are known, in the order of ``ids``."""
        wanted = np.asarray(ids, dtype=np.int64)
        if not len(self._ids):
            return np.zeros((len(wanted), 32, 32, 4), np.uint8), np.zeros(len(wanted), np.bool_)
        rows = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        return self._signatures[rows], self._ids[rows] == wanted

    # -- rows ---------------------------------------------------------------------------------------------------------

    def image_rows(self, ids: Sequence[int]) -> dict[int, sqlite3.Row]:
        """The images' rows, by id."""
        rows = self._database.rows_of(
            ids,
            "SELECT *, lower(hex(pixel_sha256)) AS pixels FROM images"
            " WHERE image_id IN (SELECT value FROM json_each(?))",
            json.dumps(list(ids)),
        )
        return {row["image_id"]: row for row in rows}

    def named(self, ids: Sequence[int]) -> dict[int, NamedPicture]:
        """Sizes of the images and the files that they are in, by id."""
        found = self._names.known(ids)
        if unread := [image_id for image_id in ids if image_id not in found]:
            rows = self._database.rows_of(
                unread,
                "SELECT i.image_id, i.width, i.height, shown_name, p.member_path"  # noqa: S608
                f" FROM images i LEFT JOIN places p USING (image_id) {self.with_files}"
                " WHERE i.image_id IN (SELECT value FROM json_each(?)) ORDER BY p.rowid DESC",
                json.dumps(unread),
            )
            # The first place of each image, as a hit shows it.
            read = {row[0]: NamedPicture(row[0], row[1], row[2], f"{row[3] or ''}/{row[4] or ''}") for row in rows}
            self._names.keep(read)
            found |= read
        return found

    def place_rows(self, ids: Sequence[int]) -> list[PlaceRow]:
        """Every place of the pixels of these images, in whatever entry, in the catalog's order."""
        same = self.with_pixels_of(ids)
        rows = self._database.rows_of(
            same,
            "SELECT p.image_id, p.rowid, fid, file_url, shown_name, p.member_path,"  # noqa: S608
            f" {_digits('file_sha256')}, {_digits('p.sha256')}, p.format, p.bytes,"
            " i.slug, lower(hex(i.pixel_sha256)) AS pixels"
            f" FROM images i JOIN places p ON p.image_id = i.image_id {self.with_files}"
            " WHERE i.image_id IN (SELECT value FROM json_each(?))",
            json.dumps(same),
        )
        return sorted(map(PlaceRow._make, rows), key=itemgetter(0, 1))

    def licence_history(self, slug: str) -> tuple[LicenceStatement, ...]:
        """What an entry's page has said of its licences, the current statement first; empty where it is not known."""
        if not self._has_licence_history:
            return ()
        rows = self._database.rows_of(
            [slug],
            "SELECT licences, first_read_at, last_read_at, changed_at FROM licence_history"
            " WHERE slug = ? ORDER BY first_read_at DESC",
            slug,
        )
        return tuple(
            LicenceStatement(
                tuple(json.loads(row["licences"] or "[]")),
                row["first_read_at"] or "",
                row["last_read_at"] or "",
                row["changed_at"] or "",
            )
            for row in rows
        )

    def entry_rows(self, slugs: Sequence[str]) -> dict[str, sqlite3.Row]:
        """The entries' rows, by slug."""
        query = "SELECT * FROM entries WHERE slug IN (SELECT value FROM json_each(?))"
        rows = self._database.rows_of(slugs, query, json.dumps(list(slugs)))
        return {row["slug"]: row for row in rows}

    def spelled(self, filters: Filters) -> Filters:
        """The same filters with authors and tags as entries write them, where only capitals tell them apart."""
        authors, tags = self.columns.values["author"], self.columns.values["tags"]
        return filters.with_changes(
            authors=tuple(authors.commonest(name) for name in filters["authors"]),
            tags=tuple(tags.commonest(name) for name in filters["tags"]),
        )

    def slugs_by_title(self, text: str, count: int) -> list[str]:
        """Entries whose title begins with a text, or has a word that does, the shortest first."""
        rows = self._rows(
            "SELECT slug, length(title) AS length FROM entries WHERE slug IN (SELECT slug FROM images)"
            " AND (substr(lower(title), 1, length(?1)) = ?1 OR instr(lower(title), ' ' || ?1))"
            " ORDER BY length(title), slug LIMIT ?2",
            text,
            count,
        )
        return [row["slug"] for row in sorted(rows, key=lambda row: (row["length"], row["slug"]))[:count]]

    def ids_of_entries(self, slugs: Sequence[str]) -> list[int]:
        """All images of some entries."""
        rows = self._rows(
            "SELECT image_id FROM images WHERE slug IN (SELECT value FROM json_each(?))", json.dumps(list(slugs))
        )
        return [row["image_id"] for row in rows]

    def ids_of_authors(self, authors: Sequence[str]) -> list[int]:
        """All images of some authors or collaborators, named exactly as their entries name them."""
        wanted = json.dumps(list(authors))
        by = "author IN (SELECT value FROM json_each(?1))"
        if self._has_collaborators:
            by += " OR EXISTS (SELECT 1 FROM json_each(collaborators) WHERE value IN (SELECT value FROM json_each(?1)))"
        rows = self._rows(f"SELECT image_id FROM images JOIN entries USING (slug) WHERE {by}", wanted)  # noqa: S608
        return [row["image_id"] for row in rows]

    def blank_ids(self) -> list[int]:
        """Images in which nothing can be seen: fully transparent ones."""
        return [row["image_id"] for row in self._rows("SELECT image_id FROM images WHERE colours = 0")]

    def ids_of_file(self, file_url: str) -> list[int]:
        """All images in a file, by its URL."""
        of_file = "file IN (SELECT file FROM files WHERE file_url = ?)" if self.with_files else "file_url = ?"
        return [row["image_id"] for row in self._rows(f"SELECT image_id FROM places WHERE {of_file}", file_url)]  # noqa: S608

    # -- bytes --------------------------------------------------------------------------------------------------------

    def thumbnail(self, image_id: int) -> bytes | None:
        """The WebP thumbnail's bytes; None for an id that the catalog does not hold."""
        rows = self._database.rows_of(
            [image_id],
            f"SELECT {self._pack_path} AS pack, thumb_offset, thumb_length FROM images i WHERE image_id = ?",  # noqa: S608
            image_id,
        )
        if not rows or rows[0]["pack"] is None or rows[0]["thumb_offset"] is None:
            return None
        row = rows[0]
        place = FileSlice(self.path / row["pack"], row["thumb_offset"], row["thumb_length"], self._objects)
        return place.read()

    def original(self, image_id: int) -> Original | None:
        """Where the picture file's own bytes are; None for an id that the catalog does not hold."""
        rows = self._database.rows_of(
            [image_id],
            f"SELECT {self._pack_path} AS pack, shown_name, p.member_path, {_digits('file_sha256')}, p.format,"  # noqa: S608
            f" p.pack_offset, p.pack_length FROM images i JOIN places p USING (image_id) {self.with_files}"
            " WHERE image_id = ? ORDER BY p.rowid LIMIT 1",
            image_id,
        )
        if not rows:
            return None
        row = rows[0]
        inside = row["pack_offset"] is not None
        name = (row["member_path"] or row["shown_name"] or str(image_id)).replace("\\", "/").rsplit("/", 1)[-1]
        return Original(
            name=name,
            format=row["format"] or "",
            pack=self.path / row["pack"] if inside else None,
            offset=row["pack_offset"] or 0,
            length=row["pack_length"] or 0,
            blob_sha256=row["file_sha256"] or "",
        )

    def sample(self, count: int, seed: int) -> list[int]:
        """A few images from all over the catalog, the same for the same seed."""
        if not len(self._ids):
            return []
        chosen = np.random.default_rng(seed).choice(len(self._ids), size=min(count, len(self._ids)), replace=False)
        return [int(self._ids[row]) for row in chosen]


def _digits(column: str) -> str:
    """A hash as hexadecimal digits: it is stored as bytes, in earlier versions as digits."""
    name = column.rpartition(".")[2]
    return f"CASE typeof({column}) WHEN 'blob' THEN lower(hex({column})) ELSE {column} END AS {name}"
