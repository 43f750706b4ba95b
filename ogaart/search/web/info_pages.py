"""Pages to read: how the search works, and what the API offers."""

from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from ogaart.search.engine.service import SearchService
from ogaart.search.errors import NothingPublished
from ogaart.search.results import Info
from ogaart.search.search_url import PARAMETERS
from ogaart.search.web.problems import all_problems
from ogaart.search.web.templating import Templates
from ogaart.sites.licences import LICENCES, USES


@dataclass(frozen=True)
class Example:
    """A command to try; ``{base}`` and ``{image_id}`` are replaced by this server and one of its pictures."""

    title: str
    command: str


_SEARCH = "{base}/api/v1/search"
_CREDITS = "{base}/api/v1/credits?ids={image_id}"
EXAMPLES = (
    Example("By words, for what may be sold without credit", f"curl '{_SEARCH}?q=robot&use=sell&use=no-credit'"),
    Example("With a picture", f"curl -F picture=@robot.png -F limit=5 '{_SEARCH}'"),
    Example("More like a picture, transparent ones only", f"curl '{_SEARCH}?like={{image_id}}&alpha=yes'"),
    Example("One picture", "curl '{base}/api/v1/images/{image_id}'"),
    Example("Its credits", f"curl '{_CREDITS}&format=markdown'"),
    Example("Pictures with their licences, as a zip", f"curl -o pictures.zip '{_CREDITS}&format=zip'"),
    Example("What is searched", "curl '{base}/api/v1/info'"),
)


class InfoPages:
    """Routes of these pages."""

    def __init__(self, app: FastAPI, service: SearchService, templates: Templates) -> None:
        self._app = app
        self._service = service
        self._templates = templates
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        self.router.add_api_route("/about", self.about, methods=["GET"])
        self.router.add_api_route("/api/docs", self.api, methods=["GET"])

    def about(self) -> Response:
        """How the search works."""
        contact = self._service.settings.contact
        return self._templates.page("about.html", self._info(), licences=LICENCES, uses=USES, contact=contact)

    def api(self, request: Request) -> Response:
        """What the API offers."""
        base = str(request.base_url).rstrip("/")
        sample = self._service.sample(1, seed=0) if self._info() else []
        image_id = str(sample[0].image_id) if sample else "252004677832353023"
        examples = [
            Example(one.title, one.command.format(base=base, image_id=image_id)) for one in EXAMPLES
        ]  # what is shown is what the tests run
        routes = [
            {"method": method.upper(), "path": path, "summary": operation.get("summary", "")}
            for path, operations in self._app.openapi()["paths"].items()
            for method, operation in operations.items()
        ]
        settings = self._service.settings
        return self._templates.page(
            "api.html",
            self._info(),
            examples=examples,
            parameters=PARAMETERS,
            routes=routes,
            problems=all_problems(),
            searches=settings.searches_per_minute or "any number of",
            uploads=settings.uploads_per_minute or "any number of",
        )

    def _info(self) -> Info | None:
        try:
            return self._service.info()
        except NothingPublished:
            return None
