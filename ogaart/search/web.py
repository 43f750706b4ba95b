"""The web application: the service, its pages and its API, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from ogaart.search.asking import Asking
from ogaart.search.crediting import Crediting
from ogaart.search.guarding import SecureHeaders, answer_errors
from ogaart.search.pages import Pages
from ogaart.search.service import SearchService
from ogaart.search.templating import STATIC, Templates
from ogaart.search.uploads import Uploads
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

    app = FastAPI(title="ogaart", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None, lifespan=lifespan)
    templates = Templates()
    uploads = Uploads(serving.see)
    asking = Asking(serving, uploads)
    pages = Pages(serving, uploads, asking, templates)
    answer_errors(app, serving, templates)
    app.add_middleware(SecureHeaders)
    app.include_router(pages.router)
    app.include_router(Crediting(serving, templates).router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def serve(settings: Settings) -> None:
    """Serve until interrupted."""
    uvicorn.run(
        create_app(settings),
        host=settings.serve_host,
        port=settings.serve_port,
        # Addresses hold upload tokens and what people look for: they are nobody's business.
        access_log=False,
        log_level="info",
    )
