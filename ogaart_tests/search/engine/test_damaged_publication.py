"""A publication that lacks a file, or has a rotten one that is read whole, is not searched: the file is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ogaart.cli.failures import describe, exit_codes
from ogaart.cli.search_command import search
from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart_tests.world import World


def lost(path: Path, content: bytes) -> None:
    assert not path.exists()


def cut(path: Path, content: bytes) -> None:
    path.write_bytes(content[: len(content) // 2])


def zeroed(path: Path, content: bytes) -> None:
    """Of an array the values, and not its header of 128 bytes."""
    path.write_bytes(content[:200] + bytes(100) + content[300:])


def without_header(path: Path, content: bytes) -> None:
    path.write_bytes(content[:40] + bytes(60) + content[100:])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("words.sqlite", lost),
        ("words.sqlite", cut),
        ("projection.npz", cut),
        ("subject_ids.npy", lost),
        ("cells", lost),
        ("fused/ids.npy", zeroed),
        ("fused_incomplete/ids.npy", without_header),
        ("signatures/places.npy", zeroed),
    ],
)
def test_the_file_and_the_way_out_are_named(
    demo_world: World, tmp_path: Path, name: str, damage: Callable[[Path, bytes], None]
) -> None:
    path, aside = demo_world.generation.path / name, tmp_path / "aside"
    path.rename(aside)  # other names of the file are left alone
    try:
        damage(path, aside.read_bytes() if aside.is_file() else b"")
        with pytest.raises(tuple(exit_codes())) as caught:
            search(demo_world.settings, ("map",), 3)
    finally:
        path.unlink(missing_ok=True)
        aside.rename(path)

    code, sentence = describe(caught.value)
    assert code == EXIT_DAMAGED
    assert sentence.startswith(str(path))
    assert sentence.endswith("run `ogaart verify --repair`")
    assert sentence.count("--repair") == 1
    assert search(demo_world.settings, ("map",), 3).records()
