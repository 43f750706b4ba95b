"""The service's own files of a generation: words.sqlite (rows and the index of terms) and the signatures.

The service opens no DuckDB: an analyst may hold that file open for writing, which locks everybody else out.

A publication that takes over what did not change links the words.sqlite of the one before, its base, and writes what
differs from it to words-delta.sqlite (see ``serving.layers``), which is a copy of that of the one before with the rows
of affected entries written again. Once that has more than a share of the base's pictures, both become a new base.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ogaart.resources.catalog.cut import rows_of
from ogaart.resources.catalog.generation_files import link_file
from ogaart.resources.catalog.generations import HASHES
from ogaart.resources.catalog.signature_files import SIGNATURE
from ogaart.resources.serving.layers import OF_ENTRIES, WORDS, WORDS_DELTA, has_delta, immutable
from ogaart.resources.serving.rows import INDEXES, ROWS, SMALL, copy_rows, serving_ddl, update_rows
from ogaart.resources.storage.array_parts import Rows, write_array
from ogaart.resources.storage.file_hashes import copy_as_recorded, is_as_recorded
from ogaart.resources.storage.objects import Cut
from ogaart.resources.storage.schema import IMAGES
from ogaart.words.index_layers import BASE_PIXELS
from ogaart.words.index_tables import INDEX_TABLES, analyse, image_counts, write_word_index
from ogaart.words.index_update import update_word_index

LARGEST_DELTA = 0.15
"""How many pictures a file of differences may have and replace, as a share of the base's.

