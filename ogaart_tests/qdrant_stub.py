"""A Qdrant server on loopback that fails on purpose: REST outside, the client's own NumPy engine inside.

It answers the platform's requests, stores what it acknowledges, and can be told to lose it: before it is done, after it
was done and before the answer, in the middle of a body, or long after it was acknowledged. Every body is read by the
client's own model of that request, which refuses what a server does not know.
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
_WHOLE_SERVER = ("/", "/aliases", "/collections", "/collections/aliases")


class QdrantStub:
    """The server; use it as a context manager.

    Attributes:
        fault: called before each request with its method and its object; returns the name of a fault, or None:
            ``refused`` (503), ``limited`` (429), ``lost`` (a reset before anything is done), ``unheard`` (done, then
            a reset), ``cut`` (done, then half an answer), ``slow`` (done, answered too late), ``read little``
            (a reset in the middle of the request's body).
        asked: requests by what they are about.
        faults: faults by name.
        made: how each collection was made.
        snapshots: names of collections of which a snapshot was made, each with its number of points then.
        version: of the server, as it says.
        refuse_snapshots: whether it has no room for them.
    """

    def __init__(self) -> None:
        self.engine = QdrantClient(":memory:")
        self.fault: Callable[[str, str], str | None] = lambda _method, _what: None
        self.asked: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.slow_seconds = 1.5
        self.made: dict[str, models.CreateCollection] = {}
        self.snapshots: list[tuple[str, int]] = []
        self.version = "1.20.0"
        self.refuse_snapshots = False
        self.lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def aliases(self) -> dict[str, str]:
        """What every alias names."""
        return {one.alias_name: one.collection_name for one in self.engine.get_aliases().aliases}

    @property
    def collections(self) -> list[str]:
        """The names of all collections."""
        return sorted(one.name for one in self.engine.get_collections().collections)

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
        path = self.path.partition("?")[0]
        match = _PATH.match(path)
        name, what = ("", path) if path in _WHOLE_SERVER else match.groups() if match is not None else ("", path)
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
        if what == "snapshots" and stub.refuse_snapshots:
            self._reply(507, {"status": {"error": "no space left on device"}})
            return
        try:
            with stub.lock:
                result = _answer(stub, self.command, name, what, body)
        except Exception as error:  # noqa: BLE001 - a gap of the stub, which must not look like a fault
            self._reply(400, {"status": {"error": f"the stub failed at {what}: {error!r}"}})
            return
        if fault == "unheard":
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(stub.slow_seconds)
        answer = result if what == "/" else {"result": result, "status": "ok", "time": 0.0}
        self._reply(200, answer, cut=fault == "cut")

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


def _answer(stub: QdrantStub, method: str, name: str, what: str, body: Any) -> Any:
    engine = stub.engine
    match method, what:
        case "GET", "/":
            return {"title": "qdrant - vector search engine", "version": stub.version}
        case "GET", "/collections":
            return _plain(engine.get_collections())
        case "GET", "/aliases":
            return _plain(engine.get_aliases())
        case "POST", "/collections/aliases":
            return engine.update_collection_aliases(models.ChangeAliasesOperation.model_validate(body).actions)
        case "GET", "exists":
            return {"exists": engine.collection_exists(name)}
        case "GET", "":
            return _described(stub, name)
        case "PUT", "":
            wanted = models.CreateCollection.model_validate(body)
            assert isinstance(wanted.vectors, dict)
            stub.made[name] = wanted
            return engine.create_collection(name, vectors_config=wanted.vectors)
        case "DELETE", "":
            return engine.delete_collection(name)
        case "POST", "snapshots":
            stub.snapshots.append((name, engine.count(name).count))
            return {"name": f"{name}-{len(stub.snapshots)}.snapshot", "size": 1}
        case _:
            return _points(engine, method, name, what, body)


def _described(stub: QdrantStub, name: str) -> Any:
    """A collection as the server describes it: as it was made, whatever of that the engine knows."""
    found = stub.engine.get_collection(name)
    made = stub.made.get(stub.aliases.get(name, name))
    if made is not None:
        wanted = made.model_dump(include={"shard_number", "replication_factor", "write_consistency_factor"})
        params = found.config.params.model_copy(update=wanted)
        config = {"params": params, "quantization_config": made.quantization_config}
        found = found.model_copy(update={"config": found.config.model_copy(update=config)})
    return _plain(found)


def _points(engine: QdrantClient, method: str, name: str, what: str, body: Any) -> Any:
    match method, what:
        case "PUT", "points":
            engine.upsert(name, models.PointsList.model_validate(body).points)
        case "POST", "points/delete":
            engine.delete(name, models.PointIdsList.model_validate(body))
        case "POST", "points/batch":
            operations = models.UpdateOperations.model_validate(body).operations
            engine.batch_update_points(name, operations)
            return [{"operation_id": 0, "status": "completed"}] * len(operations)
        case "PUT", "index":
            models.CreateFieldIndex.model_validate(body)
        case _:
            return _read(engine, name, what, body)
    return {"operation_id": 0, "status": "completed"}


def _read(engine: QdrantClient, name: str, what: str, body: Any) -> Any:
    match what:
        case "points/scroll":
            scroll = models.ScrollRequest.model_validate(body)
            records, after = engine.scroll(
                name, scroll.filter, limit=scroll.limit or 10, offset=scroll.offset, with_payload=False
            )
            return {"points": [_plain(record) for record in records], "next_page_offset": after}
        case "points/count":
            return {"count": engine.count(name, models.CountRequest.model_validate(body).filter).count}
        case "points":
            wanted = models.PointRequest.model_validate(body)
            found = engine.retrieve(
                name, wanted.ids, with_payload=wanted.with_payload or False, with_vectors=wanted.with_vector or False
            )
            return [_plain(record) for record in found]
        case "points/query":
            query = models.QueryRequest.model_validate(body)
            found_points = engine.query_points(
                name, query=query.query, using=query.using, query_filter=query.filter, limit=query.limit or 10
            )
            return _plain(found_points)
        case "facet":
            facet = models.FacetRequest.model_validate(body)
            return _plain(engine.facet(name, facet.key, facet.filter, limit=facet.limit or 10))
    raise AssertionError(f"the stub knows no {what}")


def _plain(model: Any) -> Any:
    return json.loads(model.model_dump_json())
