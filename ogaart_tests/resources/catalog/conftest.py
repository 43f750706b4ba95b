"""A small data root whose rows tests write by hand, and a collection for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ogaart.resources.index.base import VectorIndex
from ogaart.resources.index.edge import EdgeIndex
from ogaart.resources.storage.sparse_copy import copy_tree
from ogaart_tests.resources.catalog.catalog_world import SPACE, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(scope="session")
def _empty_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection without points, to be copied: making one takes as long as all else that a test arranges."""
    folder = tmp_path_factory.mktemp("index") / "index"
    EdgeIndex(folder, SPACE, 8).close()
    return folder


@pytest.fixture
def index(tmp_path: Path, _empty_index: Path) -> Iterator[VectorIndex]:
    copy_tree(_empty_index, tmp_path / "index", durable=False)
    with EdgeIndex(tmp_path / "index", SPACE, 8) as found:
        yield found
