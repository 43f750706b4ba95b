"""Reporting a picture: a form, and the row that the operator sees."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response

from ogaart.core.image_ids import parse_image_id
from ogaart.resources.moderation.visitor_reports import REASONS, VisitorReports
from ogaart.search.engine.service import SearchService
from ogaart.search.errors import InvalidParameter, NotFound
from ogaart.search.page_parameters import ignored_notes, other_parameters
from ogaart.search.results import Hit
from ogaart.search.web.allowances import RateLimit, client_of
from ogaart.search.web.forms import read_form
from ogaart.search.web.guards import require_own_page
from ogaart.search.web.templating import Templates

PER_MINUTE = 3
"""Reports of one client."""


class ReportPages:
    """Routes of reports."""

    def __init__(self, service: SearchService, templates: Templates, reports: VisitorReports) -> None:
        self._service = service
        self._templates = templates
        self._reports = reports
        self._limit = RateLimit(PER_MINUTE)
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        self.router.add_api_route("/report", self.form, methods=["GET", "HEAD"])
        self.router.add_api_route("/report", self.report, methods=["POST"])

    def form(self, request: Request, image: Annotated[str, Query(max_length=20)]) -> Response:
        """The form for one picture."""
        ignored = other_parameters(request.query_params.multi_items(), ("image",))
        return self._page(self._hit(image), "", ignored_notes(ignored))

    async def report(self, request: Request) -> Response:
        """Store a report."""
        require_own_page(request)
        sent = dict((await read_form(request, self._service.settings)).pairs)
        self._limit.take(client_of(request))
        reason = sent.get("reason", "")
        if reason not in REASONS:
            raise InvalidParameter(f"reason: {reason[:40]!r}; expected one of {', '.join(REASONS)}")
        hit = await run_in_threadpool(self._hit, sent.get("image", ""))
        stored = await run_in_threadpool(
            self._reports.add, hit.image_id, hit.slug, reason, sent.get("note", ""), sent.get("contact", "")
        )
        return self._page(hit, stored.id)

    def _hit(self, image: str) -> Hit:
        number = parse_image_id(image)
        hit = self._service.hit(number) if number is not None else None
        if hit is None:
            raise NotFound(f"no picture has the id {image[:40]}")
        return hit

    def _page(self, hit: Hit, stored: str, notes: tuple[str, ...] = ()) -> Response:
        contact = self._service.settings.contact
        return self._templates.page(
            "report.html",
            self._service.info(),
            page_notes=notes,
            hit=hit,
            reasons=REASONS,
            stored=stored,
            contact=contact,
        )
