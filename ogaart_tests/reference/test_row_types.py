"""The types of rows are those of the declared tables, and mypy finds a misspelt column by them."""

from pathlib import Path
from typing import get_type_hints

import pytest
from mypy import api

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


@pytest.mark.slow
def test_a_misspelt_column_is_an_error_of_types(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from pathlib import Path\n"
        "from ogaart.resources.storage.rows import EntryRow\n"
        "from ogaart.resources.storage.schema import ENTRIES\n"
        "from ogaart_tests.tables import open_tables\n"
        "for row in open_tables(Path('data')).read(ENTRIES, '2d-art/0000'):\n"
        "    row['slug'], row['licence']\n"
        "made: EntryRow = {'slug': 'a', 'titel': 'b'}\n"
    )

    found, _, code = api.run(["--cache-dir", str(tmp_path / "cache"), "--config-file", "", str(program)])

    assert code == 1
    assert 'has no key "licence"' in found
    assert 'Extra key "titel"' in found
