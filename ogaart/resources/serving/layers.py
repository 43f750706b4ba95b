"""words.sqlite as its readers see it: an immutable base that publications share, and a file of what differs.

``words-delta.sqlite`` has the same tables: all rows of the entries that differ from the base, and of small tables every
row. ``replaced_entries`` and ``replaced_images`` name those of the base that do not count any more. All that belongs to
an entry is in one of the two files, so a query over entries, their images, places, cells and licences is run on each,
and its rows put together; what is ordered or limited is ordered and limited again by who reads it.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ogaart.core.process_limits import raise_if_lacking

MANIFEST = "manifest.json"
WORDS = "words.sqlite"
WORDS_DELTA = "words-delta.sqlite"
OF_ENTRIES = ("entries", "licence_history")
"""Tables with the key of an entry in each row."""
OF_IMAGES = ("images", "places", "cells")
"""Tables with the id of an image in each row."""
WHOLE = ("renamed", "renamed_entries", "parts", "families", "frames")
"""Tables whose rows may differ although no row of their entry did: a file of differences has all of them."""

_KEPT_ENTRIES = "slug NOT IN (SELECT slug FROM delta.replaced_entries)"
_KEPT_IMAGES = "image_id NOT IN (SELECT image_id FROM delta.replaced_images)"
_VIEWS_OF_BASE = "".join(
    f"CREATE TEMP VIEW {table} AS SELECT {columns} FROM {source};"  # noqa: S608 - constants
    for table, columns, source in (
        *((table, "*", f"main.{table} WHERE {_KEPT_ENTRIES}") for table in OF_ENTRIES),
        *((table, "*", f"main.{table} WHERE {_KEPT_IMAGES}") for table in OF_IMAGES if table != "places"),
        ("places", "rowid AS rowid, *", f"main.places WHERE {_KEPT_IMAGES}"),
        *((table, "*", f"delta.{table}") for table in (*WHOLE, "info")),
    )
)


@dataclass(frozen=True)
class ServingLayer:
    """One file of a publication's rows.

    Attributes:
        path: the file.
        delta: of a base, the file of differences; None: there is none.
    """

    path: Path
    delta: Path | None = None

    def connect(self) -> sqlite3.Connection:
        """A connection on which the tables have the rows of this file that count, for use from any thread.

        The small tables are those of the publication.

        Raises:
            sqlite3.DatabaseError: a file is missing or damaged.
            OSError: this process may not read a file, or may open no more.
        """
        con = _opened(self.path)
        try:
            con.execute("PRAGMA temp_store = MEMORY")
            if self.delta is not None:
                _opened(self.delta).close()  # of an attached file SQLite does not say why it is not opened
                con.execute("ATTACH ? AS delta", (immutable(self.delta),))
                con.executescript(_VIEWS_OF_BASE)
        except (sqlite3.Error, OSError):
            con.close()
            raise
        return con


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(immutable(path), uri=True, check_same_thread=False)
    except sqlite3.Error as cause:
        raise_if_lacking(cause, path)
        if path.exists():
            raise
        raise _missing(path) from cause


def layers_in(folder: Path) -> Sequence[ServingLayer]:
    """The layers of a publication's folder: its only file, or the base and what differs.

    Raises:
        sqlite3.DatabaseError: the file of what differs was published and is lost: the base alone is of another moment.
    """
    words, delta = folder / WORDS, folder / WORDS_DELTA
    return (ServingLayer(words, delta=delta), ServingLayer(delta)) if has_delta(folder) else (ServingLayer(words),)


def has_delta(folder: Path) -> bool:
    """Whether a publication has a file of what differs; errors as ``layers_in``."""
    delta = folder / WORDS_DELTA
    if delta.exists():
        return True
    if _was_published(delta):
        raise _missing(delta)
    return False


def _missing(path: Path) -> sqlite3.DatabaseError:
    return sqlite3.DatabaseError(f"{path} is missing: run `ogaart verify --repair`")


def _was_published(path: Path) -> bool:
    """Whether the manifest beside a file names it; one that is damaged is reported where publications are opened."""
    manifest = path.parent / MANIFEST
    try:
        found = json.loads(manifest.read_bytes())
    except (OSError, ValueError) as cause:
        raise_if_lacking(cause, manifest)
        return False
    files = found.get("files") if isinstance(found, dict) else None
    return isinstance(files, dict) and path.name in files


@contextmanager
def open_layers(folder: Path) -> Iterator[Sequence[sqlite3.Connection]]:
    """A connection to each layer of a publication's folder."""
    with ExitStack() as opened:
        yield [opened.enter_context(closing(layer.connect())) for layer in layers_in(folder)]


def immutable(path: Path) -> str:
    """URI of a file that never changes, so that SQLite need not look for locks or a journal."""
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"
