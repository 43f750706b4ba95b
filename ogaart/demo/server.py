"""The demo's site over real HTTP on loopback, with the manners of the site's Apache; it notes every request.

A plain threading server: tests change the site while it runs, so its answers come from the records, never from a cache.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from ogaart.core.states import EntryStatus
from ogaart.demo import plan, truth
from ogaart.demo.http import DemoFault, DemoResponse, Request, negotiated
from ogaart.demo.model import FILES, DemoContent
from ogaart.demo.pages import DemoSearch, Pages, mime

ROBOTS = """\
# The demo of ogaart
User-agent: *
Crawl-delay: {delay:g}
Disallow: /search/
Disallow: /?q=search/
Disallow: /user/login/
"""
_OTHER_PAGES = {"faq": "FAQ", "advertise-with-opengameartorg": "Advertise with OGA"}
_BARE_404 = (
    "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1>"
    "<p>The requested URL was not found on this server.</p></body></html>"
)


class DemoSite:
    """A context manager that serves the site: ``with DemoSite() as site: site.base, site.requests, site.truth()``.

    Args:
        port: on 127.0.0.1; 0 takes a free one.
        delay: the Crawl-delay in seconds that robots.txt states; None states none.
        copies: how many times as large, with other pictures in each copy.
        per_page: the most results on one page.
        latency: seconds before every answer.
        site: records to serve instead of the committed plan's.
    """

    def __init__(
        self,
        port: int = 0,
        delay: float | None = 0.0,
        copies: int = 1,
        per_page: int = 24,
        latency: float = 0.0,
        site: DemoContent | None = None,
    ) -> None:
        self.site = plan.load(copies=copies) if site is None else site
        self.delay = delay
        self.latency = latency
        self.requests: list[Request] = []
        self._faults: dict[str, list[DemoFault]] = {}
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", port), self)
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.pages = Pages(self.base, per_page)
        for entry in self.site.entries:
            if entry.cut_once:
                self.fail(entry.listed_path, DemoFault(status=0, after=1_000))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="demo-site", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Serve from a thread of this process."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def truth(self, art_types: Sequence[str] = ("2D Art",)) -> truth.Truth:
        """Return what a perfect crawl of the site as it is now would find, with URLs on this server."""
        with self._lock:
            return truth.tell(self.site, self.base, art_types)

    def count(self, method: str = "GET") -> Counter[str]:
        """Count the requests of one method by their path and query as sent."""
        return Counter(request.target for request in list(self.requests) if request.method == method)

    def fail(self, path: str, *faults: DemoFault) -> None:
        """Let the next requests for a path (percent-encoded, without query) misbehave, one after the other."""
        with self._lock:
            self._faults.setdefault(path, []).extend(faults)

    def answer(self, target: str) -> DemoResponse:
        """Return the answer to a GET of this path and query."""
        path, _, query = target.partition("?")
        with self._lock:
            if path.startswith(FILES):
                return self._file(path)
            if path == "/robots.txt":
                return DemoResponse(200, self._robots().encode(), "text/plain")
            if path == "/art-search-advanced":
                return DemoResponse(200, self.pages.search(self.site, DemoSearch.of_query(query)))
            if path.startswith("/content/"):
                return self._content(path, unquote(path.removeprefix("/content/")))
            if path.startswith("/node/"):
                nid = path.removeprefix("/node/")
                slugs = [entry.slug for entry in self.site.entries if str(entry.nid) == nid]
                return self._content(path, slugs[0] if slugs else "")
            if path == "/":
                return DemoResponse(200, self.pages.plain("OpenGameArt.org", ["A small one, made of real free art."]))
            return DemoResponse(404, self.pages.not_found(path))

    def take_fault(self, path: str) -> DemoFault | None:
        """Return and forget the next misbehaviour of a path."""
        with self._lock:
            faults = self._faults.get(path)
            return faults.pop(0) if faults else None

    def _robots(self) -> str:
        if self.delay is None:
            return "".join(line for line in ROBOTS.splitlines(keepends=True) if not line.startswith("Crawl-delay"))
        return ROBOTS.format(delay=self.delay)

    def _content(self, path: str, slug: str) -> DemoResponse:
        if slug in _OTHER_PAGES:
            return DemoResponse(200, self.pages.plain(_OTHER_PAGES[slug], ["A page of the site that is not an entry."]))
        for entry in self.site.entries:
            if entry.slug == slug and entry.status is not EntryStatus.DELETED:
                break
        else:
            return DemoResponse(404, self.pages.not_found(path))
        if entry.status is EntryStatus.PRIVATE:
            return DemoResponse(403, self.pages.forbidden(entry))
        if entry.status is EntryStatus.NOT_ART:
            return DemoResponse(200, self.pages.plain(entry.title, entry.about))
        return DemoResponse(200, self.pages.entry(entry))

    def _file(self, path: str) -> DemoResponse:
        # A path that another client encoded in another way is the same file.
        wanted = unquote(path)
        for entry in self.site.entries:
            if entry.status in (EntryStatus.DELETED, EntryStatus.PRIVATE):
                continue
            for file in entry.files:
                if FILES + file.stored_name == wanted and not file.missing:
                    return _stored(file.data, file.stored_name, file.modified or entry.posted_at.replace(tzinfo=UTC))
            for preview in entry.previews:
                if FILES + preview.stored_name == wanted:
                    return _stored(preview.data, preview.stored_name, entry.posted_at.replace(tzinfo=UTC))
        if wanted in self.site.decoys:
            return _stored(self.site.decoys[wanted], wanted, datetime(2009, 1, 1, tzinfo=UTC))
        return DemoResponse(404, _BARE_404.encode(), "text/html; charset=iso-8859-1")


def _stored(data: bytes, name: str, modified: datetime) -> DemoResponse:
    # Apache's tag: size and time in microseconds, in hex.
    tag = f'"{len(data):x}-{int(modified.timestamp() * 1_000_000):x}"'
    return DemoResponse(200, data, mime(name), tag, modified.replace(microsecond=0))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], demo: DemoSite) -> None:
        self.demo = demo
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve(body=True)

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def version_string(self) -> str:
        return "Apache"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Stay silent: the requests are noted."""

    def _serve(self, body: bool) -> None:
        demo, at = self.server.demo, time.monotonic()
        # Clients that send an absolute target mean its path.
        parts = urlsplit(self.path)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        fault = demo.take_fault(parts.path)
        time.sleep(demo.latency + (fault.pause if fault else 0.0))
        if fault is not None and fault.status:
            headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
            answer = DemoResponse(fault.status, b"The demo was told to fail here.\n", "text/plain", headers=headers)
        else:
            answer = demo.answer(target)
        asked = {name.lower(): value for name, value in self.headers.items()}
        status, content, headers = negotiated(answer, asked)
        cut = fault.after if fault is not None and not fault.status else len(content)
        sent = content[:cut] if body and status != HTTPStatus.NOT_MODIFIED else b""
        # Noted before the bytes leave, so that a client which has its answer finds its request here.
        demo.requests.append(Request(at, self.command, target, asked, status, len(sent)))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.type)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(content)))
        if self.close_connection:  # as the client wished
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(sent)
        if cut < len(content):
            self.close_connection = True
