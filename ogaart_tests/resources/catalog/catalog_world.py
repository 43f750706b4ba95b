"""A small world of rows as the stages would leave it, for the tests of the catalog and its publication."""

import hashlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import duckdb
import numpy as np

from ogaart.core.stages import PARTITION_STAGES
from ogaart.imaging import identity
from ogaart.resources.catalog.build import Source, build
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.index.base import Point, VectorIndex
from ogaart.resources.storage.objects import Cut
from ogaart.resources.storage.packs import PackWriter
from ogaart.resources.storage.schema import TABLES
from ogaart_tests.tables import open_tables

SPACE = "tiny-0-test-1"
WHEN = datetime(2024, 5, 1, 12, tzinfo=UTC)
POSTED = datetime(2020, 1, 5)  # noqa: DTZ001 - the site states no zone
Row = dict[str, Any]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def image_id(slug: str, picture: str) -> int:
    return identity.image_id(slug, sha(picture))


def vector(picture: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    seed = int(sha(picture)[:8], 16)
    found = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found), np.float32)


class Draft:
    """Rows of one partition, by table."""

    def __init__(self, lineage: Row, change: Callable[[str, Row], Row]) -> None:
        self.rows: dict[str, list[Row]] = {}
        self._lineage = lineage
        self._change = change

    def __call__(self, table: str, **values: Any) -> None:
        self.rows.setdefault(table, []).append(self._change(table, {**values, **self._lineage}))


