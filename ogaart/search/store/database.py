"""``words.sqlite`` of one generation: its rows, to any number of threads."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ogaart.words.index_tables import VERSION, write_word_index


class ServingDatabase:
    """Reads of a file that never changes; safe to use from many threads.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        # The file never changes once published, so SQLite need not look for locks or a journal.
        self._uri = f"{path.as_uri()}?mode=ro&immutable=1"
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()

    def close(self) -> None:
        """Close every idle connection; those in use close with their request."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._connection() as connection, closing(connection.execute(sql, values)) as cursor:
            return cursor.fetchall()

    def has(self, table: str, column: str = "") -> bool:
        """Whether there is a table, and a column in it; publications of earlier versions lack some."""
        if column:
            return column in {row["name"] for row in self.rows("SELECT name FROM pragma_table_info(?)", table)}
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE name = ?", table))

    def word_rows(self) -> Callable[..., list[sqlite3.Row]]:
        """How rows of the word index are read: from the file, or from memory where its index is of another version."""
        current = self.has("word_index") and [r["version"] for r in self.rows("SELECT version FROM word_index")]
        return self.rows if current == [VERSION] else self._index_in_memory()

    def _index_in_memory(self) -> Callable[..., list[sqlite3.Row]]:
        memory = sqlite3.connect(":memory:", check_same_thread=False)
        memory.row_factory = sqlite3.Row
        lock = threading.Lock()
        with self._connection() as connection:
            connection.row_factory = None
            try:
                write_word_index(connection, memory)
            finally:
                connection.row_factory = sqlite3.Row

        def rows(sql: str, *values: Any) -> list[sqlite3.Row]:
            with lock, closing(memory.execute(sql, values)) as cursor:
                return cursor.fetchall()

        return rows

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = sqlite3.connect(self._uri, uri=True, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA mmap_size = 268435456")
        try:
            yield connection
        finally:
            self._idle.put(connection)
