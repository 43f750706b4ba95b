"""Where tests have a Qdrant server: the stub on loopback, or the real one that ``QDRANT_URL`` names."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ogaart.resources.index.factory import delete_index
from ogaart.settings import Settings
from ogaart_tests.qdrant_stub import QdrantStub

REAL = pytest.param("real", marks=pytest.mark.qdrant)
"""Among the homes of a test: the real server; run by ``make test-qdrant`` alone."""
# Before a test deletes them from the environment.
_NAMED = {name: value for name, value in os.environ.items() if name.startswith(("QDRANT_", "OGAART_QDRANT_"))}


@contextmanager
def server_settings(home: str, space: str) -> Iterator[tuple[Settings, str]]:
    """Settings that name a server, and the space to use there, which is deleted at the end.

    Args:
        home: ``server`` for the stub, ``real`` for the server of ``QDRANT_URL``; without that the test is skipped.
        space: the space; on the real server it gets a name that no other run has.
    """
    if home != "real":
        with QdrantStub() as stub:
            yield Settings(qdrant_url=stub.url, backoff=0.001), space
        return
    if not _NAMED.get("QDRANT_URL"):
        pytest.skip("QDRANT_URL is not set: there is no Qdrant server to run this against")
    known: dict[str, Any] = {
        name.lower().removeprefix("ogaart_"): value for name, value in _NAMED.items() if name != "OGAART_QDRANT_URL"
    }
    settings = Settings(**known)
    own = f"{space}-{uuid.uuid4().hex[:12]}"
    try:
        yield settings, own
    finally:
        delete_index(settings.model_copy(update={"qdrant_snapshots": False}), own)
