"""The reference of ogaart.duckdb as Markdown, made from the same declarations that become ``COMMENT ON``."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from ogaart.core.stages import Stage
from ogaart.resources.catalog.macros import MACROS, similar
from ogaart.resources.catalog.tables import ENUMS, KEYS, PUBLIC, sql_type
from ogaart.resources.catalog.views import VIEWS

_HEAD = """# Tables of ogaart.duckdb

Made from the comments in the catalog itself; `SELECT * FROM duckdb_columns()` shows them too. The file is written in
DuckDB's old storage layout and opens with DuckDB 1.1 and later. Open it read-only.
"""


def tables_markdown() -> str:
    """The whole page: tables with keys and types, enums, views, macros."""
    return "\n".join([_HEAD, *_tables(), *_enums(), *_views(), *_macros()]).rstrip() + "\n"


def _tables() -> Iterator[str]:
    yield "## Tables\n"
    for table in PUBLIC:
        key = ", ".join(f"`{name}`" for name in KEYS[table.name])
        yield f"### {table.name}\n\n{table.comment}{f' Key: {key}.' if key else ''}\n"
        rows = ((column.name, sql_type(table.name, column), column.comment) for column in table.columns)
        yield _grid(("Column", "Type", "Meaning"), rows)


def _enums() -> Iterator[str]:
    yield "## Enums\n"
    rows = {sql: words for (table, name), words in ENUMS.items() for sql in [_type_of(table, name)]}
    yield _grid(("Type", "Values"), ((sql, _values(words)) for sql, words in rows.items()))


def _values(words: type[StrEnum]) -> str:
    """The values of an enum; assets.md lists those of the stages."""
    return "the stages, in the order of [assets.md](assets.md)" if words is Stage else ", ".join(words)


def _type_of(table: str, name: str) -> str:
    [column] = [c for known in PUBLIC if known.name == table for c in known.columns if c.name == name]
    return sql_type(table, column)


def _views() -> Iterator[str]:
    yield "## Views\n"
    for view in VIEWS:
        yield f"### {view.name}\n\n{view.comment}\n"
        yield _grid(("Column", "Meaning"), view.columns.items())


def _macros() -> Iterator[str]:
    yield "## Macros\n"
    rows = (
        (f"{'FROM' if macro.table else 'SELECT'} {macro.name}({macro.parameters})", macro.comment)
        for macro in (*MACROS, similar(None))
    )
    yield _grid(("Call", "Meaning"), rows)


def _grid(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
