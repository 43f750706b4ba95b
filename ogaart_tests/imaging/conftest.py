"""One child process for the tests of this folder: starting it is what costs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import UnpackedMember, Unpacker

Unpack = Callable[..., list[UnpackedMember]]


@pytest.fixture(scope="session")
def unpacker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unpacker]:
    with Unpacker(Limits(), tmp_path_factory.mktemp("scratch")) as shared:
        yield shared


@pytest.fixture
def unpack(unpacker: Unpacker, tmp_path: Path) -> Unpack:
    """Unpack bytes: under the shared child, or under one of its own where limits are given."""

    def run(data: bytes, limits: Limits | None = None) -> list[UnpackedMember]:
        path = tmp_path / "file"
        path.write_bytes(data)
        if limits is None:
            return list(unpacker.unpack(path))
        with Unpacker(limits, tmp_path / "scratch") as own:
            return list(own.unpack(path))

    return run
