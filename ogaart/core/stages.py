"""The stages of the asset graph, in one table: every other list of stages is derived from it."""

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The stages of the graph, in order; each is one asset, in the module of the same name in ``ogaart.assets``."""

    SEARCH_PAGES = "search_pages"
    CONTENT_PAGES = "content_pages"
    FILE_LINKS = "file_links"
    RAW_FILES = "raw_files"
    EXTRACTED_IMAGES = "extracted_images"
    EMBEDDINGS = "embeddings"
    QDRANT_COLLECTION = "qdrant_collection"
    CATALOG = "catalog"
    PUBLICATION = "publication"


@dataclass(frozen=True)
class StageFacts:
    """The properties of a stage that other modules depend on.

    Attributes:
        reads_site: its run sends requests to the site.
        partitioned: it is materialized for each partition; otherwise once for all of them.
        backed_up: backups keep its rows and packs, since making them again costs requests or many CPU hours.
    """

    reads_site: bool
    partitioned: bool
    backed_up: bool


STAGES: dict[Stage, StageFacts] = {
    Stage.SEARCH_PAGES: StageFacts(reads_site=True, partitioned=True, backed_up=True),
    Stage.CONTENT_PAGES: StageFacts(reads_site=True, partitioned=True, backed_up=True),
    Stage.FILE_LINKS: StageFacts(reads_site=True, partitioned=True, backed_up=True),
    Stage.RAW_FILES: StageFacts(reads_site=True, partitioned=True, backed_up=True),
    Stage.EXTRACTED_IMAGES: StageFacts(reads_site=False, partitioned=True, backed_up=False),
    Stage.EMBEDDINGS: StageFacts(reads_site=False, partitioned=True, backed_up=False),
    Stage.QDRANT_COLLECTION: StageFacts(reads_site=False, partitioned=True, backed_up=False),
    Stage.CATALOG: StageFacts(reads_site=False, partitioned=False, backed_up=False),
    Stage.PUBLICATION: StageFacts(reads_site=False, partitioned=False, backed_up=False),
}

PARTITION_STAGES = tuple(stage for stage, facts in STAGES.items() if facts.partitioned)
"""Materialized for each partition."""
SITE_STAGES = tuple(stage for stage in PARTITION_STAGES if STAGES[stage].reads_site)
"""Materialized for each partition, with requests to the site."""
OFFLINE_STAGES = tuple(stage for stage in PARTITION_STAGES if not STAGES[stage].reads_site)
"""Materialized for each partition, from what is stored."""
COLLECTION_STAGES = tuple(stage for stage, facts in STAGES.items() if not facts.partitioned)
"""Materialized once, over all partitions."""
BACKED_UP_STAGES = tuple(stage for stage, facts in STAGES.items() if facts.backed_up)
"""Kept by backups; the rows of the others are derived from these."""
