"""Links are followed to the public web only; what is permitted here is loopback, on a real server."""

import http.server
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import psutil
import pytest

from ogaart.search.engine.remote_images import RESOLVERS, IPAddress, RemoteImageFetcher, is_foreign, is_public
from ogaart.search.errors import LinkFailed, LinkRefused, TooBusy, TooLarge

LENGTHS = {"digits": b"9" * 5_000, "squared": b"\xb2", "negative": b"-1", "words": b"three"}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: C901
        match self.path:
            case "/picture.png":
                self._send(200, b"a picture")
            case "/a%20b%20%E6%83%91.png":
                self._send(200, b"named")
            case "/large":
                self._send(200, b"x" * 2_000)
            case "/large-unannounced":
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"x" * 2_000)
            case "/empty":
                self._send(200, b"")
            case "/missing":
                self._send(404, b"no")
            case "/loop":
                self._send(302, b"", ("Location", "/loop"))
            case "/to-picture":
                self._send(302, b"", ("Location", "picture.png"))
            case "/to-metadata":
                self._send(302, b"", ("Location", "http://169.254.169.254/latest/meta-data/"))
            case "/to-file":
                self._send(302, b"", ("Location", "file:///etc/passwd"))
            case "/trickle":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                try:
                    for _ in range(100):
                        self.wfile.write(b"x")
                        time.sleep(0.05)
                except OSError:
                    return
            case "/to-nowhere":
                self._send(302, b"", ("Location", "http://["))
            case "/to-latin-1":
                self._send(302, b"", ("Location", "/\xe9.png"))
            case "/to-utf-8":
                self._send(302, b"", ("Location", "/\u60d1.png".encode().decode("latin-1")))
            case "/%C3%A9.png" | "/%E6%83%91.png":
                self._send(200, b"named")
            case path if path.startswith("/length/"):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + LENGTHS[path[8:]] + b"\r\n\r\nabc")
            case "/chunk":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n")
            case "/cut":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"only this")

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()


def loopback(address: IPAddress) -> bool:
    return address.is_loopback


@pytest.fixture(scope="module")
def remote() -> Iterator[RemoteImageFetcher]:
    remote = RemoteImageFetcher(1_000, "test", permitted=loopback, ports=None)
    yield remote
    remote.close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/picture.png", b"a picture"),
        ("/to-picture", b"a picture"),
        ("/a b 惑.png", b"named"),
        ("/picture.png#x", b"a picture"),
        ("/to-latin-1", b"named"),
        ("/to-utf-8", b"named"),
    ],
)
def test_pictures_come(remote: RemoteImageFetcher, server: str, path: str, expected: bytes) -> None:
    assert remote.fetch(f"{server}{path}") == expected


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("/large", TooLarge, "more than 1,000 bytes"),
        ("/large-unannounced", TooLarge, "more than 1,000 bytes"),
        ("/empty", LinkFailed, "empty"),
        ("/missing", LinkFailed, "404"),
        ("/loop", LinkFailed, "redirects more than"),
        ("/to-metadata", LinkRefused, "not on the public internet"),
        ("/to-file", LinkRefused, "http"),
        ("/cut", LinkFailed, "cut off"),
        ("/to-nowhere", LinkFailed, "redirects to 'http://\\[', which is not a valid URL"),
        ("/length/digits", LinkFailed, "invalid Content-Length: '9999"),
        ("/length/squared", LinkFailed, "invalid Content-Length"),
        ("/length/negative", LinkFailed, "invalid Content-Length: '-1'"),
        ("/length/words", LinkFailed, "invalid Content-Length: 'three'"),
        ("/chunk", LinkFailed, "valid HTTP"),
    ],
)
def test_a_file_that_is_not_a_picture_is_reported(
    remote: RemoteImageFetcher, server: str, path: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        remote.fetch(f"{server}{path}")


def test_a_server_that_trickles_is_left_in_time(server: str) -> None:
    remote = RemoteImageFetcher(1_000, "test", permitted=loopback, ports=None, seconds=1.0)
    began = time.monotonic()

    with closing(remote), pytest.raises(LinkFailed, match="longer than 1 s"):
        remote.fetch(f"{server}/trickle")

    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/a.png",
        "file:///etc/passwd",
        "//example.org/a.png",
        "javascript:alert(1)",
        "http://user:secret@example.org/",
        "http://example.org:22/",
        "http://[::1]/",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.0.0.1]/",
        "http://10.1.2.3/",
        "http://192.168.1.1/",
        "http://[fe80::1%25eth0]/",
        "http://exa mple.org/",
        "http://",
        "http://[",
        "http://example.org:99999/",
        "http://exa\0mple.org/",
        "http://" + "a" * 300 + ".org/",
        "http://a..b/",
    ],
)
def test_links_that_are_never_followed(url: str) -> None:
    remote = RemoteImageFetcher(1_000, "test")

    with pytest.raises((LinkRefused, LinkFailed)):
        remote.fetch(url)


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("93.184.216.34", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)

    with pytest.raises(LinkRefused, match="not on the public internet"):
        RemoteImageFetcher(1_000, "test").fetch("http://rebinding.example/")


