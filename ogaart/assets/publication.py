"""The publication: the newest generation is audited, then put in service by one switch."""

from datetime import timedelta
from typing import Any

import dagster as dg

from ogaart.assets.catalog import COUNTED_AGAIN, catalog
from ogaart.core.stages import Stage
from ogaart.pipeline.progress import Progress
from ogaart.pipeline.step import OWNERS, STORED, column_lineage_of, described
from ogaart.pipeline.step_needs import asset_tags, step_tags
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.catalog.history import HistoryFiles
from ogaart.resources.catalog.publishing import audit, delete_left_out, publish_collection
from ogaart.resources.catalog.quality import ADVISORY, assess, holding_back, outcome
from ogaart.resources.catalog.tables import IMAGES
from ogaart.resources.catalog.withdrawals import ACCEPT_LOSSES
from ogaart.resources.platform import Platform
from ogaart.resources.publications.publications import Publications
from ogaart.resources.storage.lock_names import catalog_lock

PUBLICATION_VERSION = "1"


@dg.asset(
    deps=[catalog],
    group_name="publication",
    kinds={"duckdb"},
    owners=OWNERS,
    tags=asset_tags(Stage.PUBLICATION, STORED),
    op_tags=step_tags(Stage.PUBLICATION),
    code_version=PUBLICATION_VERSION,
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(days=3), fail_window=timedelta(days=7)),
    metadata={
        **described(IMAGES, history=False, stage=Stage.PUBLICATION),
        "layout": "generations/current -> <number>; ogaart.duckdb -> generations/current/ogaart.duckdb",
    },
)
def publication(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """The generation in service: audited, then switched to in one step.

    A failed audit, or a failed check of the catalog, leaves the old generation in service and names the reason.
    """
    stores = platform.stores
    generations, publications = Generations(stores.root.generations), Publications(stores.state, stores.objects)
    with (
        stores.hold(catalog_lock(stores.root), timeout=stores.settings.lock_seconds, what="the catalog"),
        Progress(context.log.info, "publication", stores.settings.progress_seconds),
    ):
        newest = generations.all()[-1:]
        if not newest:
            raise dg.Failure(
                "there is no generation in this data root: run the job `publish`, which makes both", allow_retries=False
            )
        generation, current = newest[0], generations.replaceable()
        if current is not None and current.number == generation.number and generation.audits:
            context.log.info("generation %d is in service already", current.number)
            publications.publish(current)
            generations.switch(current.number)  # a run that was killed may have made one link of the two
            delete_left_out(stores, current)
            generations.prune(stores.settings.keep_generations)
            return dg.MaterializeResult(metadata=column_lineage_of(context) | _metadata(generation, "unchanged"))
        checks = outcome(generation)
        if checks is None or holding_back(checks):  # materialized without the catalog's checks, or held back before
            accepted = ACCEPT_LOSSES in context.run.tags
            checks = assess(stores, generation, losses_accepted=accepted)
        audits = [
            *audit(stores, generation, generations.replaced_by(generation)),
            *(c for c in checks if c.name not in ADVISORY),
        ]
        generations.record(generation.number, [a.row() for a in audits])
        failed = [a for a in audits if not a.passed]
        if failed:
            raise dg.Failure(
                f"generation {generation.number} is not published, "
                f"{f'generation {current.number}' if current else 'nothing'} stays in service: "
                + "; ".join(f"{a.name}: {a.message}" for a in failed),
                metadata={a.name: a.message for a in audits},
                allow_retries=False,
            )
        HistoryFiles(stores.root.history).record(generation)
        publish_collection(stores, generation)
        publications.publish(generation)
        generations.switch(generation.number)
        delete_left_out(stores, generation)
        generations.prune(stores.settings.keep_generations)
        publications.keep(generations.numbers())
    return dg.MaterializeResult(
        metadata=column_lineage_of(context) | _metadata(generations.get(generation.number), "new")
    )


def _metadata(generation: Generation, state: str) -> dict[str, Any]:
    counts = generation.manifest["counts"]
    audits = {f"audit: {a['name']}": a["message"] for a in generation.audits}
    return {
        "state": state,
        "generation": generation.number,
        "entries": counts.get("entries", 0),
        "images": counts.get("images", 0),
        "points": counts.get("searchable", 0),
        "built_at": str(generation.manifest.get("built_at", "")),
        "newest_fetched_at": str(generation.manifest.get("newest_fetched_at", "")),
        "oldest_licence_reading": str(generation.manifest.get("oldest_licence_reading", "")),
        "sql": dg.MetadataValue.md(f"```sql\n{COUNTED_AGAIN}\n```"),
        **audits,
    }
