"""Asset checks of the catalog, run between its build and its publication: one that fails holds the publication back."""

from collections.abc import Iterator

import dagster as dg

from ogaart import assets
from ogaart.assets.catalog import catalog
from ogaart.core.stages import Stage
from ogaart.pipeline.step_needs import step_tags
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.catalog.quality import ADVISORY, as_metadata, assess, holding_back, outcome
from ogaart.resources.catalog.withdrawals import ACCEPT_LOSSES
from ogaart.resources.catalog.withdrawals import CHECK as WITHDRAWALS
from ogaart.resources.platform import Platform

DESCRIPTIONS = {
    "site_totals": "Every query's partitions list as many entries as the site counted in the last sweep. Warns only.",
    "file_lengths": "Every file has the length that its entry's page states, in its row and on disk.",
    "failure_share": "Of the files tried, no larger share failed than OGAART_MAX_FAILURE_SHARE allows.",
    "rights": "Every published image has a licence, an author and a page.",
    WITHDRAWALS: "At most 2 % of the entries (but 5 to 50) leave search within a day, unless the run accepts it.",
    "recall": "The index finds what an exact comparison finds: recall@10 of at least 0.95 on a sample.",
}


@dg.multi_asset_check(
    name="catalog_checks",
    specs=[
        dg.AssetCheckSpec(name, asset=catalog, description=text, blocking=name not in ADVISORY)
        for name, text in DESCRIPTIONS.items()
    ],
    op_tags=step_tags(Stage.CATALOG),
)
def catalog_checks(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterator[dg.AssetCheckResult]:
    """Check the newest generation; one in service that passed already is not looked at again."""
    stores = platform.stores
    generations = Generations(stores.root.generations)
    newest, current = generations.all()[-1], generations.replaceable()
    found = outcome(newest) if current is not None and current.number == newest.number else None
    if found is None or holding_back(found):
        found = assess(stores, newest, losses_accepted=ACCEPT_LOSSES in context.run.tags)
    for check in found:
        context.log.info("%s of generation %d: %s", check.name, newest.number, check.message)
        yield dg.AssetCheckResult(
            passed=check.passed,
            asset_key=catalog.key,
            check_name=check.name,
            severity=dg.AssetCheckSeverity.WARN if check.name in ADVISORY else dg.AssetCheckSeverity.ERROR,
            description=check.message,
            metadata=as_metadata(check),
        )


def all_check_keys() -> list[dg.AssetCheckKey]:
    """The keys of every asset check: those of the assets themselves, and those of the catalog."""
    definitions = (*dg.load_assets_from_package_module(assets), catalog_checks)
    return sorted({key for one in definitions if isinstance(one, dg.AssetsDefinition) for key in one.check_keys})
