"""The stages of the asset graph, in one table: every other list of stages is derived from it."""

from collections.abc import Mapping
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


class WorkerKind(StrEnum):
    """The kinds of workers that steps are sent to; also the names of their queues."""

    SITE = "site"
    """Sends the requests to the site: one worker, since the site sees one client with one delay."""
    CPU = "cpu"
    """Unpacks, indexes and publishes: as many workers as there are cores to spare."""
    GPU = "gpu"
    """Runs the embedding model: on a machine with an accelerator, or on any other where there is none."""


@dataclass(frozen=True)
class StepNeeds:
    """What a step of a stage needs of the machine that runs it.

    Attributes:
        worker: the kind of worker.
        cpus: cores that it keeps busy.
        memory_mib: resident memory that it usually takes, in MiB.
        most_memory_mib: memory beyond which it may be ended, in MiB; above the limits that it keeps by itself.
    """

    worker: WorkerKind
    cpus: float
    memory_mib: int
    most_memory_mib: int


_READING = StepNeeds(WorkerKind.SITE, cpus=0.25, memory_mib=512, most_memory_mib=1_536)
_UNPACKING = StepNeeds(WorkerKind.CPU, cpus=1.0, memory_mib=1_024, most_memory_mib=4_096)
_EMBEDDING = StepNeeds(WorkerKind.GPU, cpus=2.0, memory_mib=2_048, most_memory_mib=4_096)
_INDEXING = StepNeeds(WorkerKind.CPU, cpus=1.0, memory_mib=1_024, most_memory_mib=4_096)


@dataclass(frozen=True)
class StageFacts:
    """The properties of a stage that other modules depend on.

    Attributes:
        reads_site: its run sends requests to the site.
        partitioned: it is materialized for each partition; otherwise once for all of them.
        backed_up: backups keep its rows and packs, since making them again costs requests or many CPU hours.
        needs: what its step needs of the machine that runs it.
        reads_segments: its step looks pictures up in the segments of vectors and derived bytes.
    """

    reads_site: bool
    partitioned: bool
    backed_up: bool
    needs: StepNeeds
    reads_segments: bool = False


STAGES: dict[Stage, StageFacts] = {
    Stage.SEARCH_PAGES: StageFacts(reads_site=True, partitioned=True, backed_up=True, needs=_READING),
    Stage.CONTENT_PAGES: StageFacts(reads_site=True, partitioned=True, backed_up=True, needs=_READING),
    Stage.FILE_LINKS: StageFacts(reads_site=True, partitioned=True, backed_up=True, needs=_READING),
    Stage.RAW_FILES: StageFacts(reads_site=True, partitioned=True, backed_up=True, needs=_READING),
    Stage.EXTRACTED_IMAGES: StageFacts(reads_site=False, partitioned=True, backed_up=False, needs=_UNPACKING),
    Stage.EMBEDDINGS: StageFacts(
        reads_site=False, partitioned=True, backed_up=False, needs=_EMBEDDING, reads_segments=True
    ),
    Stage.QDRANT_COLLECTION: StageFacts(
        reads_site=False, partitioned=True, backed_up=False, needs=_INDEXING, reads_segments=True
    ),
    Stage.CATALOG: StageFacts(reads_site=False, partitioned=False, backed_up=False, needs=_INDEXING),
    Stage.PUBLICATION: StageFacts(reads_site=False, partitioned=False, backed_up=False, needs=_INDEXING),
}


def divided(stages: Mapping[Stage, StageFacts]) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """The partitioned stages up to the last that reads the site, and those after it.

    One between two that read the site belongs to their runs, whether it reads it or not.
    """
    partitioned = [stage for stage, facts in stages.items() if facts.partitioned]
    first_offline = 1 + max(number for number, stage in enumerate(partitioned) if stages[stage].reads_site)
    return tuple(partitioned[:first_offline]), tuple(partitioned[first_offline:])


PARTITION_STAGES = tuple(stage for stage, facts in STAGES.items() if facts.partitioned)
"""Materialized for each partition."""
SITE_STAGES, OFFLINE_STAGES = divided(STAGES)
"""Materialized for each partition by runs that read the site, and by runs that need nothing but what is stored."""
COLLECTION_STAGES = tuple(stage for stage, facts in STAGES.items() if not facts.partitioned)
"""Materialized once, over all partitions."""
BACKED_UP_STAGES = tuple(stage for stage, facts in STAGES.items() if facts.backed_up)
"""Kept by backups; the rows of the others are derived from these."""
