"""Renders pages: Jinja with escaping always on, and links to static files that change when the files do."""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ogaart.likeness.fusion import USUAL
from ogaart.search import page_paths
from ogaart.search.display import frames, grounds, licence_terms
from ogaart.search.engine.facets import EMPTY
from ogaart.search.filters import BY_FIELD
from ogaart.search.parameters import HEAVIEST, PRESETS, Choice
from ogaart.search.results import Info
from ogaart.search.search_url import ORDERS, SearchUrl
from ogaart.search.web import template_filters
from ogaart.search.web.guards import public_base
from ogaart.search.web.static_files import static_version
from ogaart.settings import Settings

HERE = Path(__file__).parent
FOLDED = 8
"""Collapsed pictures that a card shows; the others are one click away."""
SEEN_AT_ONCE = 32
"""Cards of a page that are seen at once at 1440 × 900."""
STEAM = ("drm", "no-share-alike", "sell")
"""What a game needs that is sold, keeps its changes closed, and goes to stores that lock what they deliver."""
ACCEPTED = (
    "image/*,.psd,.psb,.xcf,.ase,.aseprite,.kra,.ora,.svg,.tga,.tif,.tiff,.ico,.cur,.icns,.pcx,.ppm,.pgm,.pbm,.dds,"
    ".sgi,.rgb,.qoi,.jp2,.xpm,.xbm,.bmp,.avif,.webp,.apng"
)
"""Names of files that can be read, for the dialog that chooses one."""


class Templates:
    """All templates, with their filters.

    Args:
        settings: the limits of uploads, which pages state.
    """

    def __init__(self, settings: Settings) -> None:
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
                "author_place",
                "filter_name",
                "with_count",
                "size",
                "sentence",
                "inline_code",
            )
        } | {
            "entry_path": page_paths.entry_path,
            "author_path": page_paths.author_path,
            "tag_path": page_paths.tag_path,
            "ground": grounds.ground,
            "frames": frames.collapsed,
            "terms": licence_terms.terms,
            "meanings": licence_terms.meanings,
        }
        self.version = static_version()
        self._environment.globals |= {
            "static": lambda name: f"/static/{self.version}/{name}",
            "rows": BY_FIELD,
            "orders": ORDERS,
            "FOLDED": FOLDED,
            "SEEN_AT_ONCE": SEEN_AT_ONCE,
            "STEAM": STEAM,
            "PRESETS": (*PRESETS, (Choice("", "As usual"), USUAL)),
            "HEAVIEST": HEAVIEST,
            "USUAL": USUAL,
            "ACCEPTED": ACCEPTED,
            "MAX_BYTES": settings.max_upload_bytes,
            "MAX_PIXELS": settings.max_query_pixels,
        }
        self._hosts = settings.hosts
        self._defaults: dict[str, Any] = {
            "canonical": "",
            "page_notes": (),
            "address": SearchUrl(),
            "vocabulary": EMPTY,
            "filters_shown": False,
            "autofocus": False,
            "query": None,
            "copy": None,
        }

    def canonical(self, request: Request, path: str) -> str:
        """The URL by which search engines know a page; empty where no public name is configured."""
        base = public_base(request, self._hosts)
        return f"{base}{path}" if base else ""

    def page(self, name: str, info: Info | None, status: int = 200, **values: Any) -> HTMLResponse:
        """Render one page."""
        text = self._environment.get_template(name).render(info=info, **{**self._defaults, **values})
        return HTMLResponse(text, status_code=status)
