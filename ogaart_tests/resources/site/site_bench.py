"""What the tests of the client share: a fault server, a data root, and clients in a hurry."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ogaart.resources.site.client import SiteClient
from ogaart.resources.site.fetch_record import FetchRecord
from ogaart.resources.site.fetch_records import FetchRecords
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.storage.blobs import Blobs
from ogaart.settings import Settings
from ogaart_tests.fault_server import FaultServer

QUICK: dict[str, Any] = {
    "backoff": 0.01,
    "attempts": 3,
    "timeout_connect": 5.0,
    "timeout_read": 3.0,
    "circuit_failures": 50,
    "min_rate": 0.0,
}


class Bench:
    """A server and a data root; ``client`` opens what a process would."""

    def __init__(self, server: FaultServer, root: Path) -> None:
        self.server = server
        self.root = root
        self.blobs = Blobs(root / "blobs")

    def settings(self, **changes: Any) -> Settings:
        """Settings in a hurry."""
        return Settings(site=self.server.base, data=self.root, **QUICK | changes)

    def client(self, on_event: Any = None, **changes: Any) -> SiteClient:
        """A client in a hurry."""
        return SiteClient(self.settings(**changes), self.blobs, self.root / "site", on_event)

    def record(self, url: str) -> FetchRecord | None:
        """The fetch record of a URL, as another process would read it."""
        with closing(StateDatabase(self.settings())) as state:
            return FetchRecords(state, self.root / "site").read(url)

    def leftovers(self) -> list[str]:
        """Names of temporary and partial files under the data root."""
        return sorted(
            path.name
            for path in self.root.rglob("*")
            if path.is_file() and (path.name.startswith(".tmp-") or path.parent.name == "partial")
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FaultServer() as server:
        yield Bench(server, tmp_path)
