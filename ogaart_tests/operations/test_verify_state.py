"""Rot of the files of state: verify names each, repair removes what is made again, commands go on."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.operations.repair import repair
from ogaart.operations.verify import Verification, verify
from ogaart.operations.verify_state import damaged_journals, damaged_state
from ogaart.resources.storage.current_objects import JournalDamaged
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.sealed_json import seal_json
from ogaart_tests.world import World


def flip(path: Path, old: bytes, new: bytes) -> Path:
    """Rot in one place."""
    content = path.read_bytes()
    assert old in content
    path.chmod(0o644)
    path.write_bytes(content.replace(old, new, 1))
    return path


def cut(path: Path) -> Path:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def garble(path: Path) -> Path:
    path.write_bytes(b"\xff\x00 nonsense " * 1000)
    return path


ROT: list[object] = [
    pytest.param(lambda d: flip(newest(d) / "inputs.json", b'"inputs"', b'"ioputs"'), True, id="a key of inputs.json"),
    pytest.param(lambda d: cut(newest(d) / "inputs.json"), True, id="inputs.json cut off"),
    pytest.param(
        lambda d: flip(newest(d) / "manifest.json", b'"space"', b'"spice"'), False, id="a key of manifest.json"
    ),
    pytest.param(lambda d: cut(newest(d) / "manifest.json"), False, id="manifest.json cut off"),
    pytest.param(lambda d: flip(d / "dagster" / "dagster.yaml", b":", b"\x01"), True, id="dagster.yaml"),
    pytest.param(
        lambda d: flip(next(d.glob("index/*/closed.json")), b'"files"', b'"fires"'), True, id="a key of closed.json"
    ),
    pytest.param(lambda d: flip(d / "owner.json", b'"host"', b'"hose"'), False, id="a key of owner.json"),
    pytest.param(lambda d: garble(d / "dagster" / "history" / "runs.db"), False, id="Dagster's runs"),
]


def newest(data: Path) -> Path:
    return (data / "ogaart.duckdb").resolve().parent


@pytest.mark.parametrize(("spoil", "made_again"), ROT)
def test_each_damaged_file_of_state_is_named_with_the_way_out(
    copied: World, spoil: Callable[[Path], Path], made_again: bool
) -> None:
    root = DataRoot.of(copied.settings)
    assert list(damaged_state(root)) == []

    path = spoil(copied.settings.data)

    [(found, problem, removable)] = damaged_state(root)
    assert (found.resolve(), removable) == (path.resolve(), made_again)
    assert ":" in problem


def test_a_damaged_journal_is_named_with_the_step_that_is_made_again(copied: World) -> None:
    journals = copied.settings.data / "tables" / ".journal"
    journals.mkdir(exist_ok=True)
    intact, torn = (journals / f"extracted_images-2d-art-{page}-rows.json" for page in ("0000", "0001"))
    intact.write_bytes(seal_json({"renames": [["a", "b"]]}))
    torn.write_bytes(seal_json({"renames": [["a", "b"]]}).replace(b'"b"', b'"c"'))

    [damage] = damaged_journals(copied.stores.tables, DataRoot.of(copied.settings))

    assert damage.where == str(torn)
    assert damage.redo == {("extracted_images", "2d-art/0001")}
    assert {torn, copied.stores.tables.pack_path("extracted_images", "2d-art/0001")} <= set(damage.remove)
    with pytest.raises(JournalDamaged, match="verify --repair"):
        copied.stores.tables.clean_up()


def test_a_configuration_that_an_operator_changed_is_told_from_rot_by_deleting_its_hash(copied: World) -> None:
    root = DataRoot.of(copied.settings)
    config = flip(root.dagster / "dagster.yaml", b"max_concurrent_runs: 3", b"max_concurrent_runs: 7")

    [(found, problem, removable)] = damaged_state(root)
    assert (found, removable) == (config, False)
    assert "dagster.yaml.sha256" in problem

    (root.dagster / "dagster.yaml.sha256").unlink()
    assert list(damaged_state(root)) == []


@pytest.mark.parametrize("damage", [cut, lambda path: flip(path, b'"SUCCESS"', b'"SUCCESs"')], ids=["cut", "flipped"])
def test_rows_of_deleted_runs(damage: Callable[[Path], Path], copied: World) -> None:
    """A line that a kill cut off is passed over; one that rotted is named."""
    assert CliRunner().invoke(main, ["gc", "--runs", "--keep", "1", "--yes"]).exit_code == 0
    root = DataRoot.of(copied.settings)
    path = damage(root.dagster / "deleted_runs.jsonl")

    found = [(file, removable) for file, _, removable in damaged_state(root)]

    assert found == ([] if damage is cut else [(path, False)])


@pytest.mark.slow
def test_pointers_that_were_lost_are_named(copied: World) -> None:
    with sqlite3.connect(copied.settings.data / "state.db") as state:
        state.execute("DELETE FROM pointers WHERE kind = 'entries'")

    problems = list(Verification(copied.stores, quick=True).state())

    assert [problem.what for problem in problems] == ["state"]
    assert "pointers are missing, such as that of tables/entries/" in problems[0].problem
    assert problems[0].fetch_records  # they are made again from the objects


@pytest.mark.slow
def test_a_database_of_state_that_lacks_a_part_is_made_again(copied: World) -> None:
    requests = len(copied.site.requests)
    for damage in ("DROP TABLE fetch_records", "DELETE FROM alembic_version"):
        with closing(sqlite3.connect(copied.settings.data / "state.db")) as state, state:
            state.execute(damage)

        assert [row["what"] for row in verify(copied.settings, copied.quiet(), quick=True).rows] == ["state"], damage
        assert repair(copied.settings, copied.quiet(), quick=True).exit_code == 0, damage
        assert verify(copied.settings, copied.quiet(), quick=True).rows == [], damage

    assert len(copied.site.requests) <= requests + 1


def test_publishing_goes_on_after_a_rotten_byte_in_inputs_json(copied: World) -> None:
    flip(newest(copied.settings.data) / "inputs.json", b'"inputs"', b'"ioputs"')

    assert CliRunner().invoke(main, ["verify", "--quick"]).exit_code == 8
    assert CliRunner().invoke(main, ["publish"]).exit_code == 0
    assert CliRunner().invoke(main, ["verify", "--repair", "--quick"]).exit_code == 0
    assert CliRunner().invoke(main, ["verify", "--quick"]).exit_code == 0
