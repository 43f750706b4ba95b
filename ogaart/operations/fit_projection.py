"""``ogaart fit-projection``: fits the projection of fused vectors to the pictures of this data root."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ogaart.core.errors import TooFewPictures
from ogaart.core.report import Report
from ogaart.likeness import parts
from ogaart.likeness.projections import Fitting, ProjectionInvalid
from ogaart.resources.catalog.table_views import connect
from ogaart.resources.embedding.projections import (
    CURRENT,
    default_projection,
    keep_projection,
    projection_name,
    projection_of,
)
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.platform import Stores
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings

COLUMNS = ("projection", "space", "pictures", "entries", "numbers", "before")
LEAST_PICTURES = 20_000
LEAST_ENTRIES = 500
"""Fewer would fit the taste of a few authors."""


def fit_projection(
    settings: Settings, *, least_pictures: int = LEAST_PICTURES, least_entries: int = LEAST_ENTRIES
) -> Report:
    """Fit a projection to every picture that has a vector and parts, and use it from the next publication on.

    Args:
        settings: the data root and its model.
        least_pictures: fewer are refused.
        least_entries: pictures of fewer entries are refused.

    Raises:
        TooFewPictures: there are fewer; the message has the numbers.
        ProjectionInvalid: which projection is in use cannot be read; before anything is fitted.
    """
    stores = Stores(settings)
    space = VectorSpace.of(settings).name
    stores.segments.pull()
    vectors, derived = Vectors(stores.root.vectors, space), DerivedBytes(stores.root.derived, parts.SPACE)
    held = vectors.keys() & derived.keys()
    with connect(stores.tables) as con:
        rows = con.execute("SELECT DISTINCT pixel_sha256, slug FROM images").fetchall()
    used = {pixels for pixels, _ in rows if pixels in held}
    entries = {slug for pixels, slug in rows if pixels in held}
    if len(used) < least_pictures or len(entries) < least_entries:
        raise TooFewPictures(
            f"{len(used):,} pictures of {len(entries):,} entries have a vector in {space} and parts; a projection "
            f"needs {least_pictures:,} of {least_entries:,}. {_until_then(stores.root, space)} Materialize more "
            "partitions through to `embeddings` first."
        )
    before = projection_name(stores.root, space)
    fitting = Fitting(space)
    for unit, raw in _pairs(vectors, derived, used):
        fitting.add(unit, raw)
    projection = fitting.finish()
    name = keep_projection(stores.root, projection)
    facts = (name, space, projection.pictures, len(entries), projection.dimension, before)
    return Report(COLUMNS, [dict(zip(COLUMNS, facts, strict=True))], notes=["Run `ogaart publish` to use it."])


def _until_then(root: DataRoot, space: str) -> str:
    """What pictures are ranked by while no projection is fitted."""
    try:
        used = projection_of(root, space)
    except ProjectionInvalid:
        return f"Your own cannot be read: delete {root.projections / CURRENT} to use the one of the package."
    if not used.space:
        return (
            "None is fitted for this model, and how well it ranks without one is not measured: pictures are compared "
            "by the model's own vectors beside their parts."
        )
    if used.name == default_projection().name:
        return "Until then the projection that comes with ogaart is used: one of few pictures ranks worse."
    return f"Your own, of {used.pictures:,} pictures, stays in use: one of few pictures ranks worse."


def _pairs(
    vectors: Vectors, derived: DerivedBytes, wanted: set[str]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    """Vectors and raw parts of the wanted pictures, one segment at a time, each picture once."""
    seen: set[str] = set()
    for scanned in vectors.scan():
        chosen = [n for n, key in enumerate(scanned.keys) if key in wanted and key not in seen]
        keys = [scanned.keys[n] for n in chosen]
        contents = derived.get(keys)
        chosen = [n for n, key in zip(chosen, keys, strict=True) if key in contents]
        if chosen:
            seen.update(keys)
            raw = np.frombuffer(b"".join(contents[scanned.keys[n]] for n in chosen), np.uint8)
            yield scanned.vectors[chosen], raw.reshape(len(chosen), parts.RAW_BYTES)
