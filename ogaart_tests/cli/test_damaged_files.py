"""Every reading command with every kind of damage to every kind of file: one sentence and a code of the table.

What writes is tried by ``make torture``, part ``damage``, with the same files and damages.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ogaart.cli.failures import exit_codes
from ogaart.demo.server import DemoSite
from ogaart_tests.cli.test_failures import READING, faults, typed
from ogaart_tests.torture.damage import FILES, damages, file_of, spoiled
from ogaart_tests.torture.small_site import records
from ogaart_tests.world import World, open_world

QUICK = (*(words for words in READING if words[0] != "doctor"), ("reports",), ("plan", "--offline"))
OF_THE_DATA = {0, 3, 5, 7, 8}
"""A damaged file is not a mistake of the person who typed the command."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A small platform, published, whose files are damaged and put back."""
    with open_world(tmp_path_factory.mktemp("damaged"), DemoSite(per_page=24, site=records())) as world:
        world.all()
        yield world


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_ends_no_reading_command_in_a_traceback(world: World, kind: str) -> None:
    path, wrong = file_of(world.settings.data, kind), []
    for damage in spoiled(path):
        for words in QUICK:
            result = typed(*words)
            found = faults(result)
            if not found and result.exit_code not in OF_THE_DATA:
                found = [f"exit code {result.exit_code}: {result.stderr[-300:]}"]
            if not found and result.exit_code and len(result.stderr.strip().splitlines()) > 3:
                found = [f"more than a sentence: {result.stderr[:500]}"]
            wrong += [f"{path.name} is {damage}: {' '.join(words)}: {fault}" for fault in found]

    assert wrong == []


@pytest.mark.parametrize(
    ("name", "more"), [("a.json", "the JSON []"), ("a.yaml", "the YAML 'hello'"), ("a.db", "empty")]
)
def test_what_can_be_wrong_with_a_file_depends_on_its_name(tmp_path: Path, name: str, more: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"kept")

    assert list(spoiled(path)) == list(damages(path))
    assert more in damages(path)
    assert [child.name for child in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"kept"


def test_a_failure_is_looked_up_before_its_base() -> None:
    kinds = list(exit_codes())

    later = [(a.__name__, b.__name__) for n, a in enumerate(kinds) for b in kinds[n + 1 :] if issubclass(b, a)]
    assert later == []
