"""The files an entry links: its originals and its previews, and nothing else that a page links.

Thumbnails that the site derives, attachments of comments and licence texts are under the same path as originals. So
only links inside the entry's own fields are read, and only those to uploads.
"""

import re

from selectolax.lexbor import LexborNode

from ogaart.core.states import FileRole
from ogaart.sites import markup
from ogaart.sites.markup import attribute, classes, is_link
from ogaart.sites.opengameart.urls import absolute, is_upload, stored_name
from ogaart.sites.records import FileLink

LINKS_VERSION = "1"
"""Rises when the same page would yield other file links."""

# 18 digits: what does not fit a 64-bit column is not a number of the site's.
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)
_LENGTH = re.compile(r"\blength=(\d{1,18})\b", re.ASCII)
_MIME = re.compile(r"\s*([\w.+-]{1,80}/[\w.+-]{1,80})\s*(?:;|\Z)", re.ASCII)


def file_links(field: LexborNode | None, slug: str, base: str) -> tuple[tuple[FileLink, ...], tuple[str, ...]]:
    """The originals in an entry's field of files, in its order, each URL once; and the field's links that are none."""
    found: dict[str, FileLink] = {}
    ignored: list[str] = []
    spans = [node for node in markup.walk(field) if "file" in classes(node)] if field is not None else []
    for link in (child for span in spans for child in span.iter() if is_link(child)):
        href = markup.href(link) or ""
        url = absolute(base, href)
        if url is None or not is_upload(base, url):
            ignored.append(href)
            continue
        stated = attribute(link, "type") or ""
        mime, length = _MIME.match(stated), _LENGTH.search(stated)
        name = stored_name(url)
        file = FileLink(
            fid=_integer(attribute(link, "data-fid")),
            slug=slug,
            position=len(found),
            role=FileRole.FILE,
            url=url,
            stored_name=name,
            shown_name=attribute(link, "download") or markup.line(link) or name,
            mime=mime[1].lower() if mime else None,
            length=int(length[1]) if length else None,
        )
        found.setdefault(url, file)
    return tuple(found.values()), tuple(ignored)


def preview_links(field: LexborNode | None, slug: str, base: str, files: set[str]) -> tuple[FileLink, ...]:
    """The uploaded previews in an entry's field of previews, without those among the originals ``files`` (URLs)."""
    links = [node for node in markup.walk(field) if "preview-lightbox" in classes(node)] if field is not None else []
    urls = dict.fromkeys(absolute(base, href) for link in links if (href := markup.href(link)))
    kept = [url for url in urls if url is not None and is_upload(base, url) and url not in files]
    return tuple(
        FileLink(None, slug, position, FileRole.PREVIEW, url, stored_name(url), stored_name(url), None, None)
        for position, url in enumerate(kept)
    )


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None
