"""A Qdrant server on loopback that fails on purpose: REST outside, the client's own NumPy engine inside.

It answers the platform's requests, stores what it acknowledges, and can be told to lose it: before it is done, after it
was done and before the answer, in the middle of a body, or long after it was acknowledged.
"""

import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from qdrant_client import QdrantClient, models

WRITES = ("points", "points/delete", "points/batch", "index", "")
_PATH = re.compile(r"/collections/([^/?]+)/?([^?]*)")


class QdrantStub:
    """The server; use it as a context manager.

    Attributes:
        fault: called before each request with its method and its object; returns the name of a fault, or None:
            ``refused`` (503), ``limited`` (429), ``lost`` (a reset before anything is done), ``unheard`` (done, then
            a reset), ``cut`` (done, then half an answer), ``slow`` (done, answered too late), ``read little``
            (a reset in the middle of the request's body).
        asked: requests by what they are about.
        faults: faults by name.
    """

    def __init__(self) -> None:
        self.engine = QdrantClient(":memory:")
        self.fault: Callable[[str, str], str | None] = lambda _method, _what: None
        self.asked: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.slow_seconds = 1.5
        self.lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def ids(self, name: str) -> list[int]:
        """Ids that a collection holds."""
        records, _ = self.engine.scroll(name, limit=100_000, with_payload=False)
        return sorted(int(record.id) for record in records)

    def forget(self, name: str, ids: list[int]) -> None:
        """Lose points that were acknowledged, as a server does whose disk was not what it seemed."""
        self.engine.delete(name, models.PointIdsList(points=list(ids)))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def seeded(seed: int, share: float, kinds: tuple[str, ...]) -> Callable[[str, str], str | None]:
    """Every request fails by chance; never so often in a row that the attempts run out."""
    chance, row = random.Random(seed), 0

    def fault(_method: str, _what: str) -> str | None:
        nonlocal row
        row = row + 1 if row < 3 and chance.random() < share else 0
        return chance.choice(kinds) if row else None

    return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, stub: QdrantStub) -> None:
        self.stub = stub
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what it is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        stub = self.server.stub
        match = _PATH.match(self.path)
        assert match is not None, self.path
        name, what = match.groups()
        with stub.lock:
            stub.asked[f"{self.command} {what}".strip()] += 1
            fault = stub.fault(self.command, what)
            if fault is not None:
                stub.faults[fault] += 1
        length = int(self.headers.get("Content-Length", 0))
        if fault == "read little":
            self.rfile.read(length // 2)
            self.close_connection = True
            return
        body = json.loads(self.rfile.read(length) or b"{}")
        if fault in ("refused", "limited"):
            self._reply(503 if fault == "refused" else 429, {"status": {"error": f"planted {fault}"}})
            return
        if fault == "lost":
            self.close_connection = True
            return
        try:
            with stub.lock:
                result = _answer(stub.engine, self.command, name, what, body)
        except Exception as error:  # noqa: BLE001 - a gap of the stub, which must not look like a fault
            self._reply(400, {"status": {"error": f"the stub failed at {what}: {error!r}"}})
            return
        if fault == "unheard":
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(stub.slow_seconds)
        self._reply(200, {"result": result, "status": "ok", "time": 0.0}, cut=fault == "cut")

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the base class's names

    def _reply(self, status: int, body: Any, *, cut: bool = False) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True


def _answer(engine: QdrantClient, method: str, name: str, what: str, body: Any) -> Any:
    match method, what:
        case "GET", "exists":
            return {"exists": engine.collection_exists(name)}
        case "GET", "":
            return _plain(engine.get_collection(name))
        case "PUT", "":
            vectors = {key: models.VectorParams.model_validate(value) for key, value in body["vectors"].items()}
            return engine.create_collection(name, vectors_config=vectors)
        case "DELETE", "":
            return engine.delete_collection(name)
        case "PUT", "points":
            engine.upsert(name, [models.PointStruct.model_validate(point) for point in body["points"]])
        case "POST", "points/delete":
            engine.delete(name, models.PointIdsList.model_validate(body))
        case "POST", "points/batch":
            operations = [models.OverwritePayloadOperation.model_validate(one) for one in body["operations"]]
            engine.batch_update_points(name, operations)
            return [{"operation_id": 0, "status": "completed"}] * len(operations)
        case _ if what != "index":
            return _read(engine, name, what, body)
    return {"operation_id": 0, "status": "completed"}


def _read(engine: QdrantClient, name: str, what: str, body: Any) -> Any:
    narrowed = models.Filter.model_validate(body["filter"]) if body.get("filter") else None
    match what:
        case "points/scroll":
            records, after = engine.scroll(
                name, narrowed, limit=body["limit"], offset=body.get("offset"), with_payload=False
            )
            return {"points": [_plain(record) for record in records], "next_page_offset": after}
        case "points/count":
            return {"count": engine.count(name, narrowed).count}
        case "points":
            found = engine.retrieve(
                name, body["ids"], with_payload=body["with_payload"], with_vectors=body["with_vector"]
            )
            return [_plain(record) for record in found]
        case "points/query":
            wanted = models.QueryRequest.model_validate(body).query
            found_points = engine.query_points(
                name, query=wanted, using=body["using"], query_filter=narrowed, limit=body["limit"]
            )
            return _plain(found_points)
        case "facet":
            return _plain(engine.facet(name, body["key"], narrowed, limit=body["limit"]))
    raise AssertionError(f"the stub knows no {what}")


def _plain(model: Any) -> Any:
    return json.loads(model.model_dump_json())
