"""``ogaart verify --repair``: what is damaged goes, and is fetched or derived again by real runs; then published."""

from rich.console import Console

from ogaart.assets.catalog import REBUILD
from ogaart.core.errors import EXIT_DAMAGED
from ogaart.core.report import Report
from ogaart.core.stages import Stage
from ogaart.operations import runs
from ogaart.operations.preconditions import add_stored_partitions, refuse_while_running
from ogaart.operations.runs import ASSETS
from ogaart.operations.verify import COLUMNS, Problem, Verification
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.index.collection import Collection
from ogaart.resources.platform import Stores
from ogaart.resources.storage.lock_names import step_lock
from ogaart.resources.storage.locks import hold
from ogaart.resources.storage.schema import FAILURES, STEPS
from ogaart.settings import Settings


def repair(settings: Settings, console: Console, *, quick: bool = False) -> Report:
    """Verify, mend what deviates, publish, verify again.

    Raises:
        Locked: a run is in progress.
    """
    stores = Stores(settings)
    refuse_while_running(stores)
    report = Report((*COLUMNS, "repaired"))
    found = list(Verification(stores, quick).problems())
    if not found:
        return report
    add_stored_partitions(stores)
    for problem in found:
        _remove(stores, problem)
    starts: dict[str, int] = {}
    for problem in found:
        for stage, partition in problem.redo:
            starts[partition] = min(starts.get(partition, len(ASSETS)), ASSETS.index(stage))
    for partition, start in sorted(starts.items()):
        report.errors += runs.materialize(settings, console, [partition], ASSETS[start:]).errors
    report.errors += runs.publish(settings, console, tags={REBUILD: "true"}).errors
    left = {(p.what, p.where) for p in Verification(stores, quick).problems()}
    for problem in found:
        mended = (problem.what, problem.where) not in left
        report.rows.append({**problem.row(), "repaired": "yes" if mended else "no"})
    if left:
        report.errors.append(f"{len(left)} things are still not as they should be: see `ogaart verify`")
    report.exit_code = EXIT_DAMAGED if left or report.errors else 0
    return report


def _remove(stores: Stores, problem: Problem) -> None:
    """Take away what is damaged, under the locks of the steps that would write it."""
    if problem.points:
        embedder = Embedder(stores.settings)
        with Collection(stores, embedder.space, embedder.dimension).writer() as index:
            index.delete(problem.points)
            index.flush()
    if not problem.remove:
        return
    for stage, partition in sorted(problem.redo):
        with hold(step_lock(stores.root, Stage(stage), partition), what=f"{stage} of {partition}"):
            for path in problem.remove:
                path.unlink(missing_ok=True)
                if path.is_relative_to(stores.root.tables / FAILURES.name):
                    _forget_outcomes(stores, stage, partition)


def _forget_outcomes(stores: Stores, stage: str, partition: str) -> None:
    """Take away a stage's rows whose failures are lost: from what is stored here it comes to both again.

    With its rows in place it would not look again at what failed for good, and nobody would know why it did.
    """
    for path in stores.root.tables.glob(f"*/{stage}/{partition}.parquet"):
        if path.relative_to(stores.root.tables).parts[0] != STEPS.name:
            path.unlink()
