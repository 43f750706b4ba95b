"""Reading commands with every kind of damage to every kind of file: one sentence and a code of the table.

``make torture``, part ``damage``, tries all commands, those that write too, with the same files and damages.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ogaart.cli.failures import describe, exit_codes
from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart.resources.moderation.takedowns import DecisionsUnreadable, read_decisions
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.cli.test_failures import faults, typed
from ogaart_tests.logs import decisions_of
from ogaart_tests.torture.damage import FILES, damages, file_of, spoiled
from ogaart_tests.torture.small_site import records
from ogaart_tests.world import World, open_world

QUICK = (
    ("sql", "SELECT count(*) FROM images"),
    ("search", "map"),
    ("block",),
    ("reports",),
    ("retry", "--where", "true", "--dry-run"),
    ("gc",),
)
"""Two of them for each damage, by turns, beside verify."""
OF_THE_DATA = {0, 3, 5, 7, 8}
"""A damaged file is not a mistake of the person who typed the command."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A small platform, published, whose files are damaged and put back."""
    with open_world(tmp_path_factory.mktemp("damaged"), ChangingSite(per_page=24, site=records())) as world:
        world.all()
        yield world


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_ends_no_reading_command_in_a_traceback(world: World, kind: str) -> None:
    path, wrong = file_of(world.settings.data, kind), []
    turn = itertools.cycle(QUICK)
    for damage in spoiled(path):
        for words in (("verify", "--quick"), next(turn), next(turn)):
            wrong += [f"{path.name} is {damage}: {' '.join(words)}: {fault}" for fault in _faults_of(words)]

    assert wrong == []


def _faults_of(words: Sequence[str]) -> list[str]:
    """What is wrong with how a command ended on damaged data."""
    result = typed(*words)
    if found := faults(result):
        return found
    if result.exit_code not in OF_THE_DATA:
        return [f"exit code {result.exit_code}: {result.stderr[-300:]}"]
    told = [line for line in result.stderr.strip().splitlines() if line.startswith("ogaart: ")]
    return [f"no sentence of its own: {result.stderr[-300:]}"] if result.exit_code and not told else []


@pytest.mark.parametrize("damage", ["a folder", "a link to nothing", "nonsense", "the JSON []"])
def test_decisions_that_cannot_be_read_are_damage_and_never_none(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "decisions.jsonl"
    damages(path)[damage](path)

    with pytest.raises(DecisionsUnreadable, match=r"decisions\.jsonl") as caught:
        read_decisions(decisions_of(tmp_path))

    assert describe(caught.value)[0] == EXIT_DAMAGED


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
