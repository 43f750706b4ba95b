"""Traces of the search page by OpenTelemetry's own launcher and variables, sent to a collector over HTTP."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ogaart.cli.demo_command import free_port
from ogaart_tests.ui import wait_until

pytestmark = pytest.mark.slow


class Collector(ThreadingHTTPServer):
    """Receives spans by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[str] = []
        self.services: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        received = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in received.resource_spans:
            facts = {fact.key: fact.value.string_value for fact in resource.resource.attributes}
            self.server.services.add(facts["service.name"])
            self.server.spans += [span.name for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield collector
        collector.shutdown()


def test_a_request_to_the_search_page_is_a_span(tmp_path: Path) -> None:
    port = free_port(0)
    launcher, ogaart = (str(Path(sys.executable).with_name(name)) for name in ("opentelemetry-instrument", "ogaart"))
    with collecting() as collector:
        environment = {
            **os.environ,
            "OGAART_DATA": str(tmp_path / "data"),
            "OGAART_SERVE_PORT": str(port),
            "OTEL_SERVICE_NAME": "ogaart-search",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_address[1]}",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with subprocess.Popen([launcher, ogaart, "serve"], env=environment, stderr=subprocess.DEVNULL) as service:
            try:
                wait_until(lambda: _answers(port), 60, "the search page to answer")
                wait_until(lambda: "GET /healthz" in collector.spans, 30, "the span of a request")
            finally:
                service.terminate()

    assert collector.services == {"ogaart-search"}


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code in {200, 503}
    except requests.ConnectionError:
        return False
