"""What the declaration of a table consists of: columns with types and comments, and the type of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic

import pyarrow as pa
from typing_extensions import TypeVar

STAMP = pa.timestamp("us", tz="UTC")
TEXTS = pa.list_(pa.string())


RowT_co = TypeVar("RowT_co", covariant=True, bound=Mapping[str, Any], default=Mapping[str, Any])
"""The type of a table's rows: a ``TypedDict`` of ``rows.py``, which is made from the declarations here."""

Source = tuple[str, str]
"""A stage and a column of its main table."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its name.
        type: its Arrow type.
        comment: what it means, units included.
        always: whether every row has a value; the others may be null.
        served: whether search shows it: it then gets into a publication's words.sqlite, each hit and the API.
        served_as: its name there, where that is another one.
    """

    name: str
    type: pa.DataType
    comment: str
    always: bool = False
    served: bool = False
    served_as: str = ""

    @property
    def served_name(self) -> str:
        """Its name in the serving files."""
        return self.served_as or self.name


@dataclass(frozen=True)
class Table(Generic[RowT_co]):
    """One declared table.

    Attributes:
        name: its name.
        stage: the stage that writes it.
        comment: what its rows are.
        key: the columns that identify a row within a partition.
        columns: in their order.
        made_from: for Dagster's column lineage, what each column that ``sources`` does not name is made from.
        sources: what the other columns are made from; empty: settings, or a setting's name.
        format_version: of the meaning of its columns.
    """

    name: str
    stage: str
    comment: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    made_from: tuple[Source, ...] = ()
    sources: Mapping[str, tuple[Source, ...]] = field(default_factory=dict, compare=False)
    format_version: int = 1

    @property
    def served(self) -> tuple[Column, ...]:
        """The columns that search shows."""
        return tuple(column for column in self.columns if column.served)

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with the format version in its metadata."""
        return pa.schema(
            [pa.field(c.name, c.type) for c in self.columns],
            metadata={"ogaart.table": self.name, "ogaart.format_version": str(self.format_version)},
        )


def taken_over(stage: str, *columns: str) -> dict[str, tuple[Source, ...]]:
    """Sources of columns that are taken over from a stage's columns of the same names."""
    return {column: ((stage, column),) for column in columns}
