"""Hits as JSON: one record for API, command line and exports. An image_id is a string: JavaScript would round it."""

from typing import Any

from ogaart.search.results import Hit, Place


def place_record(place: Place) -> dict[str, Any]:
    """One place of a picture."""
    return {
        "image_id": str(place.image_id),
        "slug": place.slug,
        "title": place.title,
        "author": place.author,
        "licences": list(place.licences),
        "page_url": place.page_url,
        "file": place.file,
        "file_url": place.file_url,
        "member_path": place.member_path,
        "format": place.format,
        "bytes": place.bytes,
        "fid": place.fid,
        "file_sha256": place.file_sha256,
        "sha256": place.sha256,
    }


def hit_record(hit: Hit) -> dict[str, Any]:
    """One hit, with the near-identical ones folded under it."""
    return {
        "image_id": str(hit.image_id),
        "score": None if hit.score is None else round(hit.score, 4),
        "relation": hit.relation,
        "slug": hit.slug,
        "title": hit.title,
        "author": hit.author,
        "author_url": hit.author_url,
        "licences": [licence.name for licence in hit.licences],
        "licence_urls": [licence.url for licence in hit.licences],
        "notice": hit.notice,
        "attribution": hit.attribution,
        "page_url": hit.page_url,
        "art_type": hit.art_type,
        "tags": list(hit.tags),
        "posted_at": hit.posted_at,
        "fetched_at": hit.fetched_at,
        "file": hit.file,
        "file_url": hit.file_url,
        "member_path": hit.member_path,
        "width": hit.width,
        "height": hit.height,
        "format": hit.format,
        "frames": hit.frames,
        "has_alpha": hit.has_alpha,
        "pixel_art": hit.pixel_art,
        "colours": hit.colours,
        "palette": list(hit.palette),
        "pixel_sha256": hit.pixel_sha256,
        "url": hit.url,
        "thumb_url": hit.thumb_url,
        "original_url": hit.original_url,
        "places": [place_record(place) for place in hit.places],
        "folded_count": hit.folded_count,
        "folded": [hit_record(other) for other in hit.folded],
    }
