"""What operators ask: whether the service works, and how much it does, in Prometheus' text format."""

import threading
import time
from bisect import bisect_left

import psutil
from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ogaart.search.engine.service import SearchService
from ogaart.search.engine.uploads import Uploads
from ogaart.search.errors import NothingPublished

# Any word can be sent as a method: what is none of these is counted as one.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """Requests by route, method and status, and how long they took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str, int], int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def add(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        with self._lock:
            key = (route, method, status)
            self._requests[key] = self._requests.get(key, 0) + 1
            self._buckets.setdefault(route, [0] * (len(_BUCKETS) + 1))[bisect_left(_BUCKETS, seconds)] += 1
            self._seconds[route] = self._seconds.get(route, 0.0) + seconds

    def lines(self) -> list[str]:
        """In Prometheus' text format."""
        with self._lock:
            lines = ["# TYPE ogaart_requests_total counter"]
            for (route, method, status), count in sorted(self._requests.items()):
                lines.append(f'ogaart_requests_total{{route="{route}",method="{method}",status="{status}"}} {count}')
            lines.append("# TYPE ogaart_request_seconds histogram")
            for route, buckets in sorted(self._buckets.items()):
                total = 0
                for limit, count in zip((*_BUCKETS, "+Inf"), buckets, strict=True):
                    total += count
                    lines.append(f'ogaart_request_seconds_bucket{{route="{route}",le="{limit}"}} {total}')
                lines.append(f'ogaart_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}')
                lines.append(f'ogaart_request_seconds_count{{route="{route}"}} {total}')
            return lines


class RequestMetricsMiddleware:
    """Counts every request under its route's pattern: addresses themselves are nobody's business."""

    def __init__(self, app: ASGIApp, counts: RequestMetrics) -> None:
        self._app = app
        self._counts = counts

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
            self._counts.add(route, method, status, time.perf_counter() - began)


class MonitoringRoutes:
    """Routes for operators."""

    def __init__(self, service: SearchService, uploads: Uploads, counts: RequestMetrics) -> None:
        self._service = service
        self._uploads = uploads
        self._counts = counts
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/healthz", self.health, methods=["GET"])
        self.router.add_api_route("/metrics", self.metrics, methods=["GET"])

    def health(self) -> Response:
        """200 if searches can be answered."""
        try:
            info = self._service.info()
        except NothingPublished as cause:
            return JSONResponse({"status": "empty", "detail": str(cause)}, status_code=503)
        return JSONResponse({"status": "ok", "generation": info.generation, "images": info.images})

    def metrics(self) -> Response:
        """Counters and gauges."""
        lines = self._counts.lines()
        gauges = {
            "ogaart_uploads_kept": len(self._uploads),
            "ogaart_resident_bytes": psutil.Process().memory_info().rss,
        }
        try:
            info = self._service.info()
            gauges |= {"ogaart_generation": info.generation, "ogaart_images": info.images}
        except NothingPublished:
            gauges["ogaart_generation"] = 0
        for name, value in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {value}"]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")
