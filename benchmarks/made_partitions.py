"""Partitions of made rows at real sizes, as the stages would leave them: tables, packs, vectors, parts and points."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from ogaart.core.stages import PARTITION_STAGES
from ogaart.imaging.identity import image_id
from ogaart.likeness import parts, subjects
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import Payload, Point
from ogaart.resources.index.collection import Collection
from ogaart.resources.index.payload import payload, payload_hash
from ogaart.resources.platform import Stores
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.packs import PackWriter
from ogaart.resources.storage.schema import ENTRIES, TABLES
from ogaart.resources.storage.vectors import Vectors
from ogaart.sites.licences import LICENCES

ENTRIES_EACH, PICTURES_EACH = 144, 32
PER_PARTITION = ENTRIES_EACH * PICTURES_EACH
ON_GROUND = 9  # every so many pictures stand on a flat ground: 11 % of real ones do
_WHEN = datetime(2026, 10, 1, 12, tzinfo=UTC)
_VOCABULARY, _WORDS = 40_000, 60  # distinct words, drawn as real texts are; words of a description
_BATCH = 2_000
_ARCHIVE = b"the file of every entry"
Rows = dict[str, list[dict[str, Any]]]


def partition_of(number: int) -> str:
    """The key of the n-th partition."""
    return f"all/{number}"


def make_partition(stores: Stores, number: int, *, flush: bool = True) -> None:
    """Make one partition with everything that a publication reads, and its points.

    Args:
        stores: where it is made.
        number: which one; its rows are the same each time.
        flush: whether the index may build what graphs have become worth it. Of many that are made one after the other
            the last one's flush is enough; what was not flushed is lost if the process ends before.
    """
    key, chance = partition_of(number), np.random.default_rng(number)
    space = VectorSpace.of(stores.settings)
    rows: Rows = {}
    content = stores.blobs.put(_ARCHIVE)
    written = {"partition": key, "fingerprint": _sha(key), "run_id": "made", "written_at": _WHEN}

    def add(table: str, **values: Any) -> dict[str, Any]:
        rows.setdefault(table, []).append({**values, **written})
        return rows[table][-1]

    draft = stores.tables.pack_draft("extracted_images", key)
    points: list[tuple[int, str, dict[str, Any]]] = []
    add("listings", url=f"https://site/?page={number}", status="ok", first=1, last=ENTRIES_EACH, total=ENTRIES_EACH,
        sha256=_sha(f"listing {number}"), fetched_at=_WHEN)  # fmt: skip
    with PackWriter(draft) as pack:
        for n in range(ENTRIES_EACH):
            slug = f"entry-{number}-{n}"
            entry = add("entries", **_entry(slug, number * ENTRIES_EACH + n + 1, chance))
            add("search_results", position=n, slug=slug, title=entry["title"], url=entry["url"], fetched_at=_WHEN)
            add("licence_history", slug=slug, licences=entry["licences"], licence_urls=entry["licence_urls"],
                first_read_at=_WHEN, last_read_at=_WHEN, changed_at=None, first_page_sha256=entry["page_sha256"],
                page_sha256=entry["page_sha256"])  # fmt: skip
            url, fid = f"https://site/files/{slug}.zip", number * ENTRIES_EACH + n + 1
            add("file_links", fid=fid, slug=slug, position=0, role="file", url=url, stored_name=f"{slug}.zip",
                shown_name=f"{slug}.zip", mime="application/zip", length=None)  # fmt: skip
            add("raw_files", fid=fid, slug=slug, url=url, status="ok", http_status=200, sha256=content,
                bytes=len(_ARCHIVE), type="zip", fetched_at=_WHEN)  # fmt: skip
            for member in range(PICTURES_EACH):
                name = f"{_word(chance)}/{_word(chance)} {member}.png"
                pixels = chance.bytes(32).hex()
                number_of = image_id(slug, pixels)
                offset, length = pack.add(f"thumbs/{number_of}.webp", chance.bytes(600))
                place = {"slug": slug, "fid": fid, "file_sha256": content, "member_index": str(member),
                         "member_path": name, "format": "png", "bytes": 4_000, "sha256": chance.bytes(32).hex(),
                         "image_id": number_of}  # fmt: skip
                add("members", status="picture", error_class=None, message=None, **place)
                add("occurrences", pack_offset=offset, pack_length=length, **place)
                image = add("images", **_image(number_of, slug, pixels, chance, offset, length))
                points.append((number_of, pixels, payload(image, entry, [f"{slug}.zip", name])))  # type: ignore[arg-type]
    _store(stores, space, points, add, chance, flush=flush)
    for stage in PARTITION_STAGES:
        mine = {table.name: rows.get(table.name, []) for table in TABLES if table.stage == stage}
        mine["steps"] = [{"stage": stage.value, "started_at": _WHEN, "ended_at": _WHEN + timedelta(seconds=2), "new": 1,
                          "stale": 0, "unchanged": 0, "orphaned": 0, "failed": 0, "pending": 0, **written}]  # fmt: skip
        stores.tables.commit(stage.value, key, mine, draft if stage.value == "extracted_images" else None)


def made_payloads(count: int) -> list[Payload]:
    """Payloads of so many pictures, made as ``make_partition`` makes them."""
    chance = np.random.default_rng(0)
    found: list[Payload] = []
    entry: dict[str, Any] = {}
    for number in range(count):
        if number % PICTURES_EACH == 0:
            entry = _entry(f"entry-{number // PICTURES_EACH}", number // PICTURES_EACH + 1, chance)
        image = _image(number, entry["slug"], chance.bytes(32).hex(), chance, 0, 600)
        found.append(payload(image, entry, [f"{_word(chance)} {number}.png"]))  # type: ignore[arg-type]
    return found


def change_entry(stores: Stores, number: int) -> None:
    """Read the first entry of a partition again, with another title and one licence more."""
    key = partition_of(number)
    rows = [dict(row) for row in stores.tables.read(ENTRIES, key)]
    rows[0] |= {"title": f"{rows[0]['title']} again", "favourites": 7}
    stores.tables.commit(ENTRIES.stage, key, {ENTRIES.name: rows})


def _entry(slug: str, nid: int, chance: np.random.Generator) -> dict[str, Any]:
    licence = LICENCES[nid % len(LICENCES)]
    author = f"Author {int(chance.zipf(1.4)) % 3_000}"
    return {
        "slug": slug, "url": f"https://site/content/{slug}", "nid": nid,
        "title": " ".join(_word(chance) for _ in range(4)), "author": author, "author_url": None, "submitter": author,
        "posted_at": datetime(2020, 1, 5), "art_type": "2D Art", "tags": [_word(chance) for _ in range(6)],  # noqa: DTZ001
        "licences": [licence.name], "licence_urls": [licence.url], "notice": None,
        "description": " ".join(_word(chance) for _ in range(_WORDS)), "favourites": int(nid % 50), "collections": [],
        "status": "ok", "http_status": 200, "page_sha256": _sha(slug), "content_hash": _sha(slug), "fetched_at": _WHEN,
    }  # fmt: skip


def _image(
    number: int, slug: str, pixels: str, chance: np.random.Generator, offset: int, length: int
) -> dict[str, Any]:
    side = int(chance.choice((16, 32, 64, 128, 512)))
    small = chance.integers(0, 255, (8, 8, 4), np.uint8)
    # As the tables have them, in 32 bits: by more digits a few payloads would differ from those of the rows.
    shares = sorted(chance.dirichlet(np.ones(8)).round(4).astype(np.float32).tolist(), reverse=True)
    return {
        "image_id": number, "slug": slug, "pixel_sha256": pixels, "pixels_version": 1, "width": side, "height": side,
        "mode": "RGBA", "format": "png", "frames": 1, "has_alpha": True, "colours": 40,
        "palette": chance.integers(0, 1 << 24, 8).tolist(), "palette_shares": shares, "pixel_art": side < 64,
        "signature": small.repeat(4, 0).repeat(4, 1).tobytes(), "thumb_offset": offset, "thumb_length": length,
    }  # fmt: skip


def _store(
    stores: Stores,
    space: VectorSpace,
    points: Sequence[tuple[int, str, dict[str, Any]]],
    add: Any,
    chance: np.random.Generator,
    *,
    flush: bool,
) -> None:
    """Vectors, what is derived from pixels, and points; with their rows."""
    keys = [pixels for _, pixels, _ in points]
    vectors = chance.gamma(0.4, size=(len(keys), space.dimension)).astype(np.float32)
    Vectors(stores.root.vectors, space.name).add(keys, vectors)
    raw = chance.integers(0, 255, (len(keys), parts.RAW_BYTES), np.uint8)
    derived = stores.root.derived
    DerivedBytes(derived, parts.SPACE).add({key: raw[n].tobytes() for n, key in enumerate(keys)})
    DerivedBytes(derived, subjects.SPACE).add({key: _subject(n, raw[n]) for n, key in enumerate(keys)})
    with Collection(stores, space).writer() as index:
        for start in range(0, len(points), _BATCH):
            some = points[start : start + _BATCH]
            index.upsert([Point(i, vectors[start + n], content) for n, (i, _, content) in enumerate(some)])
        if flush:
            index.flush()
    for i, pixels, content in points:
        add("embeddings", image_id=i, pixel_sha256=pixels, model=space.model, space=space.name, segment="made",
            row=0, norm=1.5, status="ok")  # fmt: skip
        add("points", image_id=i, collection="made", space=space.name, payload_hash=payload_hash(content))


def _subject(n: int, raw: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    if n % ON_GROUND:
        return b""
    return subjects.Subject(64, 64, np.zeros((32, 32, 4), np.uint8), raw).to_bytes()


@cache
def _vocabulary() -> list[str]:
    return [hashlib.sha256(str(n).encode()).hexdigest()[: 4 + n % 5].translate(_LETTERS) for n in range(_VOCABULARY)]


_LETTERS = str.maketrans("0123456789", "ghiklmnopr")


def _word(chance: np.random.Generator) -> str:
    return _vocabulary()[int(chance.zipf(1.2)) % _VOCABULARY]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
