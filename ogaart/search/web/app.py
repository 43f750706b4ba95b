"""The web application: the service, its pages and its API, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from ogaart.search.engine.query_resolver import Asking
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.uploads import Uploads
from ogaart.search.web.admission import SEARCHING, Line, Queueing, Shares
from ogaart.search.web.api import Api
from ogaart.search.web.connection_limits import guarded
from ogaart.search.web.credits_routes import Crediting
from ogaart.search.web.guards import Answers, Rate, SecureHeaders, answer_errors
from ogaart.search.web.info_pages import Reading
from ogaart.search.web.monitoring import Counts, Measured, Operating
from ogaart.search.web.pages import Pages
from ogaart.search.web.process import compute_in_own_thread, keep_memory
from ogaart.search.web.templating import STATIC, Templates
from ogaart.settings import Settings


def create_app(settings: Settings, service: SearchService | None = None) -> FastAPI:
    """Make the application.

    Args:
        settings: where the data are, which limits hold.
        service: asked by all routes; by default one that the application opens and closes.
    """
    own = service is None
    serving = service or SearchService(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
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
    )
    templates = Templates()
    uploads = Uploads(serving)
    asking = Asking(serving, uploads)
    crediting = Crediting(serving, templates)
    counts = Counts()
    # Pages and API share one allowance.
    asked, sent = Rate(settings.searches_per_minute), Rate(settings.uploads_per_minute)
    for routes in (
        Pages(serving, uploads, asking, templates, asked, sent),
        crediting,
        Api(serving, uploads, asking, crediting, asked, sent),
        Operating(serving, uploads, counts),
        Reading(app, serving, templates),
    ):
        app.include_router(routes.router)
    answers = Answers(serving, templates)
    answer_errors(app, answers)
    app.add_middleware(
        Queueing,
        searches=Line(SEARCHING, settings.searches_waiting),
        uploads=Shares(settings.uploads_at_once),
        refuse=answers.known,
    )
    app.add_middleware(SecureHeaders)
    app.add_middleware(Measured, counts=counts)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def serve(settings: Settings) -> None:
    """Serve until interrupted."""
    keep_memory()
    compute_in_own_thread()
    uvicorn.run(
        create_app(settings),
        host=settings.serve_host,
        port=settings.serve_port,
        # Addresses hold upload tokens and what people look for: they are nobody's business.
        access_log=False,
        log_level="info",
        http=guarded(settings.connections),
        ws="none",
    )
