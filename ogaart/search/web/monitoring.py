"""Health and metrics for operators: whether searches are answered, and how many, in Prometheus' text format."""

import logging
import math
import threading
import time
from collections.abc import Callable

import psutil
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ogaart.resources.moderation.line_log import LogUnavailable
from ogaart.resources.moderation.takedowns import DecisionsUnreadable
from ogaart.resources.moderation.visitor_reports import VisitorReports
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.uploads import Uploads
from ogaart.search.errors import NothingPublished

logger = logging.getLogger(__name__)

# Any word can be sent as a method: what is none of these is counted as one.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REPORTS_SECONDS = 10.0  # for which a count of reports holds: a full file of them takes a third of a second to read
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Remembered:
    """A number that costs much to count: the last count holds for some seconds, and while the next one takes long.

    Args:
        count: counts.
        seconds: how long a count holds, from its end.
        patience: seconds to wait for a count: a database that is away is waited for longer than a scraper waits.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        count: Callable[[], float],
        seconds: float,
        patience: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._seconds = seconds
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._last, self._until = math.nan, -math.inf
        self._counting: threading.Thread | None = None

    def __call__(self) -> float:
        """The number; NaN where it is not known."""
        with self._lock:
            if self._counting is None and self._clock() >= self._until:
                self._counting = threading.Thread(target=self._renew, name="count", daemon=True)
                self._counting.start()
            counting = self._counting
        if counting is not None:
            counting.join(self._patience)
        return self._last

    def _renew(self) -> None:
        last = math.nan
        try:
            last = self._count()
        except (LogUnavailable, OSError) as cause:
            logger.warning("reports are not counted: %s", cause)
        finally:
            with self._lock:
                self._last, self._until, self._counting = last, self._clock() + self._seconds, None


class RequestMetrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self._requests = Counter("ogaart_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "ogaart_request_seconds",
            "Seconds from a request to the end of its answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def add(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class RequestMetricsMiddleware:
    """Counts every request under its route's pattern: URLs hold upload tokens and what people look for."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", None) or "other"
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.add(route, method, status, time.perf_counter() - began)


class MonitoringRoutes:
    """Routes for operators."""

    def __init__(
        self, service: SearchService, uploads: Uploads, metrics: RequestMetrics, reports: VisitorReports
    ) -> None:
        self._service = service
        self._registry = metrics.registry
        self._measure(uploads, reports)
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/healthz", self.health, methods=["GET"])
        self.router.add_api_route("/metrics", self.metrics, methods=["GET"])

    def health(self) -> Response:
        """200 if searches can be answered."""
        try:
            info = self._service.info()
            self._service.decisions.current()
        except DecisionsUnreadable:
            return JSONResponse({"status": "takedowns unreadable"}, status_code=503)
        except NothingPublished as cause:
            status = "empty" if cause.copied else "not copied"
            return JSONResponse({"status": status, "detail": str(cause)}, status_code=503)
        return JSONResponse({"status": "ok", "generation": info.generation, "images": info.images})

    def metrics(self) -> Response:
        """Counters and gauges."""
        return Response(generate_latest(self._registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    def _measure(self, uploads: Uploads, reports: VisitorReports) -> None:
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "uploads_kept": ("Visitors' pictures in memory.", lambda: len(uploads)),
            "reports_open": (
                "Reports of visitors that the operator has not closed.",
                Remembered(lambda: len(reports.open()), REPORTS_SECONDS),
            ),
            "resident_bytes": ("Resident memory of this process.", lambda: psutil.Process().memory_info().rss),
            "generation": ("Number of the publication that is searched; 0: none yet.", lambda: self._published()[0]),
            "images": ("Pictures in that publication.", lambda: self._published()[1]),
        }
        for name, (text, value) in gauges.items():
            Gauge(f"ogaart_{name}", text, registry=self._registry).set_function(value)

    def _published(self) -> tuple[int, int]:
        try:
            info = self._service.info()
        except NothingPublished:
            return 0, 0
        return info.generation, info.images
