"""A small graph over a container of Azure's, as Microsoft's emulator serves it; skipped where that is not installed."""

from pathlib import Path

import pytest

from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.operations.verify import verify
from ogaart.settings import Settings
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.content_digest import content_digest
from ogaart_tests.object_servers import azure_server
from ogaart_tests.postgres import Postgres
from ogaart_tests.world import World, open_world

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_a_folder_that_was_lost_comes_back_from_the_container(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = ChangingSite(site=DemoContent(plan.load().by_age()[:6]))
    with azure_server(tmp_path / "azure") as server:
        values = {
            "OGAART_OBJECTS": f"{server.bucket}/ogaart",
            "OGAART_DATABASE_URL": postgres.fresh("azure"),
            **server.environment,
        }
        with open_world(tmp_path, site, **values) as world:
            world.all()
            sent = len(site.requests)
            monkeypatch.setenv("OGAART_DATA", str(tmp_path / "other"))
            monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "other" / "dagster"))
            other = World(site, Settings())

            other.all()

            assert len(site.requests) == sent
            assert content_digest(other.generation) == content_digest(world.generation)
            assert verify(other.settings, other.quiet()).rows == []
