"""A lost database of state: the next command makes it again, or verify names it and repairs it, without requests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.core.stages import SITE_STAGES
from ogaart_tests.world import World


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 4  # the kind of the first page
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "harm"),
    [("state.db", torn), ("state.db", flipped), ("state.db", Path.unlink), ("site/fetches.jsonl", torn)],
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
