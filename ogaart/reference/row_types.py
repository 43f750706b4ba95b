"""``ogaart/resources/storage/rows.py``, made from the declared tables: a ``TypedDict`` for the rows of each."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ogaart.resources.storage.schema import TABLES
from ogaart.resources.storage.table_types import Column, Table

_HEAD = '''"""The rows of each table as types, made from ``schema.py`` by ``python -m ogaart.reference``.

A row as read has every column; one that is to be written may leave out those that are null.
"""

from datetime import datetime
from typing import TypedDict


'''
_TYPES: tuple[tuple[pa.DataType, str], ...] = (
    (pa.string(), "str"),
    (pa.int64(), "int"),
    (pa.float32(), "float"),
    (pa.float64(), "float"),
    (pa.bool_(), "bool"),
    (pa.binary(), "bytes"),
)


def row_types() -> str:
    """The whole module."""
    return _HEAD + "\n\n\n".join("\n".join(_class(table)) for table in TABLES) + "\n"


def row_name(table: Table[Any]) -> str:
    """The type of a table's rows: ``EntryRow`` for ``entries``."""
    name = table.name
    one = f"{name[:-3]}y" if name.endswith("ies") else name if name.endswith("ss") else name.removesuffix("s")
    return "".join(word.capitalize() for word in one.split("_")) + "Row"


def _class(table: Table[Any]) -> Iterator[str]:
    yield f"class {row_name(table)}(TypedDict, total=False):"
    yield f'    """A row of table ``{table.name}``."""'
    yield ""
    for column in table.columns:
        yield f"    {column.name}: {_type(column)}"


def _type(column: Column) -> str:
    kind = _python(column.type)
    return kind if column.always else f"{kind} | None"


def _python(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list[{_python(kind.value_type)}]"
    if pa.types.is_timestamp(kind):
        return "datetime"
    for known, name in _TYPES:
        if kind == known:
            return name
    raise TypeError(f"Arrow type {kind} has no Python type declared: add it to _TYPES")