class World:
    """Writes whole partitions of entries; each entry has files, each file has pictures (by name)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tables = open_tables(root)

    def partition(
        self,
        key: str,
        entries: dict[str, dict[str, list[str]]],
        *,
        fetched_at: datetime = WHEN,
        run: str = "run-1",
        until: str = "qdrant_collection",
        status: str = "ok",
        change: Callable[[str, Row], Row] = lambda _table, row: row,
    ) -> None:
        """Commit all stages of a partition up to ``until``; ``entries`` is slug -> file name -> picture names."""
        lineage = {"partition": key, "fingerprint": sha(key), "run_id": run, "written_at": fetched_at}
        add = Draft(lineage, change)
        add("listings", url=f"https://site/?page={key}", status="ok", first=1, last=len(entries), total=len(entries),
            sha256=sha("listing"), fetched_at=fetched_at)  # fmt: skip
        pack = self.root / "draft.zip"
        with PackWriter(pack) as writer:
            for n, (slug, files) in enumerate(entries.items()):
                add("search_results", position=n, slug=slug, title=slug, url=f"https://site/content/{slug}",
                    fetched_at=fetched_at)  # fmt: skip
                add("entries", slug=slug, url=f"https://site/content/{slug}", nid=crc32(slug.encode()),
                    title=f"Title of {slug}", author="Ann", author_url=None, submitter="Ann", posted_at=POSTED,
                    art_type="2D Art", tags=["tree", "forêt"], licences=["CC0"],
                    licence_urls=["https://creativecommons.org/publicdomain/zero/1.0/"], notice=None,
                    description="Some art", favourites=n, collections=[], status=status, http_status=200,
                    page_sha256=sha(slug), content_hash=sha(slug), fetched_at=fetched_at)  # fmt: skip
                add("licence_history", slug=slug, licences=["CC0"],
                    licence_urls=["https://creativecommons.org/publicdomain/zero/1.0/"],
                    first_read_at=POSTED.replace(tzinfo=UTC), last_read_at=fetched_at, changed_at=None,
                    first_page_sha256=sha("first"), page_sha256=sha(slug))  # fmt: skip
                for f, (name, pictures) in enumerate(files.items()):
                    self._file(add, writer, slug, 100 * n + f, name, pictures, fetched_at)
        for stage, names in STAGES.items():
            has_pack = stage == "extracted_images" and pack.exists()
            written = {t: add.rows.get(t, []) for t in names}
            written["steps"] = [
                {"stage": stage, "started_at": fetched_at, "ended_at": fetched_at + timedelta(seconds=2), "new": 1,
                 "requests": 3, "requests_saved": 1, "bytes": 10, "peak_bytes": 5, **lineage,
                 "embedded": 3 if stage == "embeddings" else None}
            ]  # fmt: skip
            self.tables.commit(stage, key, written, pack if has_pack else None)
            if stage == until:
                break
        pack.unlink(missing_ok=True)

    def _file(
        self,
        add: Draft,
        pack: PackWriter,
        slug: str,
        fid: int,
        name: str,
        pictures: list[str],
        fetched_at: datetime,
    ) -> None:
        url, content = f"https://site/files/{slug}/{name}", sha(name)
        add("file_links", fid=fid, slug=slug, position=0, role="file", url=url, stored_name=name, shown_name=name,
            mime="image/png", length=10)  # fmt: skip
        add("raw_files", fid=fid, slug=slug, url=url, status="ok", http_status=200, sha256=content, bytes=10,
            type=name.rsplit(".", 1)[-1], fetched_at=fetched_at)  # fmt: skip
        for m, picture in enumerate(pictures):
            image, loose = image_id(slug, picture), name.endswith(".png")
            index, path = ("", "") if loose else (str(m), f"art/{picture}.png")
            offset, length = pack.add(f"thumbs/{picture}.webp", f"thumb of {picture}".encode())
            place = {"slug": slug, "fid": fid, "file_sha256": content, "member_index": index, "member_path": path,
                     "format": "png", "bytes": 10, "sha256": sha(f"png {picture}"), "image_id": image}  # fmt: skip
            add("members", status="picture", error_class=None, message=None, **place)
            add("occurrences", pack_offset=None if loose else offset, pack_length=None if loose else length, **place)
            if any(row["image_id"] == image for row in add.rows.get("images", [])):
                continue
            add("images", image_id=image, slug=slug, pixel_sha256=sha(picture), pixels_version=1, width=16, height=8,
                mode="RGBA", format="png", frames=1, has_alpha=True, colours=3, palette=[0xFF0000, 0x00FF00],
                palette_shares=[0.75, 0.25], pixel_art=True, signature=hashlib.sha256(picture.encode()).digest() * 128,
                thumb_offset=offset, thumb_length=length)  # fmt: skip
            add("embeddings", image_id=image, pixel_sha256=sha(picture), model="tiny", space=SPACE, segment="s",
                row=m, norm=1.5, status="ok")  # fmt: skip
            add("points", image_id=image, collection="c", space=SPACE, payload_hash="not this one")

    def cut(self) -> Cut:
        """Everything committed, as of now."""
        return self.tables.cut()


STAGES = {stage.value: tuple(table.name for table in TABLES if table.stage == stage) for stage in PARTITION_STAGES}
LATER = WHEN + timedelta(days=3)
TWO_ENTRIES = {"oak": {"oak.png": ["oak"], "pack.zip": ["leaf", "oak"]}, "elm": {"elm.png": ["oak"]}}
ALL_OF_IT = (("oak", "oak"), ("oak", "leaf"), ("elm", "oak"))


def fill(index: VectorIndex, *images: tuple[str, str]) -> None:
    index.upsert([Point(image_id(slug, picture), vector(picture), {"slug": slug}) for slug, picture in images])


def publish(world: World, index: VectorIndex, cut: Cut | None = None, **source: object) -> Generation:
    generations = Generations(world.root / "generations")
    building = generations.begin()
    taken = cut or world.cut()
    build(Source(taken, SPACE, "tiny", **source), building.path, building.number, index)  # type: ignore[arg-type]
    (building.path / "index").mkdir()
    index.copy_to(building.path / "index")
    finished = building.finish()
    return generations.switch(finished.number)


def ask(generation: Generation, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(generation.catalog), read_only=True) as con:
        return con.execute(sql).fetchall()


def words(generation: Generation, sql: str, *values: object) -> list[tuple[object, ...]]:
    store = sqlite3.connect(f"{generation.words.as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        return store.execute(sql, values).fetchall()
    finally:
        store.close()
