"""One bad client among others: real connections from several loopback addresses, against the whole application."""

import http.client
import http.server
import io
import itertools
import json
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from fastapi import Request

from ogaart.search.credits.bundle import Bundle
from ogaart.search.engine.remote_images import RemoteImageFetcher
from ogaart.search.engine.service import DECODING, FETCHING, SearchService
from ogaart.search.query import Box, QueryPicture
from ogaart.search.store.picture_files import FileSlice
from ogaart.search.web import credits_routes
from ogaart.search.web.allowances import client_of
from ogaart.search.web.app import create_app
from ogaart.search.web.connection_limits import guarded
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import ENTRIES, GridImageReader, image_id, pictures, publish

FROG = pictures(next(entry for entry in ENTRIES if entry.slug == "enemies-again"))[0].read_bytes()
BAD, GOOD = "127.0.5.1", "127.0.5.2"
Answer = tuple[int, bytes, http.client.HTTPMessage]


class HeldReader(GridImageReader):
    """Holds whatever decodes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.go_on.set()
        self.waiting = threading.Semaphore(0)

    def read_image(self, content: bytes, box: Box | None, space: str) -> QueryPicture:
        self._hold()
        return super().read_image(content, box, space)

    def thumbnail(self, content: bytes, box: Box | None) -> bytes:
        self._hold()
        return super().thumbnail(content, box)

    def _hold(self) -> None:
        if not self.go_on.is_set():
            self.waiting.release()
            self.go_on.wait(60)


@contextmanager
def served(settings: Settings, reader: GridImageReader | None = None, **changes: Any) -> Iterator[int]:
    unlimited = settings.model_copy(update={"searches_per_minute": 0, "uploads_per_minute": 0, **changes})
    fetcher = RemoteImageFetcher(1 << 20, "test", permitted=lambda one: one.is_loopback, ports=None, seconds=30)
    with SearchService(unlimited, reader or GridImageReader(), fetcher) as service:
        app = create_app(unlimited, service)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", http=guarded(256, read_seconds=1.0)))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            thread.join(0.02)
        try:
            yield server.servers[0].sockets[0].getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def request(port: int, client: str, path: str, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(client, 0))
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    with answer:
        return answer.status, answer.read(), answer.headers


def upload(port: int, client: str, content: bytes = FROG) -> Answer:
    body = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n' + content + b"\r\n--b--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(client, 0))
    connection.request("POST", "/api/v1/search", body, {"Content-Type": "multipart/form-data; boundary=b"})
    with connection.getresponse() as answer:
        return answer.status, answer.read(), answer.headers


def many(count: int, what: Callable[[int], Answer]) -> list[Any]:
    pool = ThreadPoolExecutor(count)
    futures = [pool.submit(what, number) for number in range(count)]
    pool.shutdown(wait=False)
    return futures


def token_of(port: int, client: str) -> str:
    status, body, _ = upload(port, client)
    assert status == 200
    return str(json.loads(body)["upload"])


CROPS: dict[str, Callable[[str, int], str]] = {
    "crops of a thumbnail": lambda token, n: f"/upload/{token}.webp?crop=0.{n + 1:02},0,0.5,0.5",
    "searches with crops": lambda token, n: f"/api/v1/search?upload={token}&crop=0.{n + 1:02},0,0.5,0.5",
    "crops of a catalog picture": lambda _, n: f"/api/v1/search?like={image_id('tanks', n)}&crop=0.1,0,0.5,0.5",
}


@pytest.mark.parametrize("kind", CROPS)
def test_one_client_that_decodes_without_end_leaves_others_their_searches(settings: Settings, kind: str) -> None:
    reader = HeldReader()
    with served(settings, reader) as port:
        token = token_of(port, BAD)
        reader.go_on.clear()
        busy = many(DECODING, lambda n: request(port, BAD, CROPS[kind](token, n)))
        for _ in range(DECODING // 4):
            assert reader.waiting.acquire(timeout=20)
        other = many(1, lambda _: upload(port, GOOD))
        assert reader.waiting.acquire(timeout=20)  # it is being decoded beside them
        while sum(one.done() for one in busy) < DECODING - DECODING // 4:
            time.sleep(0.02)
        reader.go_on.set()

        assert other[0].result(60)[0] == 200
        statuses = sorted(one.result(60)[0] for one in busy)
        assert statuses.count(503) == DECODING - DECODING // 4
        refused = next(one.result()[2] for one in busy if one.result()[0] == 503)
        assert refused["Retry-After"] == "5"


@pytest.mark.parametrize("parameter", ["url", "like", "unlike"])
def test_one_clients_hanging_links_leave_others_theirs(settings: Settings, parameter: str) -> None:
    go_on, waiting = threading.Event(), threading.Semaphore(0)

    class Hanging(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/hang"):
                waiting.release()
                go_on.wait(30)
            self.send_response(200)
            self.send_header("Content-Length", str(len(FROG)))
            self.end_headers()
            self.wfile.write(FROG)

        def log_message(self, *args: object) -> None:
            pass

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hanging)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{site.server_port}"
    with served(settings) as port:
        path = "/api/v1/search?" + urlencode({parameter: f"{base}/hang"})
        busy = many(10, lambda n: request(port, BAD, f"{path}{n}"))
        for _ in range(FETCHING // 4):
            assert waiting.acquire(timeout=20)

        began = time.monotonic()
        status, _, _ = request(port, GOOD, "/api/v1/search?" + urlencode({parameter: f"{base}/picture"}))
        seconds = time.monotonic() - began
        refused = itertools.islice(as_completed(busy, timeout=60), 10 - FETCHING // 4)
        statuses = [one.result()[0] for one in refused]  # while the others hang
        go_on.set()
        statuses += [one.result(60)[0] for one in busy]
    site.shutdown()

    assert status == 200
    assert seconds < 20
    assert statuses[: 10 - FETCHING // 4] == [503] * (10 - FETCHING // 4)
    assert statuses[10 - FETCHING // 4 :].count(200) == FETCHING // 4


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        (lambda base, token: ["/api/v1/search?" + urlencode([("like", f"{base}/{n}") for n in range(6)])], 2),
        (lambda base, token: [f"/upload/{token}.webp?crop=0.{n},0,0.4,0.4" for n in range(1, 6)], 2),
        (lambda base, token: [f"/api/v1/search?upload={token}&crop=0.{n},0,0.4,0.4" for n in range(1, 6)], 2),
        (lambda base, token: [f"/credits/zip?ids={image_id('tanks', 0)}"] * 3
         + [f"/api/v1/credits?format=zip&ids={image_id('tanks', 0)}"] * 2, 2),
        (lambda base, token: [f"/upload/{token}.webp", f"/api/v1/search?upload={token}"] * 9, 7),
    ],
    ids=["six links", "thumbnails of crops", "crops", "bundles of page and API", "what is remembered is free"],
)  # fmt: skip
def test_whatever_decodes_fetches_or_embeds_costs_its_allowance(settings: Settings, paths: Any, left: int) -> None:
    """A client has eight pictures a minute; its own upload is one of them where a token is needed."""

    class Picture(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(FROG)))
            self.end_headers()
            self.wfile.write(FROG)

        def log_message(self, *args: object) -> None:
            pass

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Picture)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    with served(settings, uploads_per_minute=8) as port:
        began = time.monotonic()
        token = token_of(port, BAD)
        listed = paths(f"http://127.0.0.1:{site.server_port}", token)
        if "like=http" in listed[0]:
            left -= 1  # six of the seven that the upload left
        for path in listed:
            assert request(port, BAD, path)[0] == 200

        accepted = 0
        while (status := upload(port, BAD)[0]) == 200:
            accepted += 1

        assert status == 429
        refilled = int((time.monotonic() - began) * 8 / 60)
        assert left <= accepted <= left + refilled
        assert upload(port, GOOD)[0] == 200
    site.shutdown()


def test_a_bundle_is_sent_as_it_is_made_and_one_at_a_time_to_a_client(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ",".join(str(image_id("tanks", n)) for n in range(3))
    begun, go_on = threading.Semaphore(0), threading.Event()
    blocks = Bundle.blocks

    def held(bundle: Bundle) -> Iterator[bytes]:
        begun.release()
        go_on.wait(30)
        yield from blocks(bundle)

    monkeypatch.setattr(Bundle, "blocks", held)
    with served(settings) as port:
        first = many(1, lambda _: request(port, BAD, f"/credits/zip?ids={ids}"))[0]
        assert begun.acquire(timeout=20)
        second = request(port, BAD, f"/api/v1/credits?format=zip&ids={ids}")
        other = many(1, lambda _: request(port, GOOD, f"/credits/zip?ids={ids}"))[0]
        assert begun.acquire(timeout=20)
        go_on.set()

        assert second[0] == 503
        for sent in (first.result(60), other.result(60)):
            assert sent[0] == 200
            with zipfile.ZipFile(io.BytesIO(sent[1])) as opened:
                assert opened.testzip() is None
        assert request(port, BAD, f"/credits/zip?ids={ids}")[0] == 200  # its place was returned


@pytest.mark.parametrize(
    "path",
    [f"/credits/zip?ids={image_id('tanks', 0)}", "/credits/zip?entry=tanks",
     f"/api/v1/credits?format=zip&ids={image_id('tanks', 0)}"],
)  # fmt: skip
def test_a_bundle_is_charged_before_its_pictures_are_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with served(settings, uploads_per_minute=1) as port:
        assert request(port, BAD, path)[0] == 200
        read = threading.Event()
        monkeypatch.setattr(credits_routes, "make_credits", lambda *_: read.set())

        assert request(port, BAD, path)[0] == 429
        assert not read.is_set()


def test_the_head_of_a_file_reads_nothing_of_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    number = image_id("tanks", 0)
    paths = (f"/original/{number}", f"/view/{number}", f"/credits/zip?ids={number}")
    with served(settings) as port:
        got = {path: request(port, BAD, path) for path in paths}
        read = threading.Event()
        monkeypatch.setattr(FileSlice, "_read", lambda *_: read.set())
        for path in paths:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(BAD, 0))
            connection.request("HEAD", path)
            with connection.getresponse() as answer:
                assert (answer.status, answer.read()) == (200, b"")
                assert answer.headers["Content-Length"] == got[path][2]["Content-Length"]
                assert answer.headers["Content-Type"] == got[path][2]["Content-Type"]

    assert not read.is_set()


@pytest.mark.parametrize("path", ["/view/{}", "/original/{}"])
def test_a_picture_that_is_not_there_is_an_error_and_no_cut_answer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    whole = FileSlice.blocks
    monkeypatch.setattr(FileSlice, "blocks", lambda one: whole(replace(one, length=one.length + (1 << 30))))
    with served(settings) as port:
        assert request(port, BAD, path.format(image_id("tanks", 0)))[0] == 503


@pytest.mark.parametrize("harm", ["cut", "lost"])
def test_a_damaged_pack_is_told_to_visitors_and_named_to_the_operator(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    settings, number = Settings(data=tmp_path), image_id("tanks", 0)
    publish(settings)
    with served(settings) as port:
        for pack in list(tmp_path.rglob("0000.zip")):
            if harm == "cut":
                pack.chmod(0o644)
                os.truncate(pack, 10)
            else:
                pack.unlink()

        answers = [request(port, BAD, path.format(number)) for path in ("/thumb/{}.webp", "/view/{}", "/original/{}")]
        searched = request(port, BAD, f"/api/v1/search?like={number}")[0]

    assert [status for status, _, _ in answers] == [503] * 3
    assert all(b"he file that holds this picture is damaged here" in body for _, body, _ in answers)
    assert searched == 200
    assert caplog.text.count("publish again to renew the packs") == 3


def test_a_bundle_that_is_read_too_slowly_ends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(_: Bundle) -> Iterator[bytes]:
        while True:
            time.sleep(0.02)
            yield b"x" * 100

    monkeypatch.setattr(Bundle, "blocks", endless)
    monkeypatch.setattr(credits_routes.BundleResponse.__init__, "__kwdefaults__", {"rate": 1e9, "seconds": 0.5})
    path = f"/credits/zip?ids={image_id('tanks', 0)}"
    with served(settings) as port:
        began = time.monotonic()
        with pytest.raises(http.client.IncompleteRead):
            request(port, BAD, path)

        assert time.monotonic() - began < 20
        monkeypatch.undo()
        assert request(port, BAD, path)[0] == 200


FOREIGN = (
    "evil.example", "evil.example:80", "localhost.evil.example", "192.0.2.7", "[2001:db8::1]",
    "localhost:80@evil.example", "localhost:evil.example", "[::1]evil.example",
)  # fmt: skip
PATHS = ("/", "/search?q=robot", "/api/v1/info", "/search/", "/image/5", "/static/ogaart.css")


def test_a_foreign_host_name_is_refused_and_never_reflected(settings: Settings) -> None:
    with served(settings) as port:
        answers = [request(port, BAD, path, Host=host) for path in PATHS for host in FOREIGN]

    assert {status for status, _, _ in answers} == {400}
    assert all(b"does not answer to the name" in body for _, body, _ in answers)
    assert not any("Location" in headers for _, _, headers in answers)


def test_names_that_are_allowed(settings: Settings) -> None:
    with served(settings, hosts="other.example, pictures.example, 2001:db8::7") as port:
        for host in (
            "localhost",
            "127.0.0.1:8080",
            "[::1]:1",
            "pictures.example",
            "Pictures.Example.:443",
            "[2001:db8::7]",
        ):
            assert request(port, BAD, "/", Host=host)[0] == 200
            moved = request(port, BAD, "/about/?x=1", Host=host)
            assert (moved[0], moved[2]["Location"]) == (307, "/about?x=1")
        for path in ("/healthz", "/metrics"):
            assert request(port, BAD, path, Host="10-0-0-1.pod.cluster")[0] == 200
        foreign = request(port, BAD, "//evil.example/", Host="localhost")

    assert foreign[2].get("Location", "/evil.example") == "/evil.example"


@pytest.mark.parametrize("path", ["/credits?ids={}", "/credits/text?ids={}", "/api/v1/credits?ids={}", "/image/{}"])
def test_what_reads_as_much_as_a_search_counts_as_one(settings: Settings, path: str) -> None:
    with served(settings, searches_per_minute=2) as port:
        answers = [request(port, BAD, path.format(image_id("tanks", 0)))[0] for _ in range(3)]
        other = request(port, GOOD, path.format(image_id("tanks", 0)))[0]

    assert (answers, other) == ([200, 200, 429], 200)


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::a:b:c:d", "2001:db8::/64"),
        ("2001:db8:0:1::1%eth0", "2001:db8:0:1::/64"),
        ("testclient", "testclient"),
    ],
)
def test_one_household_is_one_client_however_its_addresses_are_written(address: str, client: str) -> None:
    assert client_of(Request({"type": "http", "client": (address, 1)})) == client
