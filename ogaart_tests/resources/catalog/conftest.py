"""A small data root whose rows tests write by hand, and a collection for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ogaart.resources.index.base import VectorIndex
from ogaart.resources.index.edge import EdgeIndex
from ogaart_tests.resources.catalog.catalog_world import SPACE, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[VectorIndex]:
    with EdgeIndex(tmp_path / "index", SPACE, 8) as found:
        yield found
