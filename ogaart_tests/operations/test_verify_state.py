"""Rot of the files of state: verify names each, repair removes what is made again, commands go on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.operations.verify_state import damaged_state
from ogaart.resources.storage.data_root import DataRoot
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
    pytest.param(lambda d: flip(d / "owner.json", b'"host"', b'"hose"'), False, id="a key of owner.json"),
    pytest.param(lambda d: garble(next((d / "site" / "fetches").rglob("*.json"))), True, id="a fetch record"),
    pytest.param(lambda d: garble(d / "dagster" / "history" / "runs.db"), False, id="Dagster's runs"),
    pytest.param(lambda d: garble(d / "decisions.jsonl"), False, id="decisions"),
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


@pytest.mark.slow
def test_publishing_goes_on_after_a_rotten_byte_in_inputs_json(copied: World) -> None:
    flip(newest(copied.settings.data) / "inputs.json", b'"inputs"', b'"ioputs"')

    assert CliRunner().invoke(main, ["verify", "--quick"]).exit_code == 8
    assert CliRunner().invoke(main, ["publish"]).exit_code == 0
    assert CliRunner().invoke(main, ["verify", "--repair", "--quick"]).exit_code == 0
    assert CliRunner().invoke(main, ["verify", "--quick"]).exit_code == 0
