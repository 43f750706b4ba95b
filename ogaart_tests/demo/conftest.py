import copy
from collections.abc import Iterator

import pytest

from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart_tests.changing_site import ChangingSite


@pytest.fixture(scope="session")
def site() -> DemoContent:
    return plan.load()


@pytest.fixture(scope="module")
def demo(site: DemoContent) -> Iterator[ChangingSite]:
    """A server that the module's tests only read."""
    with ChangingSite(delay=0.05, site=site) as running:
        yield running


@pytest.fixture
def changing(site: DemoContent) -> Iterator[ChangingSite]:
    """A server of the test's own, to change."""
    with ChangingSite(site=copy.deepcopy(site)) as running:
        yield running
