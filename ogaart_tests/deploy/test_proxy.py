"""Who the visitor is, as the deployed proxy tells a replica."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ogaart_tests.deploy.proxy import proxy


class _Echo(BaseHTTPRequestHandler):
    """Answers with what the proxy says of the visitor."""

    def do_GET(self) -> None:
        told = json.dumps([self.headers["X-Forwarded-For"], self.headers["X-Forwarded-Proto"]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output free of requests."""


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[str]:
    """URL of the proxy before one replica."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with proxy(tmp_path / "nginx", (server.server_port,)) as url:
            yield url
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        pytest.param({}, ["127.0.0.1", "http"], id="no proxy before it"),
        pytest.param({"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}, ["203.0.113.9", "https"],
                     id="a proxy with TLS before it"),
        pytest.param({"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}, ["203.0.113.9", "http"],
                     id="a visitor who claims to be another"),
        pytest.param({"X-Forwarded-Proto": "gopher"}, ["127.0.0.1", "http"], id="a scheme that is none"),
    ],
)  # fmt: skip
def test_a_replica_is_told_the_visitor_and_not_the_proxy_before(
    behind: str, sent: dict[str, str], told: list[str]
) -> None:
    with urllib.request.urlopen(urllib.request.Request(f"{behind}/", headers=sent), timeout=60) as answer:
        assert json.load(answer) == told