Of half a million pictures with 4,608 more each time, it and the bases are 54 MB for each publication on average, by
arithmetic; at a quarter of the base they would be 62 MB.
"""
_BATCH = 2_000  # rows in Python at once
_PARTITIONS = 8  # whose signatures are read at once: some 40,000 of 4 KB
_REPLACED = """
CREATE TABLE replaced_entries(slug TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE replaced_images(image_id INTEGER PRIMARY KEY);
CREATE TABLE gone_terms(name TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID;
CREATE TABLE gone_words(name TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID;
"""
"""Tables of a file of differences: what of the base does not count, and in how much of that each term and word is."""


def write_words(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    info: Mapping[str, Any],
    shared: Path | None = None,
    *,
    affected: bool = False,
    largest_delta: float = LARGEST_DELTA,
) -> dict[str, int]:
    """Write words.sqlite: what the published collection holds, and nothing else.

    Args:
        con: connection whose default catalog holds the finished tables.
        folder: where to make it.
        info: facts for its table ``info``.
        shared: the folder of a publication, whose index is taken over for entries all of whose images are in the
            table ``unchanged``; None: all texts are read.
        affected: whether the temporary table ``affected`` has every entry of which a row differs from that publication:
            its file is shared then, and only their rows are written; ``affected_images`` has their images.
        largest_delta: as ``LARGEST_DELTA``.

    Returns:
        Rows of its tables, as ``words_<table>``.
    """
    if affected and shared is not None:
        write = _write_delta if _delta_pays(con, shared, largest_delta) else _write_changed
        with suppress(sqlite3.Error, _Damaged):
            return write(con, folder, info, shared)
    _remove(folder)
    with closing(_open_new(folder / WORDS)) as store:
        store.executescript(serving_ddl())
        for table, query in {**ROWS, **SMALL}.items():
            copy_rows(con, store, table, query)
        store.executescript(INDEXES)
        counts = {"words_words": _write_index(con, store, shared)}
        counts |= {f"words_{table}": _count(store, table) for table in (*ROWS, *SMALL)}
        _finish(store, info, counts)
        store.executescript("ANALYZE;")
    return counts


class _Damaged(Exception):
    """A file of the publication before is not as it was written."""


def _open_new(path: Path) -> sqlite3.Connection:
    """A file that nothing reads yet."""
    store = sqlite3.connect(path.absolute().as_uri(), uri=True)
    # A torn file is thrown away whole with its unfinished generation: no journal is needed while it is made.
    store.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA page_size = 8192;")
    return store


def _finish(store: sqlite3.Connection, info: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    facts = {
        **{key: value for key, value in info.items() if key != "number"},
        "generation": info["number"],
        "images": counts["words_images"],
        "entries": counts["words_entries"],
    }
    store.execute("DELETE FROM info")
    store.executemany("INSERT INTO info VALUES (?, ?)", facts.items())
    store.commit()
    store.executescript("PRAGMA main.journal_mode = DELETE;")


def _remove(folder: Path) -> None:
    """Delete what was linked or begun: nothing is written into a file that another publication has."""
    for name in (WORDS, WORDS_DELTA):
        (folder / name).unlink(missing_ok=True)


def _count(store: sqlite3.Connection, table: str) -> int:
    return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


# -- a new base -------------------------------------------------------------------------------------------------------


def _write_changed(
    con: duckdb.DuckDBPyConnection, folder: Path, info: Mapping[str, Any], shared: Path
) -> dict[str, int]:
    """Copy the base of a publication and write in the copy all that differs from it."""
    if not copy_as_recorded(shared, shared / HASHES, WORDS, folder / WORDS):
        raise _Damaged
    _choose_differing(con, shared)
    with closing(_open_new(folder / WORDS)) as store:
        update_rows(con, store, "differing")
        unchanged = dict(
            store.execute("SELECT slug, count(*) FROM images WHERE slug NOT IN (SELECT slug FROM chosen) GROUP BY slug")
        )
        with closing(sqlite3.connect(immutable(shared / WORDS), uri=True)) as earlier:
            images = update_word_index(store, earlier, unchanged)
        counts = {"words_words": images if images is not None else write_word_index(store)}
        counts |= {f"words_{table}": _count(store, table) for table in (*ROWS, *SMALL)}
        _finish(store, info, counts)
    return counts


def _choose_differing(con: duckdb.DuckDBPyConnection, shared: Path) -> None:
    """Make the temporary table ``differing``: the entries of ``affected``, and those that differ from the base."""
    con.execute("CREATE OR REPLACE TEMP TABLE differing AS FROM affected")
    con.register("overridden", pa.table({"slug": pa.array(_overridden(shared), pa.string())}))
    con.execute("INSERT INTO differing FROM overridden EXCEPT FROM affected")
    con.unregister("overridden")


def _overridden(shared: Path) -> list[str]:
    """The entries of which a publication's file of differences, if it has one, tells and not its base."""
    if not has_delta(shared):
        return []
    if not is_as_recorded(shared, shared / HASHES, (WORDS_DELTA,)):
        raise _Damaged
    with closing(sqlite3.connect(immutable(shared / WORDS_DELTA), uri=True)) as delta:
        return [slug for (slug,) in delta.execute("SELECT slug FROM replaced_entries UNION SELECT slug FROM entries")]


# -- what differs from the base ---------------------------------------------------------------------------------------


def _delta_pays(con: duckdb.DuckDBPyConnection, shared: Path, largest: float) -> bool:
    """Whether what differs from a publication's base, with the affected entries, is not too much of it."""
    [(pictures,)] = con.execute("SELECT count(*) FROM affected_images").fetchall()
    try:
        with closing(sqlite3.connect(immutable(shared / WORDS), uri=True)) as base:
            of_base = _count(base, "images")
        if has_delta(shared):
            with closing(sqlite3.connect(immutable(shared / WORDS_DELTA), uri=True)) as delta:
                pictures += _count(delta, "images") + _count(delta, "replaced_images")
    except sqlite3.Error:
        return False
    return bool(pictures <= largest * of_base)


def _write_delta(con: duckdb.DuckDBPyConnection, folder: Path, info: Mapping[str, Any], shared: Path) -> dict[str, int]:
    """Link the base of a publication, and write what differs from it."""
    if not is_as_recorded(shared, shared / HASHES, (WORDS,)):
        raise _Damaged
    link_file(shared / WORDS, folder / WORDS)
    there = has_delta(shared)
    if there and not copy_as_recorded(shared, shared / HASHES, WORDS_DELTA, folder / WORDS_DELTA):
        raise _Damaged
    with (
        closing(_open_new(folder / WORDS_DELTA)) as store,
        closing(sqlite3.connect(immutable(folder / WORDS), uri=True)) as base,
    ):
        if not there:
            store.executescript(serving_ddl() + _REPLACED + INDEXES)
        update_rows(con, store, "affected")
        store.execute("ATTACH ? AS base", (immutable(folder / WORDS),))
        _replace(store, base)
        indexed = _write_delta_index(store, shared / WORDS_DELTA if there else None)
        _write_base_pixels(store, base)
        counts = {f"words_{table}": _count_both(store, table) for table in ROWS}
        counts |= {f"words_{table}": _count(store, table) for table in SMALL}
        [(words,)] = base.execute("SELECT length(data) / 8 FROM image_columns WHERE name = 'ids'")
        counts["words_words"] = words - _count(store, "replaced_images") + indexed
        _finish(store, info, counts)
        store.execute("DETACH base")
        store.executescript("ANALYZE;")
    return counts


def _replace(store: sqlite3.Connection, base: sqlite3.Connection) -> None:
    """Note which entries and images of the base count no more, and how often their terms and words are in it."""
    of_chosen = "slug IN (SELECT slug FROM chosen)"
    slugs = [
        slug
        for (slug,) in store.execute(
            f"SELECT slug FROM base.entries WHERE {of_chosen} AND slug NOT IN (SELECT slug FROM replaced_entries)"  # noqa: S608
        )
    ]
    found = analyse(base, slugs)
    for table, counts in (("gone_terms", image_counts(found)), ("gone_words", found.vocabulary)):
        store.executemany(
            f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",  # noqa: S608
            sorted(counts.items()),
        )
    store.execute(f"INSERT OR IGNORE INTO replaced_images SELECT image_id FROM base.images WHERE {of_chosen}")  # noqa: S608
    store.execute(f"INSERT OR IGNORE INTO replaced_entries SELECT slug FROM base.entries WHERE {of_chosen}")  # noqa: S608
    store.commit()


def _write_delta_index(store: sqlite3.Connection, earlier: Path | None) -> int:
    """Write the index of the terms of a file of differences, from that before; how many images it has."""
    if earlier is not None:
        with closing(sqlite3.connect(immutable(earlier), uri=True)) as before:
            counts = before.execute("SELECT slug, count(*) FROM images GROUP BY slug").fetchall()
            chosen = {slug for (slug,) in store.execute("SELECT slug FROM chosen")}
            images = update_word_index(store, before, {slug: n for slug, n in counts if slug not in chosen})
            if images is not None:
                return images
    return write_word_index(store)


def _write_base_pixels(store: sqlite3.Connection, base: sqlite3.Connection) -> None:
    """Write which number the pixels of each image of a file of differences have in the base."""
    columns = base.execute("SELECT name, type, data FROM image_columns WHERE name IN ('ids', 'pixels')")
    stored = {name: np.frombuffer(data, kind) for name, kind, data in columns}
    order = np.argsort(stored["ids"])
    same = store.execute(
        "SELECT i.image_id, min(b.image_id) FROM images AS i JOIN base.images AS b USING (pixel_sha256) GROUP BY 1"
    ).fetchall()
    both = np.array(same, np.int64).reshape(-1, 2)
    places = order[np.searchsorted(stored["ids"], both[:, 1], sorter=order)]
    numbers = dict(zip(both[:, 0].tolist(), stored["pixels"][places].tolist(), strict=True))
    [(ids,)] = store.execute("SELECT data FROM image_columns WHERE name = 'ids'")
    found = np.array([numbers.get(image_id, -1) for image_id in np.frombuffer(ids, "<i8").tolist()], "<i8")
    store.execute("INSERT INTO image_columns VALUES (?, ?, ?)", (BASE_PIXELS, found.dtype.str, found.tobytes()))
    store.commit()


def _count_both(store: sqlite3.Connection, table: str) -> int:
    """Rows of a table in the base and beside it that count."""
    key, replaced = ("slug", "replaced_entries") if table in OF_ENTRIES else ("image_id", "replaced_images")
    query = f"SELECT count(*) FROM base.{table} WHERE {key} IN (SELECT {key} FROM {replaced})"  # noqa: S608
    [(gone,)] = store.execute(query)
    return _count(store, f"base.{table}") - int(gone) + _count(store, f"main.{table}")


# -- the index of terms -----------------------------------------------------------------------------------------------


def _write_index(con: duckdb.DuckDBPyConnection, store: sqlite3.Connection, shared: Path | None) -> int:
    """Write the index of terms of all rows; returns how many images it has."""
    if shared is not None:
        unchanged = con.execute(
            "SELECT slug, count(*) FROM images LEFT JOIN unchanged AS u USING (image_id) WHERE indexed"
            " GROUP BY slug HAVING count(*) = count(u.image_id)"
        ).fetchall()
        with suppress(sqlite3.Error, _Damaged):
            overridden = set(_overridden(shared))
            if not is_as_recorded(shared, shared / HASHES, (WORDS,)):
                raise _Damaged
            with closing(sqlite3.connect(immutable(shared / WORDS), uri=True)) as earlier:
                kept = {slug: count for slug, count in unchanged if slug not in overridden}
                images = update_word_index(store, earlier, kept)
                if images is not None:
                    return images
        store.rollback()
        store.executescript("".join(f"DROP TABLE IF EXISTS {name};" for name in INDEX_TABLES))
    return write_word_index(store)


def write_signatures(
    con: duckdb.DuckDBPyConnection, cut: Cut, ids: NDArray[np.int64], folder: Path, previous: Path | None = None
) -> None:
    """Write the signatures of all published images, in bounded memory.

    Args:
        con: connection with the finished table ``images``.
        cut: has the signatures.
        ids: of the images, rising.
        folder: where; see ``signature_files``. What an image has no signature of is zeros there.
        previous: the same folder of a publication that is shared; an image's signature never changes.
    """
    write_array(folder, ids, SIGNATURE, previous, lambda some: stored_signatures(con, cut, some, "images"))


def stored_signatures(con: duckdb.DuckDBPyConnection, cut: Cut, ids: NDArray[np.int64], source: str) -> Rows:
    """The signatures of some images as the tables have them, in bounded memory; those that have none are left out.

    Args:
        con: a connection.
        cut: has the tables.
        ids: of the images.
        source: the table or view that says of each image which partition's row counts.
    """
    con.register("wanted_ids", pa.table({"image_id": pa.array(ids, pa.int64())}))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE wanted_images AS"  # noqa: S608
        f" SELECT image_id, partition FROM {source} SEMI JOIN wanted_ids USING (image_id)"
    )
    found = con.execute("SELECT DISTINCT partition FROM wanted_images ORDER BY 1").fetchall()
    partitions = [name for (name,) in found]
    # Some at a time: DuckDB has the whole of an answer in memory.
    for start in range(0, len(partitions), _PARTITIONS):
        rows = rows_of(con, cut, IMAGES, partitions[start : start + _PARTITIONS])
        reader = con.sql(
            f"SELECT image_id, signature FROM ({rows}) SEMI JOIN wanted_images USING (image_id, partition)"  # noqa: S608
            f" WHERE octet_length(signature) = {SIGNATURE.nbytes}"
        ).to_arrow_reader(_BATCH)
        for batch in reader:
            if len(batch):
                found = batch.column(1).cast(pa.binary(SIGNATURE.nbytes))
                size, start = len(found) * SIGNATURE.nbytes, found.offset * SIGNATURE.nbytes
                content = np.frombuffer(found.buffers()[1], np.uint8, size, start)
                yield batch.column(0).to_numpy(), content.reshape(-1, *SIGNATURE.shape)
