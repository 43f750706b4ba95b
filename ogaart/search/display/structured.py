"""One picture as machines read it: schema.org's ImageObject and OpenGraph. Pure."""

from typing import Any

from ogaart.search.credits.credits import freest
from ogaart.search.results import Hit


def image_object(hit: Hit, base: str) -> dict[str, Any]:
    """JSON-LD of a picture, with licence, creator and the page on which the licence is stated.

    Args:
        hit: the picture.
        base: scheme and host of this server.
    """
    chosen = freest(hit.licences)
    creators = [{"@type": "Person", "name": name} for name in hit.authors]
    found: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "ImageObject",
        "name": hit.title,
        "url": f"{base}{hit.url}",
        "contentUrl": f"{base}{hit.original_url}",
        "thumbnailUrl": f"{base}{hit.thumb_url}",
        "width": hit.width,
        "height": hit.height,
        "creditText": hit.attribution,
        "acquireLicensePage": hit.page_url,
    }
    if chosen is not None and chosen.url:
        found["license"] = chosen.url
    if creators:
        found |= {"creator": creators, "copyrightNotice": ", ".join(hit.authors)}
    return found


def open_graph(hit: Hit, base: str) -> dict[str, str]:
    """Properties by which a link to a picture is shown elsewhere."""
    licences = ", ".join(licence.name for licence in hit.licences) or "no licence stated"
    return {
        "og:type": "website",
        "og:site_name": "ogaart",
        "og:title": hit.title,
        "og:description": f"by {', '.join(hit.authors) or 'unknown author'}, {licences}",
        "og:url": f"{base}{hit.url}",
        "og:image": f"{base}{hit.thumb_url}",
    }
