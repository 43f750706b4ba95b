"""The server home on the wire: what it sends, how long it waits, what it tries again."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ogaart.resources.index.base import IndexBroken, IndexUnreachable, VectorIndex, collection_name
from ogaart.resources.index.factory import open_index
from ogaart.settings import Settings

SPACE = "vgg16-397923af-grey-squash-1"
DIMENSION = 8
VECTORS = {"vgg16": {"size": DIMENSION, "distance": "Cosine"}}
INFO = {
    "status": "green",
    "optimizer_status": "ok",
    "segments_count": 1,
    "config": {
        "params": {"vectors": VECTORS},
        "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000, "payload_m": 0},
        "optimizer_config": {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        },
    },
    "payload_schema": {},
}

Fault = Callable[[BaseHTTPRequestHandler], bool]
"""What a server does instead of answering; returns whether it answered."""


class Server(ThreadingHTTPServer):
    """Speaks as much of Qdrant's REST as counting needs; ``faults`` are used up, one a request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: list[Fault] = []
        self.keys: list[str | None] = []
        self.info: dict[str, Any] = INFO
        self.exists = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, status: int, body: Any, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.server.keys.append(self.headers.get("api-key"))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.faults and self.server.faults.pop(0)(self):
            return
        result: Any = {
            "/aliases": {"aliases": []},
            f"/collections/{collection_name(SPACE)}/exists": {"exists": self.server.exists},
            f"/collections/{collection_name(SPACE)}": self.server.info,
            f"/collections/{collection_name(SPACE)}/points/count": {"count": 42},
        }[self.path.split("?")[0]]
        self.reply(200, {"result": result, "status": "ok", "time": 0.0})

    do_POST = do_GET  # noqa: N815 - the base class's names


def status(code: int, **headers: str) -> Fault:
    def answer(handler: Any) -> bool:
        handler.reply(code, {"status": {"error": f"planted {code}"}}, **headers)
        return True

    return answer


def hang_up(handler: Any) -> bool:
    handler.close_connection = True
    handler.connection.close()
    return True


def sleep(seconds: float) -> Fault:
    def wait(_: Any) -> bool:
        time.sleep(seconds)
        return False

    return wait


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def opened(server: Server, **changes: Any) -> VectorIndex:
    wanted: dict[str, Any] = {
        "qdrant_api_key": "s3cret",
        "backoff": 0.01,
        "attempts": 3,
        "qdrant_timeout": 1,
        **changes,
    }
    settings = Settings(qdrant_url=server.url, **wanted)
    return open_index(settings, settings.data, SPACE, DIMENSION, read_only=True)


def test_every_request_carries_the_key(server: Server) -> None:
    assert opened(server).count() == 42
    assert server.keys == ["s3cret"] * 4


@pytest.mark.parametrize("fault", [status(503), status(500), status(429), hang_up, sleep(1.5)])
def test_what_may_pass_is_tried_again(server: Server, fault: Fault) -> None:
    index = opened(server)
    server.faults = [fault]

    assert index.count() == 42


def test_a_pause_that_a_server_requests_is_kept(server: Server) -> None:
    index = opened(server)
    server.faults = [status(429, Retry_After="1")]
    started = time.monotonic()

    assert index.count() == 42
    assert time.monotonic() - started >= 1


def test_attempts_end(server: Server) -> None:
    index = opened(server)
    server.faults = [status(503)] * 9

    with pytest.raises(IndexUnreachable, match=rf"Qdrant at {server.url}, attempt 3 of 3: .*503"):
        index.count()

    assert len(server.faults) == 6


@pytest.mark.parametrize(("code", "message"), [(401, "is QDRANT_API_KEY right"), (400, "planted 400")])
def test_what_stays_wrong_is_not_tried_again(server: Server, code: int, message: str) -> None:
    index = opened(server)
    server.faults = [status(code)] * 2

    with pytest.raises(IndexUnreachable, match=message):
        index.count()

    assert len(server.faults) == 1


def test_a_server_that_does_not_respond_is_an_error_that_names_the_setting() -> None:
    settings = Settings(qdrant_url="http://127.0.0.1:9", attempts=2, backoff=0.01)

    with pytest.raises(IndexUnreachable, match="is QDRANT_URL right"):
        open_index(settings, settings.data, SPACE, DIMENSION)


def test_a_collection_of_something_else_is_refused(server: Server) -> None:
    other = {"params": {"vectors": {"vgg16": {"size": 99, "distance": "Cosine"}}}}
    server.info = {**INFO, "config": {**INFO["config"], **other}}  # type: ignore[dict-item]

    with pytest.raises(IndexBroken, match="expected 'vgg16' of 8 numbers"):
        opened(server)


def test_a_reader_does_not_create(server: Server) -> None:
    server.exists = False

    with pytest.raises(IndexBroken, match="run the qdrant_collection asset"):
        opened(server)
