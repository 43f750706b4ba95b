"""One tiny publication for all tests of the search."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ogaart.search.engine.service import SearchService
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import GridImageReader, publish


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root: Path = tmp_path_factory.mktemp("search")
    settings = Settings(data=root)
    publish(settings)
    return settings


@pytest.fixture(scope="session")
def service(settings: Settings) -> Iterator[SearchService]:
    with SearchService(settings, GridImageReader()) as service:
        yield service
