"""Renders pages: Jinja with escaping always on, and links to static files that change when the files do."""

import hashlib
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ogaart.search.engine.facets import EMPTY
from ogaart.search.filters import BY_FIELD
from ogaart.search.results import Info
from ogaart.search.search_url import SearchUrl
from ogaart.search.web import template_filters

HERE = Path(__file__).parent
STATIC = HERE / "static"


class Templates:
    """All templates, with their filters."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            # Always, not by the file's name: every title on these pages is an author's text.
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            name: getattr(template_filters, name)
            for name in (
                "shown",
                "where",
                "alt",
                "percent",
                "day",
                "model_name",
                "filter_name",
                "size",
                "sentence",
                "inline_code",
            )
        }
        versions = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:10] for path in STATIC.iterdir() if path.is_file()
        }
        self._environment.globals["static"] = lambda name: f"/static/{name}?{versions[name]}"
        self._environment.globals["rows"] = BY_FIELD
        self._defaults: dict[str, Any] = {
            "address": SearchUrl(),
            "vocabulary": EMPTY,
            "filters_shown": False,
            "autofocus": False,
            "query": None,
        }

    def page(self, name: str, info: Info | None, status: int = 200, **values: Any) -> HTMLResponse:
        """Render one page."""
        text = self._environment.get_template(name).render(info=info, **{**self._defaults, **values})
        return HTMLResponse(text, status_code=status)
