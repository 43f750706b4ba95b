"""What ``ogaart demo`` shows at its end: a picture of the site is found again, and the demo fails where it is not."""

import io

import pytest
from rich.console import Console

from ogaart.cli.demo_command import find_copy
from ogaart.operations.takedown import block
from ogaart_tests.world import World


def test_the_search_that_the_demo_prints_finds_the_picture(demo_world: World) -> None:
    printed = io.StringIO()

    assert find_copy(demo_world.settings, Console(file=printed, width=200))

    lines = printed.getvalue().splitlines()
    assert "Search with 32x32.png on white" in lines[1]
    assert lines[2].startswith("A near copy")
    assert "32x32 roguelike tiles" in next(line for line in lines if "%  " in line)


@pytest.mark.slow
def test_a_picture_that_is_not_found_is_said(copied: World) -> None:
    block(copied.settings, "entry", "32x32-roguelike-tiles", "test", lift=False)
    printed = io.StringIO()

    assert not find_copy(copied.settings, Console(file=printed, width=200))

    assert "did not find 32x32.png" in printed.getvalue()
