"""All that Dagster loads."""

import dagster as dg

from ogaart.assets.catalog import catalog
from ogaart.assets.content_pages import content_pages
from ogaart.assets.embeddings import embeddings
from ogaart.assets.extracted_images import extracted_images
from ogaart.assets.file_links import file_links
from ogaart.assets.publication import publication
from ogaart.assets.qdrant_collection import qdrant_collection
from ogaart.assets.raw_files import raw_files
from ogaart.assets.search_pages import search_pages
from ogaart.orchestration import jobs, schedules, sensors
from ogaart.orchestration.asset_checks import catalog_checks
from ogaart.resources.platform import Platform

ASSETS = (
    search_pages,
    content_pages,
    file_links,
    raw_files,
    extracted_images,
    embeddings,
    qdrant_collection,
    catalog,
    publication,
)


@dg.definitions
def defs() -> dg.Definitions:
    """The asset graph, its jobs and sensors; the in-process executor, since parallelism is several runs."""
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=[catalog_checks],
        jobs=jobs.JOBS,
        schedules=schedules.SCHEDULES,
        sensors=sensors.SENSORS,
        resources={"platform": Platform()},
        executor=dg.in_process_executor,
    )
