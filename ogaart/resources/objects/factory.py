"""The store of immutable files that the settings name, and which folder holds copies of which bucket."""

import json
import math
from pathlib import Path

from ogaart.core.durable_names import sync_file, sync_folder, temporary
from ogaart.resources.objects.bucket import Bucket, evict
from ogaart.resources.objects.folder import Folder
from ogaart.resources.objects.store import ObjectsRefused, ObjectStore
from ogaart.settings import Settings

OWNER = "objects.txt"
"""File of a data root that holds copies: the URL of their bucket."""
COPYING = "copying.json"
"""File of a bucket into which a data root is being copied, until all of it is there."""
FOLDERS = ("blobs", "objects", "vectors", "derived", "publications")
"""Folders of a data root whose files lie in the bucket."""
_KEPT = {Path("blobs"): 3_600.0, Path("objects"): 43_200.0}
"""Seconds for which copies are kept after their last use; objects also for as long as a catalog is built from them."""


def open_objects(settings: Settings, *, hasty: bool = False) -> ObjectStore:
    """The store that the settings name.

    Args:
        settings: the settings.
        hasty: for what visitors wait for.

    Raises:
        ObjectsRefused: the data root's folder holds what another store must have.
    """
    owner = settings.data / OWNER
    known = owner.read_text().strip() if owner.exists() else None
    if settings.objects is None:
        if known is not None:
            raise ObjectsRefused(
                f"{settings.data} holds copies of {known}: set OGAART_OBJECTS={known}, or OGAART_DATA to another folder"
            )
        return Folder()
    if settings.database_url is None:
        raise ObjectsRefused(
            "OGAART_OBJECTS is set without OGAART_DATABASE_URL: which object in a bucket is current is known to a "
            "PostgreSQL database that all its workers share; name one, or unset OGAART_OBJECTS"
        )
    if known is None:
        _claim(settings.data, settings.objects)
    elif known != settings.objects:
        raise ObjectsRefused(
            f"{settings.data} holds copies of {known}, OGAART_OBJECTS is {settings.objects}: set OGAART_DATA to an "
            "empty folder"
        )
    return Bucket(settings.objects, settings.data, hasty=hasty)


def require_complete(objects: ObjectStore, root: Path) -> None:
    """Refuse a bucket into which a data root was copied in part: what is missing would be requested again.

    Args:
        objects: the bucket.
        root: the data root's folder.

    Raises:
        ObjectsRefused: the copy is incomplete, or the bucket cannot be reached.
    """
    size = objects.size(root / COPYING) if objects.remote else None
    if size is not None:
        source = json.loads(objects.read(root / COPYING, 0, size))["source"]
        raise ObjectsRefused(
            f"OGAART_OBJECTS holds an incomplete copy of {source}: run `ogaart copy-to-bucket` until it ends without "
            "an error, or name an empty prefix and an empty database"
        )


def evict_copies(settings: Settings, *, cut_in_use: bool) -> int:
    """Delete copies of a bucket's files that were not used for longest, beyond the limit; returns how many.

    Args:
        settings: name the bucket and the limit.
        cut_in_use: whether a catalog is being built here, so that all objects are kept.
    """
    if settings.objects is None:
        return 0
    kept = _KEPT | {Path("objects"): math.inf} if cut_in_use else _KEPT
    return evict(settings.data, settings.cache_bytes, kept)


def _claim(root: Path, url: str) -> None:
    """Note in an empty data root of which bucket it will hold copies."""
    if any((root / folder).is_dir() and any((root / folder).iterdir()) for folder in FOLDERS):
        raise ObjectsRefused(
            f"{root} holds objects of its own, which are not in {url}: set OGAART_DATA to an empty folder, or unset "
            "OGAART_OBJECTS"
        )
    root.mkdir(parents=True, exist_ok=True)
    draft = temporary(root / OWNER)
    draft.write_text(f"{url}\n")
    sync_file(draft)
    draft.replace(root / OWNER)
    sync_folder(root)
