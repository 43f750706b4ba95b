"""Slow, broken, endless and too many requests: good clients are served, none gets a 500. The whole: make torture."""

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient

from ogaart.search.engine.concurrency import ConcurrencyLimit
from ogaart.search.engine.service import SearchService
from ogaart.search.errors import TooBusy, TooLarge
from ogaart.search.web import forms
from ogaart.search.web.admission import WaitingLine
from ogaart.search.web.app import create_app
from ogaart.search.web.connection_limits import guarded
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import image_id, publish
from ogaart_tests.torture.attack import Force, attack
from ogaart_tests.torture.service import serving

POST = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
PICTURE = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'


@pytest.mark.slow
def test_a_short_attack_on_the_real_service(tmp_path: Path) -> None:
    publish(Settings(data=tmp_path / "data"))
    force = Force(malformed=150, drips=30, floods=4, heads=20, readers=6, seconds=1.5, crowd=60, crowd_seconds=1.0)

    with serving(tmp_path / "data") as (port, pid, said):
        seen = attack(port, pid, seed=2, force=force, visitors=2)

    assert seen.problems == []
    assert seen.malformed[400] > 30
    assert seen.slow[503]
    assert "Traceback" not in said.read_text()


@contextmanager
def served(service: SearchService, most: int = 64, **changes: Any) -> Iterator[int]:
    """The application behind connections whose limits are short."""
    settings = service.settings.model_copy(update={"searches_per_minute": 0, "uploads_per_minute": 0, **changes})
    app = create_app(settings, service)
    service.settings, before = settings, service.settings
    protocol = guarded(most, head_seconds=0.4, read_seconds=0.6, look_seconds=0.1)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", http=protocol, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        service.settings = before
        server.should_exit = True
        thread.join()


def connect(port: int, host: str = "127.0.3.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(host, 0))


def status(connection: socket.socket) -> int:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /search?q=", b"GET / HTTP/1.1\r\nX: y\r\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /"],
)
def test_a_head_that_does_not_end_costs_a_connection_for_a_moment_only(service: SearchService, begun: bytes) -> None:
    with served(service) as port, connect(port) as slow:
        began = time.monotonic()
        slow.sendall(begun)
        while slow.recv(10_000):
            pass

        assert time.monotonic() - began < 5


def is_cut_off(connection: socket.socket, data: bytes) -> bool:
    """Whether the service ends a connection that goes on and on, within half a minute on a busy machine."""
    until = time.monotonic() + 30
    try:
        while time.monotonic() < until:
            connection.sendall(data)
            time.sleep(0.05)
    except OSError:
        return True
    return False


def test_dripping_bytes_of_a_head_does_not_extend_its_time(service: SearchService) -> None:
    with served(service) as port, connect(port) as slow:
        slow.sendall(b"GET /search?q=")
        assert is_cut_off(slow, b"a")


def test_a_refused_body_may_not_go_on_for_ever(service: SearchService) -> None:
    with served(service) as port, connect(port) as endless:
        endless.sendall(POST + b"Content-Length: 99999999999\r\n\r\n")
        assert status(endless) == 413
        assert is_cut_off(endless, bytes(100))


