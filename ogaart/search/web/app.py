"""The web application: the service, its pages and its API, put together."""

import ipaddress
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from uvicorn.config import LOGGING_CONFIG, STARTUP_FAILURE

from ogaart.core.json_logs import log_as_json
from ogaart.resources.moderation.line_log import lines_of
from ogaart.resources.moderation.visitor_reports import VisitorReports
from ogaart.resources.storage.data_root import DataRoot
from ogaart.search.engine.concurrency import ConcurrencyLimit
from ogaart.search.engine.query_resolver import QueryResolver
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.uploads import Uploads
from ogaart.search.errors import ContactMissing
from ogaart.search.web.admission import SEARCHING, AdmissionMiddleware, WaitingLine
from ogaart.search.web.allowances import Allowances, RateLimitHeadersMiddleware
from ogaart.search.web.api import Api
from ogaart.search.web.connection_limits import guarded
from ogaart.search.web.credits_routes import CreditsRoutes
from ogaart.search.web.error_responses import ErrorResponses, answer_errors
from ogaart.search.web.guards import (
    AllowedHostsMiddleware,
    CrossOriginMiddleware,
    SecurityHeadersMiddleware,
    allowed_hosts,
)
from ogaart.search.web.info_pages import InfoPages
from ogaart.search.web.listing_pages import ListingPages
from ogaart.search.web.methods import HeadMiddleware, RevalidationMiddleware
from ogaart.search.web.monitoring import MonitoringRoutes, RequestMetrics, RequestMetricsMiddleware
from ogaart.search.web.openapi import describe
from ogaart.search.web.pages import SearchPages
from ogaart.search.web.picture_pages import PicturePages
from ogaart.search.web.process import DrainingServer, collect_seldom, compute_in_own_thread, keep_memory
from ogaart.search.web.report_pages import ReportPages
from ogaart.search.web.static_files import VersionedFiles
from ogaart.search.web.templating import Templates
from ogaart.search.web.ways_in import WaysIn
from ogaart.settings import Settings

_COMPRESSED = ("image/*", "font/*", "application/zip", "application/octet-stream")


def create_app(settings: Settings, service: SearchService | None = None, *, warm: bool = False) -> FastAPI:
    """Make the application.

    Args:
        settings: where the data are, which limits hold.
        service: used by all routes; by default one that the application opens and closes.
        warm: start the processes that read pictures now, so that the first upload need not wait for them.
    """
    own = service is None
    serving = service or SearchService(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if warm:
            threading.Thread(target=serving.warm, name="warm", daemon=True).start()
        yield
        reported.close()
        if own:
            serving.close()

    app = FastAPI(
        title="ogaart",
        summary="Reverse image search over OpenGameArt.org",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,  # those pages load scripts from other hosts; ours are below
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,  # those redirects name the host that the request names
    )
    templates = Templates(settings)
    uploads = Uploads(serving)
    resolver = QueryResolver(serving, uploads)
    allowances = Allowances(settings)
    credits_routes = CreditsRoutes(serving, templates, allowances)
    metrics = RequestMetrics()
    reported = lines_of(settings, DataRoot.of(settings).reports)
    reports = VisitorReports(reported)
    pages = (
        SearchPages(serving, uploads, resolver, templates, allowances),
        PicturePages(serving, templates, allowances),
        ListingPages(serving, templates, allowances),
        credits_routes,
        Api(serving, uploads, resolver, credits_routes, allowances),
        MonitoringRoutes(serving, uploads, metrics, reports),
        ReportPages(serving, templates, reports),
        WaysIn(serving, resolver, templates, allowances),
        InfoPages(app, serving, templates),
    )
    for routes in pages:
        app.include_router(routes.router)
    describe(app)
    app.add_middleware(RevalidationMiddleware)
    app.add_middleware(HeadMiddleware)
    # Inside the layers below, so that what those answer stays as small as it is. Pictures and zips are compressed.
    app.add_middleware(GZipMiddleware, minimum_size=700, compresslevel=6, exclude_content_types=_COMPRESSED)
    responses = ErrorResponses(serving, templates)
    answer_errors(app, responses, [routes.router for routes in pages])
    app.add_middleware(
        AdmissionMiddleware,
        searches=WaitingLine(SEARCHING, settings.searches_waiting),
        uploads=ConcurrencyLimit(settings.uploads_at_once, "uploads"),
        refuse=responses.known,
    )
    app.add_middleware(
        AllowedHostsMiddleware, hosts=allowed_hosts(f"{settings.hosts},{settings.serve_host}"), refuse=responses.known
    )
    app.add_middleware(RateLimitHeadersMiddleware)
    app.add_middleware(CrossOriginMiddleware, origins=settings.cors_origins)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(RequestMetricsMiddleware, metrics=metrics)
    app.mount("/static", VersionedFiles(templates.version), name="static")
    return app


def require_contact(settings: Settings) -> None:
    """Refuse to serve others without a way to reach the operator.

    Raises:
        ContactMissing: the address is not a loopback one, and OGAART_CONTACT is not set.
    """
    host = settings.serve_host.strip("[]")
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local and not settings.contact:
        raise ContactMissing(
            f"{settings.serve_host} is an address that others can reach: set OGAART_CONTACT to a mail address or URL, "
            "which the page shows to those whose art should not be here"
        )


def serve(settings: Settings) -> None:
    """Serve until interrupted.

    Raises:
        ContactMissing: others could reach the page, but not the operator.
    """
    require_contact(settings)
    keep_memory()
    compute_in_own_thread()
    collect_seldom()
    as_json = settings.log_format == "json"
    if as_json:
        log_as_json()
    config = uvicorn.Config(
        create_app(settings, warm=True),
        host=settings.serve_host,
        port=settings.serve_port,
        # URLs hold upload tokens and what people look for: they are not logged.
        access_log=False,
        log_level="info",
        log_config=None if as_json else LOGGING_CONFIG,
        http=guarded(settings.connections),
        ws="none",
    )
    server = DrainingServer(config, settings.drain_seconds)
    with suppress(KeyboardInterrupt):  # which it raises again once it has ended in good order
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
