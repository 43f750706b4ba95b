"""Every recipe of docs/extending.md still fits the code; that what it makes works is tested in the slow tests."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ogaart_tests.extending.recipe import ROOT, copy_package, follow, run_in

BY_HAND = {"An asset between two": 4, "A model": 1, "A column": 3, "A column of images": 3, "A filter": 3}
MISSPELT = """
from pathlib import Path
from ogaart.resources.storage.rows import EntryRow
from ogaart.resources.storage.schema import ENTRIES, LIGHTNESS
from ogaart.resources.storage.tables import Tables

def read(tables: Tables) -> None:
    for row in tables.read(ENTRIES, "2d-art/0000"):
        row["slug"], row["licence"]
    for other in tables.read(LIGHTNESS, "2d-art/0000"):
        other["lightness"], other["brightness"]

made: EntryRow = {"slug": "a", "titel": "b"}
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_package(tmp_path_factory.mktemp("recipes"))


@pytest.mark.parametrize("heading", BY_HAND)
def test_a_recipe_applies_to_the_code(copy: Path, heading: str) -> None:
    touched = follow(heading, copy)

    assert len(touched) == BY_HAND[heading]


@pytest.mark.slow
def test_what_they_make_is_typed_and_a_misspelt_column_is_an_error(tmp_path: Path) -> None:
    made = copy_package(tmp_path)
    for heading in BY_HAND:
        follow(heading, made)
    run_in(made, "from ogaart.reference.__main__ import write; write()")
    (made / "ogaart" / "misspelt.py").write_text(MISSPELT)
    if (ROOT / ".mypy_cache").is_dir():  # what `make types` knows already
        shutil.copytree(ROOT / ".mypy_cache", made / ".mypy_cache")

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "-p", "ogaart"], cwd=made, capture_output=True, text=True, check=False
    )

    assert [line.partition("  [")[0] for line in done.stdout.splitlines() if ": error: " in line] == [
        'ogaart/misspelt.py:9: error: TypedDict "EntryRow" has no key "licence"',
        'ogaart/misspelt.py:11: error: TypedDict "LightnessRow" has no key "brightness"',
        'ogaart/misspelt.py:13: error: Extra key "titel" for TypedDict "EntryRow"',
    ]