@pytest.mark.slow
def test_who_does_not_read_is_cut_off(service: SearchService) -> None:
    with served(service) as port, connect(port) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert is_cut_off(deaf, b"GET /search?q=alien HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)


@pytest.mark.parametrize("limit", ["all of it", "a pause"])
def test_a_slow_body_is_answered_408(service: SearchService, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: dict[str, Any] = {"upload_seconds": 0.5} if limit == "all of it" else {}
    monkeypatch.setattr(forms, "IDLE_SECONDS", 60 if limit == "all of it" else 0.3)
    with served(service, **changes) as port, connect(port) as slow:
        slow.sendall(POST + b"Content-Length: 5000\r\n\r\n" + PICTURE)
        for _ in range(14 if limit == "all of it" else 1):
            slow.sendall(b"x")
            time.sleep(0.05)

        assert status(slow) == 408


def test_a_body_that_breaks_off_is_not_an_error(service: SearchService, caplog: pytest.LogCaptureFixture) -> None:
    with served(service) as port:
        with connect(port) as gone:
            gone.sendall(POST + b"Content-Length: 5000\r\n\r\n" + PICTURE)
            time.sleep(0.1)
        with connect(port) as broken:
            broken.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
            assert status(broken) == 400
        time.sleep(0.1)

    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_one_clients_slow_uploads_leave_places_for_others(service: SearchService) -> None:
    with served(service, uploads_at_once=8) as port:
        slow = [connect(port, "127.0.3.7") for _ in range(3)]
        for one in slow:
            one.sendall(POST + b"Content-Length: 5000\r\n\r\n" + PICTURE)
            time.sleep(0.1)

        slow[2].settimeout(2)
        assert status(slow[2]) == 503  # a quarter of eight are two
        with connect(port, "127.0.3.8") as other:
            other.sendall(POST + b"Content-Length: 13\r\n\r\n" + b"--b--\r\n      ")
            assert status(other) == 303
        with connect(port, "127.0.3.7") as same:
            same.sendall(b"GET /search?q=alien HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status(same) == 200
        for one in slow:
            one.close()


def test_one_clients_connections_leave_some_for_others(service: SearchService) -> None:
    ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served(service, most=8) as port:
        many = [connect(port, "127.0.3.9") for _ in range(3)]
        time.sleep(0.1)
        many[2].sendall(ask)
        assert status(many[2]) == 503
        with connect(port, "127.0.3.10") as other:
            other.sendall(ask)
            assert status(other) == 200
        for one in many:
            one.close()


def test_a_full_line_is_refused_at_once_and_places_are_passed_on() -> None:
    async def play() -> list[str]:
        line, said = WaitingLine(places=1, waiting=1, seconds=5), []
        await line.enter("a")
        second = asyncio.create_task(line.enter("a"))
        await asyncio.sleep(0)
        try:
            await line.enter("a")
        except TooBusy as busy:
            said.append(str(busy))
        line.leave("a")
        await second
        third = asyncio.create_task(line.enter("a"))
        await asyncio.sleep(0)
        third.cancel()  # who waits may go away
        await asyncio.wait({third})
        line.leave("a")
        await asyncio.wait_for(line.enter("a"), 1)
        said.append("in")
        return said

    assert asyncio.run(play()) == ["too many searches are waiting (limit 1)", "in"]


def test_waiting_has_an_end() -> None:
    async def play() -> None:
        line = WaitingLine(places=1, waiting=1, seconds=0.05)
        await line.enter("a")
        await line.enter("a")

    with pytest.raises(TooBusy, match=r"did not start within 0\.05 s"):
        asyncio.run(play())


def test_shares_are_released() -> None:
    places = ConcurrencyLimit(4, "uploads")
    for _ in range(3):
        places.enter("a")
        with pytest.raises(TooBusy, match="from your address"):
            places.enter("a")
        places.leave("a")
    for name in "abcd":
        places.enter(name)
    with pytest.raises(TooBusy, match=r"too many uploads in progress \(limit 4\)"):
        places.enter("e")


@pytest.mark.parametrize("path", ["/thumb/{}.webp", "/view/{}", "/original/{}", "/image/{}", "/api/v1/images/{}"])
@pytest.mark.parametrize("number", ["-1", "9223372036854775808", "1" * 5000])
def test_ids_beyond_what_the_store_holds(service: SearchService, path: str, number: str) -> None:
    with TestClient(create_app(service.settings, service), base_url="http://localhost") as client:
        assert client.get(path.format(number)).status_code == 400


def test_unknown_methods_are_counted_as_one(service: SearchService) -> None:
    with TestClient(create_app(service.settings, service), base_url="http://localhost") as client:
        for number in range(20):
            client.request(f"X{number}", "/")
        text = client.get("/metrics").text

    assert 'method="other"' in text
    assert "X1" not in text


def test_a_large_original_is_streamed_and_not_taken_into_memory(service: SearchService) -> None:
    number = image_id("planets-set-n°1", 0)
    found = service.original_file(number)
    assert found is not None

    blocks = list(found[1].blocks(size=100))

    assert b"".join(blocks) == found[1].read()
    assert max(map(len, blocks)) == 100
    with pytest.raises(TooLarge, match="at most 10 are taken"):
        service.original(number, at_most=10)


def test_a_form_without_picture_may_not_be_as_large_as_one(service: SearchService) -> None:
    with TestClient(create_app(service.settings, service), base_url="http://localhost") as client:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = client.post("/search", content=b"q=" + b"a" * 200_000, headers=kind)

    assert answer.status_code == 413