def test_the_connection_goes_to_the_address_that_was_checked(
    server: str, remote: RemoteImageFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means another address the second time is asked for only once."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, *rest: object, **named: object) -> object:
        asked.append(host)
        meant = {"rebinding.example": "127.0.0.1" if len(asked) == 1 else "203.0.113.1"}.get(host, host)
        return real(meant, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    assert remote.fetch(f"http://rebinding.example:{server.rsplit(':', 1)[1]}/picture.png") == b"a picture"
    assert asked == ["rebinding.example", "127.0.0.1"]  # the second is the connection itself, to a literal address


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("100.64.0.1", False), ("192.0.0.8", False), ("0.0.0.0", False),
        ("224.0.0.1", False), ("255.255.255.255", False), ("fc00::1", False), ("fec0::1", False), ("ff02::1", False),
        ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", True), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
        ("2001:0:53aa::1", False), ("198.18.0.1", False), ("240.0.0.1", False), ("3fff::1", False),
        ("3fff:fff:ffff::1", False), ("5f00::1", False), ("64:ff9b:1::1", False), ("192.88.99.1", False),
        ("100.127.255.254", False), ("::ffff:192.88.99.1", False), ("::ffff:0:7f00:1", False), ("::7f00:1", False),
        ("2001:db8::1", False), ("100::1", False), ("fe80::1", False), ("2001:20::1", False), ("2001:4860::1", True),
    ],
)  # fmt: skip
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


def test_the_machines_own_public_address_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A public address may be this very machine's, where services listen that no other machine reaches."""
    own = [SimpleNamespace(address="93.184.216.34"), SimpleNamespace(address="2606:4700::1111%eth0")]
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"eth0": own})

    for address in ("93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"):
        assert is_public(ipaddress.ip_address(address))
        assert not is_foreign(ipaddress.ip_address(address))
    assert is_foreign(ipaddress.ip_address("93.184.216.35"))


def test_names_that_do_not_resolve_cost_their_client_its_share_until_they_return(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's resolver has no time limit of its own: one client's hanging names must not stop others' links."""
    go_on = threading.Event()
    real = socket.getaddrinfo

    def resolve(host: str, *rest: object, **named: object) -> object:
        if host.startswith("hang"):
            go_on.wait(30)
            raise OSError
        return real(host, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    remote = RemoteImageFetcher(1_000, "test", permitted=loopback, ports=None, seconds=1.0)
    for n in range(RESOLVERS // 4):
        with pytest.raises(LinkFailed, match="did not resolve in time"):
            remote.fetch(f"http://hang{n}.example/", "192.0.2.1")
    with pytest.raises(TooBusy, match="from your address"):
        remote.fetch(f"{server}/picture.png", "192.0.2.1")

    assert remote.fetch(f"{server}/picture.png", "192.0.2.2") == b"a picture"

    go_on.set()
    remote.close()
