"""Tables of the database of state, as the newest migration leaves them."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, String, Table, Text, TypeDecorator

METADATA = MetaData()


class StrangersText(TypeDecorator[str]):
    r"""A text of the outside world: what is not ASCII or printable is stored escaped (``\xe9``, ``\ud800``, ``\x00``).

    PostgreSQL stores no NUL, and neither database stores half of a surrogate pair.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:  # noqa: ARG002
        """Escape it."""
        return None if value is None else value.encode("unicode_escape").decode("ascii")

    def process_result_value(self, value: Any, dialect: Any) -> str | None:  # noqa: ARG002
        """Take the escapes back; a damaged text stays as it is, for its row's seal to tell."""
        try:
            return None if value is None else str(value).encode("ascii").decode("unicode_escape")
        except UnicodeError:
            return str(value)


FETCH_RECORDS = Table(
    "fetch_records",
    METADATA,
    Column("key", String(64), primary_key=True, comment="sha256 of the URL, in hex."),
    Column("url", StrangersText, nullable=False),
    Column("final_url", StrangersText, nullable=False),
    Column("status", Integer, nullable=False),
    Column("sha256", String(64)),
    Column("bytes", BigInteger, nullable=False),
    Column("etag", StrangersText),
    Column("last_modified", StrangersText),
    Column("content_type", StrangersText),
    Column("content_encoding", StrangersText),
    Column("attempts", Integer, nullable=False),
    Column("fetched_at", String(32), nullable=False),
    Column("checked_at", String(32), nullable=False),
    Column("seal", String(64), nullable=False, comment="Hash of the record's line in its journal."),
)
"""The last complete response of each URL (``FetchRecord``); times are ISO 8601 in UTC."""

JOURNALS = Table(
    "journals",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("id", String(64), nullable=False, comment="Id in the first line of the journal's file."),
    Column("position", BigInteger, nullable=False, comment="Bytes of it whose lines are rows."),
)
"""How far the rows follow the journals from which they can be made again."""

POINTERS = Table(
    "pointers",
    METADATA,
    Column("kind", String(64), primary_key=True, comment="A table's name, or `packs`."),
    Column("stage", String(64), primary_key=True),
    Column("partition", String(255), primary_key=True),
    Column("object", Text, nullable=False, comment="Path under the data root."),
    Column("sequence", BigInteger, nullable=False, comment="Number of its commit in the stage's partition."),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False, comment="Hash in the object's own seal; empty: has none."),
    Column("seal", String(64), nullable=False, comment="Hash of the other columns."),
)
"""Which object is current for each table, or pack, of a stage's partition (``Pointer``)."""

DATA_ROOT = Table(
    "data_root",
    METADATA,
    Column("row", Integer, primary_key=True, comment="Always 1: a database has one data root."),
    Column("id", String(32), nullable=False, comment="The same as in the data root's root.json."),
    Column("host", StrangersText, nullable=False, comment="Host that used the database first."),
    Column("path", StrangersText, nullable=False, comment="Folder of the data root there."),
)
"""The data root that a PostgreSQL database belongs to; empty in SQLite, whose file lies in its data root."""

FACTS = Table(
    "facts",
    METADATA,
    Column("kind", String(16), primary_key=True),
    Column("name", StrangersText, primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="JSON with its seal; kind and name are in it."),
)
"""Small facts that change (``resources/state/facts.py``): the throttle's state, robots.txt, sweeps."""

LINES = Table(
    "lines",
    METADATA,
    Column("log", String(32), primary_key=True, comment="decisions or reports."),
    Column("number", BigInteger, primary_key=True, comment="A later line has a larger one."),
    Column("id", String(32), primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="JSON with its seal."),
)
"""Lines of logs that are only added to (``LineLog``): takedowns, visitors' reports."""

PUBLICATIONS = Table(
    "publications",
    METADATA,
    Column("number", BigInteger, primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="Its files with their hashes, as sealed JSON."),
    Column("in_service", Boolean, nullable=False, comment="Of one row."),
)
"""The publications in a bucket (``PublicationRecord``), and which one all hosts follow."""
