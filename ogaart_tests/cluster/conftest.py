"""What the stories of the cluster share: the site, and what one process makes of it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from ogaart.demo import plan
from ogaart.demo.http import Request
from ogaart.demo.model import DemoContent
from ogaart.resources.catalog.generations import Generation
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.content_digest import content_digest
from ogaart_tests.world import open_world

DELAY = 0.1
"""Seconds between two requests that the site asks for."""
ENTRIES = 30
"""Entries of the site: a partition of 24, and one of 6."""


@dataclass(frozen=True)
class Outcome:
    """What came of the whole graph, by one process or by workers.

    Attributes:
        requests: every request, as the site saw it.
        content: hashes of what was published, by table.
        port: the site's, which all stories have, one after the other: its URLs are content.
    """

    requests: tuple[Request, ...]
    content: dict[str, str]
    port: int


def fresh_site(port: int = 0) -> ChangingSite:
    """The site of all stories; it cuts one response, the first of its page."""
    content = plan.load()
    return ChangingSite(port, DELAY, site=DemoContent(content.by_age()[:ENTRIES], content.decoys))


def outcome(site: ChangingSite, published: Generation) -> Outcome:
    """What came of all requests to a site."""
    return Outcome(tuple(site.requests), content_digest(published), urlsplit(site.base).port or 0)


@pytest.fixture(scope="session")
def of_one(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The whole graph by one process over an empty data root."""
    with open_world(tmp_path_factory.mktemp("one"), fresh_site()) as world:
        world.all()
        return outcome(world.site, world.generation)
