"""The types of rows are those of the declared tables."""

from typing import get_type_hints

from ogaart.reference.__main__ import ROWS
from ogaart.reference.row_types import row_name, row_types
from ogaart.resources.storage import rows
from ogaart.resources.storage.schema import TABLES
from ogaart_tests.reference.test_documentation import REGENERATE


def test_the_module_is_current() -> None:
    assert ROWS.read_text(encoding="utf-8") == row_types(), REGENERATE


def test_each_table_has_a_type_with_its_columns() -> None:
    found = {table.name: list(get_type_hints(getattr(rows, row_name(table)))) for table in TABLES}

    assert found == {table.name: table.schema.names for table in TABLES}
