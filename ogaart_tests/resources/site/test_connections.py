"""Connections that fail: told in plain words, and interrupted wherever they wait."""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ogaart.resources.site.errors import AttemptFailed
from ogaart.resources.site.transport import Transport
from ogaart.settings import Settings
from ogaart_tests.fault_server import Behaviour, Cut, CutHead, FaultServer, Raw, Reset, Serve
from ogaart_tests.resources.site.site_bench import Bench, bench

__all__ = ["bench"]

JARGON = ("Pool(", "Error(", "Errno", "Exception", "Max retries", "object at", "Caused by", "urllib3", "IncompleteRead")


class Kept(BaseHTTPRequestHandler):
    """Answers, and keeps the connection although the client asked to close it, without a word about either."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert self.headers["Connection"] == "close"
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        self.close_connection = False
        self.server.clients.append(self.client_address)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextlib.contextmanager
def keeping_server() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """The address of such a server, and from which address each request came."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Kept) as server:
        server.daemon_threads, server.block_on_close = True, False
        clients: list[tuple[str, int]] = []
        server.clients = clients  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", clients
        server.shutdown()


class Interrupt(BaseException):
    """What a handler of a signal raises."""


@contextlib.contextmanager
def interrupted(seconds: float) -> Iterator[None]:
    """A signal after so many seconds whose handler raises."""

    def interrupt(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def slow_lookup(*_: object, **__: object) -> list[Any]:
    """As the C library's: no handler of Python's runs before it returns."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(5)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def transport(**options: Any) -> Transport:
    return Transport(Settings(timeout_connect=2.0, timeout_read=2.0, **options))


def message_of(url: str) -> str:
    with pytest.raises(AttemptFailed) as failure:
        transport().send(url, {})
    assert failure.value.connecting
    return failure.value.message


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_signal_ends_a_lookup(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", slow_lookup)
    began = time.monotonic()

    with pytest.raises(Interrupt), interrupted(0.2):
        transport().send(f"{scheme}://site.example/", {})

    assert time.monotonic() - began < 4


def test_a_lookup_has_the_time_out_of_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", slow_lookup)

    assert message_of("http://site.example/") == "http://site.example/: no connection within 2 s"


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def two(host: str, port: int, *rest: Any, **named: Any) -> list[Any]:
        names = ["127.0.0.2", "127.0.0.1"] if host == "site.example" else [host]
        return [row for name in names for row in real(name, port, *rest, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with FaultServer() as server:
        url = server.at("/x", Serve(b"x")).replace("127.0.0.1", "site.example")
        assert transport().send(url, {}).status_code == 200


def test_failures_to_connect_are_told_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    refused = f"http://127.0.0.1:{port}/x"
    with FaultServer() as server:
        plain = server.at("/x", Serve(b"x")).replace("http:", "https:")
        messages = [message_of(refused), message_of(plain), message_of("http://no-such.invalid/")]
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        messages.append(message_of("http://site.example/"))

    assert messages[0] == f"{refused}: Connection refused"
    assert ": TLS failed (" in messages[1]
    assert "the name of the host cannot be resolved (" in messages[2]
    assert messages[3] == "http://site.example/: by the proxy: Connection refused"
    assert not [message for message in messages if any(word in message for word in JARGON)]


@pytest.mark.parametrize(
    "fault",
    [
        Reset(),
        CutHead(),
        Cut(Serve(b"x" * 5000), 10),
        Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n"),
        Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxx"),
        Raw(b"hello, this is not HTTP\r\n\r\n"),
    ],
)
def test_what_breaks_off_is_told_in_plain_words(fault: Behaviour, bench: Bench) -> None:
    told: list[str] = []

    bench.client(on_event=told.append).get(bench.server.at("/x", fault, Serve(b"x")))

    assert told[0].startswith("attempt 1 of 3 failed")
    cause = told[0].partition("/x")[2]
    assert not any(word in cause for word in JARGON), cause


@pytest.mark.parametrize("whole", [True, False], ids=["body read", "body left"])
def test_each_request_has_a_connection_of_its_own_whatever_the_server_says_of_it(whole: bool) -> None:
    client = transport()
    with keeping_server() as (url, clients):
        for _ in range(3):
            with client.send(url, {}) as response:
                assert response.status_code == 200
                if whole:
                    assert response.content == b"ok"

    assert len(set(clients)) == len(clients) == 3
