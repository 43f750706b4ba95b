"""Which columns of the stages before it each column of a stage's main table is made from, for Dagster's lineage."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ogaart.core.stages import Stage

Source = tuple[Stage, str]
"""A stage and a column of its main table."""

LINEAGE_COLUMNS = frozenset({"partition", "fingerprint", "run_id", "written_at", "link_run_id"})
"""Columns about the row itself: they are made of no other column."""


@dataclass(frozen=True)
class Derivation:
    """What the columns of a stage's main table are made from.

    Attributes:
        usual: the sources of each column that is not named below.
        columns: the sources of the others; empty: settings, or a setting's name.
    """

    usual: tuple[Source, ...] = ()
    columns: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)


def _same(stage: Stage, *columns: str) -> dict[str, tuple[Source, ...]]:
    """Columns that are taken over from a stage's columns of the same names."""
    return {column: ((stage, column),) for column in columns}


_PAYLOAD = (
    *((Stage.CONTENT_PAGES, column) for column in
      ("slug", "title", "author", "collaborators", "tags", "licences", "art_type", "description")),
    (Stage.FILE_LINKS, "shown_name"),
    *((Stage.EXTRACTED_IMAGES, column) for column in
      ("pixel_sha256", "width", "height", "has_alpha", "pixel_art", "colours", "palette", "palette_shares")),
)  # fmt: skip
_ID = ((Stage.RAW_FILES, "slug"), (Stage.RAW_FILES, "sha256"))
_FLAGS: dict[str, tuple[Source, ...]] = {
    "embedded": ((Stage.EMBEDDINGS, "status"), (Stage.EMBEDDINGS, "space")),
    "indexed": ((Stage.QDRANT_COLLECTION, "image_id"), (Stage.CONTENT_PAGES, "status")),
    "blocked": ((Stage.CONTENT_PAGES, "slug"), (Stage.CONTENT_PAGES, "author")),
}

DERIVATIONS: Mapping[Stage, Derivation] = {
    Stage.SEARCH_PAGES: Derivation(),
    Stage.CONTENT_PAGES: Derivation(((Stage.SEARCH_PAGES, "url"),), _same(Stage.SEARCH_PAGES, "slug", "url")),
    Stage.FILE_LINKS: Derivation(((Stage.CONTENT_PAGES, "page_sha256"),), _same(Stage.CONTENT_PAGES, "slug")),
    Stage.RAW_FILES: Derivation(((Stage.FILE_LINKS, "url"),), _same(Stage.FILE_LINKS, "fid", "slug", "url")),
    Stage.EXTRACTED_IMAGES: Derivation(
        ((Stage.RAW_FILES, "sha256"),), {**_same(Stage.RAW_FILES, "slug"), "image_id": _ID, "pixels_version": ()}
    ),
    Stage.EMBEDDINGS: Derivation(
        ((Stage.EXTRACTED_IMAGES, "pixel_sha256"),),
        {**_same(Stage.EXTRACTED_IMAGES, "image_id", "pixel_sha256"), "model": (), "space": ()},
    ),
    Stage.QDRANT_COLLECTION: Derivation(
        (), {**_same(Stage.EMBEDDINGS, "image_id", "space"), "collection": (), "payload_hash": _PAYLOAD}
    ),
}
"""Of the partitioned stages; the catalog's and the publication's columns are those of the stage before, and flags."""


def sources(stage: Stage, columns: Iterable[str]) -> dict[str, tuple[Source, ...]]:
    """The sources of each of a stage's columns; columns that are made of no other are left out.

    Args:
        stage: the stage.
        columns: the names of its main table's columns.
    """
    found = {}
    for column in columns:
        if column in LINEAGE_COLUMNS:
            continue
        if stage is Stage.CATALOG:
            made_from = _FLAGS.get(column, ((Stage.EXTRACTED_IMAGES, column),))
        elif stage is Stage.PUBLICATION:
            made_from = ((Stage.CATALOG, column),)
        else:
            derivation = DERIVATIONS.get(stage, Derivation())
            made_from = derivation.columns.get(column, derivation.usual)
        if made_from:
            found[column] = made_from
    return found
