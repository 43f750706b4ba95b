"""A lost database of state: the next command makes it again, or verify names it and repairs it, without requests."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.core.stages import SITE_STAGES
from ogaart.settings import Settings
from ogaart_tests.postgres import Postgres, postgres
from ogaart_tests.world import World

__all__ = ["postgres"]


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def torn_and_a_folder(path: Path) -> None:
    torn(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.with_name(f"{path.name}-wal").mkdir()


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 4  # the kind of the first page
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("state.db", torn_and_a_folder),
        ("state.db", flipped),
        ("state.db", Path.unlink),
        ("site/fetches.jsonl", torn),
    ],
)
def test_it_is_made_again_without_requests(copied: World, name: str, harm: Callable[[Path], None]) -> None:
    harm(copied.settings.data / name)
    noticed = CliRunner().invoke(main, ["verify", "--quick"]).exit_code == 8

    repaired = CliRunner().invoke(main, ["verify", "--repair", "--quick"])

    assert noticed == (harm is not Path.unlink)
    assert repaired.exit_code == 0, repaired.output
    assert CliRunner().invoke(main, ["verify", "--quick"]).exit_code == 0
    for stage in SITE_STAGES:
        for path in (copied.settings.data / "objects" / stage.value / "2d-art").glob("0000-*"):
            path.unlink()
    before = len(copied.site.requests)
    assert copied.materialize(["2d-art/0000"], tuple(stage.value for stage in SITE_STAGES)).errors == []
    assert len(copied.site.requests) == before


@pytest.mark.slow
def test_the_state_moves_to_an_empty_database_of_a_server_without_requests(
    copied: World, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGAART_DATABASE_URL", postgres.fresh("moved"))

    moved = CliRunner().invoke(main, ["verify", "--quick"])

    assert moved.exit_code == 0, moved.output
    before = len(copied.site.requests)
    assert World(copied.site, Settings()).materialize(["2d-art/0000"]).errors == []
    assert len(copied.site.requests) == before


@pytest.mark.slow
def test_what_was_blocked_does_not_come_back_with_a_lost_log(copied: World) -> None:
    block = ["block", "entry", "crops", "--reason", "asked by the author"]
    assert CliRunner().invoke(main, block).exit_code == 0
    assert CliRunner().invoke(main, ["publish"]).exit_code == 0
    shutil.rmtree(copied.settings.data / "decisions")
    (copied.settings.data / "state.db").unlink()

    verified = CliRunner().invoke(main, ["verify", "--quick", "--json"])
    published = CliRunner().invoke(main, ["publish"])

    assert (verified.exit_code, published.exit_code) == (8, 6)
    for told in (verified, published):
        assert "lacks 1 of the decisions that the publication in service was made with" in told.output.replace(
            "\n", " "
        )
    assert CliRunner().invoke(main, [*block, "--lift"]).exit_code == 0
    assert CliRunner().invoke(main, ["publish"]).exit_code == 0
