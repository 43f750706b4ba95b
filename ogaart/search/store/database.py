"""``words.sqlite`` of one generation: its rows, to any number of threads."""

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ogaart.resources.serving.layers import ServingLayer, layers_in
from ogaart.words.index_layers import WordLayers
from ogaart.words.index_tables import VERSION, write_word_index

_TEXTS = {
    "entries": ("slug", "title", "tags", "author", "collaborators", "description", "posted_at", "favourites"),
    "images": ("slug", "image_id", "pixel_sha256", "width", "height", "has_alpha", "pixel_art", "palette",
               "palette_shares"),
    "places": ("image_id", "shown_name", "member_path"),
}  # fmt: skip
"""What an index of terms is made of."""


class ServingDatabase:
    """Reads of files that never change; safe to use from many threads.

    Args:
        folder: the generation's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._layers = [_LayerRows(layer) for layer in layers_in(folder)]
        self.whole_rows = self._layers[-1].rows
        """All rows of a query over tables of which one file has all rows; see ``serving.layers``."""
        self._beside: frozenset[int | str] = frozenset()
        """The images and entries that a file of differences has."""
        if len(self._layers) > 1:
            images, entries = (
                self.whole_rows(sql) for sql in ("SELECT image_id FROM images", "SELECT slug FROM entries")
            )
            self._beside = frozenset(row[0] for row in (*images, *entries))

    def close(self) -> None:
        """Close every idle connection; those in use close with their request."""
        for layer in self._layers:
            layer.close()

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query, file by file: its order and its limit are those of each file."""
        found = self._layers[0].rows(sql, *values)
        for layer in self._layers[1:]:
            found += layer.rows(sql, *values)
        return found

    def rows_of(self, keys: Collection[int] | Collection[str], sql: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query over what belongs to some images or some entries, from the files that have these."""
        if len(self._layers) == 1 or not any(key in self._beside for key in keys):
            return self._layers[0].rows(sql, *values)
        return self.whole_rows(sql, *values) if all(key in self._beside for key in keys) else self.rows(sql, *values)

    def has(self, table: str, column: str = "") -> bool:
        """Whether there is a table, and a column in it; publications of earlier versions lack some."""
        if column:
            return column in {row["name"] for row in self.whole_rows("SELECT name FROM pragma_table_info(?)", table)}
        return bool(self.whole_rows("SELECT 1 FROM sqlite_master WHERE name = ?", table))

    def word_layers(self) -> WordLayers:
        """The index of terms: of the files, or made in memory where one has an index of another version."""
        if all(layer.has_current_index() for layer in self._layers):
            return WordLayers.of(*(layer.rows for layer in self._layers))
        return WordLayers.of(self._index_in_memory())

    def _index_in_memory(self) -> Callable[..., list[sqlite3.Row]]:
        memory = sqlite3.connect(":memory:", check_same_thread=False)
        memory.row_factory = sqlite3.Row
        lock = threading.Lock()
        with closing(sqlite3.connect(":memory:")) as texts:
            for table, columns in _TEXTS.items():
                texts.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
                self._copy_texts(texts, table)
            texts.executescript("CREATE INDEX by_image ON places(image_id); CREATE INDEX by_slug ON images(slug);")
            write_word_index(texts, memory)

        def rows(sql: str, *values: Any) -> list[sqlite3.Row]:
            with lock, closing(memory.execute(sql, values)) as cursor:
                return cursor.fetchall()

        return rows

    def _copy_texts(self, texts: sqlite3.Connection, table: str) -> None:
        names = "LEFT JOIN files USING (file)" if table == "places" and self.has("places", "file") else ""
        present = {column for column in _TEXTS[table] if names or self.has(table, column)}
        columns = ", ".join(name if name in present else f"NULL AS {name}" for name in _TEXTS[table])
        marks = ", ".join("?" for _ in _TEXTS[table])
        texts.executemany(
            f"INSERT INTO {table} VALUES ({marks})",  # noqa: S608
            map(tuple, self.rows(f"SELECT {columns} FROM {table} {names}")),  # noqa: S608
        )


class _LayerRows:
    """Reads of one file."""

    def __init__(self, layer: ServingLayer) -> None:
        self._layer = layer
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()

    def close(self) -> None:
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        try:
            with self._connection() as connection, closing(connection.execute(sql, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.DatabaseError as cause:
            path = self._layer.path
            if type(cause) is not sqlite3.DatabaseError or str(path.parent) in str(cause):
                raise
            torn = path if self._layer.delta is None else path.parent  # SQLite does not say which
            raise sqlite3.DatabaseError(f"{torn}: {cause}") from cause

    def has_current_index(self) -> bool:
        present = self.rows("SELECT 1 FROM sqlite_master WHERE name = 'word_index'")
        return bool(present) and [row["version"] for row in self.rows("SELECT version FROM word_index")] == [VERSION]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = self._layer.connect()
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA mmap_size = 268435456")
        try:
            yield connection
        finally:
            self._idle.put(connection)
