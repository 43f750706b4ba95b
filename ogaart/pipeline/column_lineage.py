"""Which columns of the stages before it each column of an asset's main table is made from, for Dagster's lineage."""

from collections.abc import Mapping

from ogaart.core.stages import Stage
from ogaart.resources.storage.table_types import Source, Table

LINEAGE_COLUMNS = frozenset({"partition", "fingerprint", "run_id", "written_at", "link_run_id"})
"""Columns about the row itself: they are made of no other column."""

_FLAGS: Mapping[str, tuple[Source, ...]] = {
    "embedded": (("embeddings", "status"), ("embeddings", "space")),
    "indexed": (("qdrant_collection", "image_id"), ("content_pages", "status")),
    "blocked": (("content_pages", "slug"), ("content_pages", "author")),
}
"""Of the columns that the catalog adds to its table of images."""


def sources(stage: Stage, table: Table) -> dict[str, tuple[Source, ...]]:
    """The sources of each column of an asset's main table; columns that are made of no other are left out.

    The tables say so where they are declared. The catalog's columns are those of the stage whose table it unites, and
    flags; the publication's are the catalog's.

    Args:
        stage: the asset's stage.
        table: its main table.
    """
    found: dict[str, tuple[Source, ...]] = {}
    for column in table.schema.names:
        if column in LINEAGE_COLUMNS:
            continue
        if stage is Stage.CATALOG:
            made_from: tuple[Source, ...] = _FLAGS.get(column, ((table.stage, column),))
        elif stage is Stage.PUBLICATION:
            made_from = ((Stage.CATALOG.value, column),)
        else:
            made_from = table.sources.get(column, table.made_from)
        if made_from:
            found[column] = made_from
    return found
