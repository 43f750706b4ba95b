"""A search server on a port of its own, for tests that need a real connection."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from ogaart.search.engine.service import SearchService
from ogaart.search.web.app import create_app
from ogaart.settings import Settings


@contextmanager
def serving(settings: Settings, service: SearchService) -> Iterator[str]:
    """Serve until the end of the block; returns the base URL."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings, service), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
