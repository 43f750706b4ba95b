"""What a perfect crawl of the site would find: entries, files, images with their occurrences, and failures."""

import hashlib
from collections.abc import Collection
from typing import Any

from ogaart.core.stages import Stage
from ogaart.core.states import EntryStatus, FileRole, FileStatus
from ogaart.demo.model import OGA, DemoContent, DemoEntry, DemoFile
from ogaart.demo.pages import mime

Truth = dict[str, Any]
_HTTP = {EntryStatus.DELETED: 404, EntryStatus.PRIVATE: 403}


def tell(site: DemoContent, base: str = OGA, art_types: Collection[str] = ("2D Art",)) -> Truth:
    """Return the truth as plain values, ready for JSON.

    Args:
        site: the site.
        base: its address, for the URLs.
        art_types: entries of other types are left out, as a query for these types does.

    Returns:
        ``listing`` (slugs, oldest first), ``entries``, ``files`` (originals and previews), ``images`` (one for each
        entry and distinct picture, with ``occurrences``) and ``failures``: rows that the site provokes; those not
        ``required`` may as well be told by a status alone. Fields have the names of the platform's tables.
    """
    chosen = [entry for entry in site.by_age() if entry.art_type in art_types]
    read = [entry for entry in chosen if entry.status is EntryStatus.OK]
    return {
        "listing": [entry.slug for entry in chosen],
        "entries": [_entry(entry, base) for entry in chosen],
        "files": [row for entry in chosen if entry.status not in _HTTP for row in _files(entry, base)],
        "images": [row for entry in read for row in _images(entry)],
        "failures": [row for entry in chosen for row in _failures(entry, base)],
    }


def _entry(entry: DemoEntry, base: str) -> dict[str, Any]:
    known = {
        "slug": entry.slug,
        "url": base + entry.listed_path,
        "status": str(entry.status),
        "http_status": _HTTP.get(entry.status, 200),
    }
    if entry.status in (EntryStatus.DELETED, EntryStatus.PRIVATE, EntryStatus.NOT_ART):
        return known
    local = entry.author_url is not None and entry.author_url.startswith("/")
    return known | {
        "nid": entry.nid,
        "title": entry.title,
        "author": entry.author,
        "author_url": f"{base}{entry.author_url}" if local else entry.author_url,
        "collaborators": entry.collaborators,
        "submitter": entry.submitter,
        "posted_at": entry.posted_at.replace(second=0).isoformat(),
        "art_type": entry.art_type,
        "tags": entry.tags,
        "licences": entry.licences,
        "licence_urls": entry.licence_urls,
        "notice": "\n".join(filter(None, [entry.notice, entry.instructions])) or None,
        "about": entry.about,
        "favourites": entry.favourites,
        "collections": entry.collections,
    }


def _files(entry: DemoEntry, base: str) -> list[dict[str, Any]]:
    if entry.status is EntryStatus.NOT_ART:
        return []
    files = entry.files if entry.status is EntryStatus.OK else []
    originals = [
        {
            "slug": entry.slug,
            "fid": file.fid,
            "position": position,
            "role": str(FileRole.FILE),
            "url": base + file.path,
            "stored_name": file.stored_name,
            "shown_name": file.shown_name,
            "mime": mime(file.shown_name),
            "length": len(file.data),
            "sha256": None if file.missing else hashlib.sha256(file.data).hexdigest(),
            "status": str(FileStatus.MISSING if file.missing else FileStatus.OK),
        }
        for position, file in enumerate(files)
    ]
    previews = [
        {
            "slug": entry.slug,
            "fid": None,
            "position": position,
            "role": str(FileRole.PREVIEW),
            "url": base + preview.path,
            "stored_name": preview.stored_name,
            "shown_name": preview.stored_name,
            "mime": None,
            "length": None,
            "sha256": None,
            "status": str(FileStatus.LISTED),
        }
        for position, preview in enumerate(entry.previews)
    ]
    return originals + previews


def _images(entry: DemoEntry) -> list[dict[str, Any]]:
    images: dict[str, dict[str, Any]] = {}
    for file in entry.files:
        for picture in file.pictures:
            image = images.setdefault(
                picture.pixel_sha256,
                {
                    "slug": entry.slug,
                    "pixel_sha256": picture.pixel_sha256,
                    "width": picture.width,
                    "height": picture.height,
                    "occurrences": [],
                },
            )
            image["occurrences"].append({"fid": file.fid, "member_path": picture.member_path})
    return list(images.values())


def _failures(entry: DemoEntry, base: str) -> list[dict[str, Any]]:
    if entry.status in _HTTP:
        return [
            {
                "stage": str(Stage.CONTENT_PAGES),
                "slug": entry.slug,
                "fid": None,
                "url": base + entry.path,
                "member_path": None,
                "error": str(entry.status),
                "http_status": _HTTP[entry.status],
                "required": False,
            }
        ]
    return [_failure(entry, file, base, number) for file in entry.files for number in range(len(file.planted))]


def _failure(entry: DemoEntry, file: DemoFile, base: str, number: int) -> dict[str, Any]:
    planted = file.planted[number]
    return {
        "stage": str(planted.stage),
        "slug": entry.slug,
        "fid": file.fid,
        "url": base + file.path,
        "member_path": planted.member_path,
        "error": planted.error,
        "http_status": planted.http_status,
        "required": planted.required,
    }
