"""``ogaart verify --repair``: deletes what is damaged, fetches or derives it again by real runs, and publishes."""

from itertools import count
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from ogaart.assets.catalog import REBUILD
from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart.core.process_limits import raise_if_lacking
from ogaart.core.report import Report
from ogaart.core.stages import Stage
from ogaart.operations import runs
from ogaart.operations.damage import Damage
from ogaart.operations.preconditions import add_stored_partitions, refuse_while_running
from ogaart.operations.runs import ASSETS
from ogaart.operations.verify import COLUMNS, Verification
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.collection import Collection
from ogaart.resources.objects.factory import FOLDERS
from ogaart.resources.platform import Stores
from ogaart.resources.publications.publications import Publications
from ogaart.resources.site.fetch_records import JOURNAL
from ogaart.resources.state.facts import delete_damaged_facts, intact_facts, put_back
from ogaart.resources.state.layout import layout_problem
from ogaart.resources.state.sqlite_files import misplaced_files
from ogaart.resources.storage.lock_names import catalog_lock, step_lock
from ogaart.resources.storage.schema import FAILURES, LICENCE_HISTORY, STEPS, TABLES
from ogaart.resources.storage.sql import quoted
from ogaart.settings import Settings


def repair(settings: Settings, console: Console, *, quick: bool = False) -> Report:
    """Verify, repair what is damaged, publish, verify again.

    Raises:
        Locked: a run is in progress.
    """
    stores = Stores(settings)
    refuse_while_running(stores)
    report = Report((*COLUMNS, "repaired"))
    found = _completed(stores) + list(Verification(stores, quick).problems())
    if not found:
        return report
    add_stored_partitions(stores)
    _repair_state(stores, found)
    for problem in found:
        _remove(stores, problem)
    starts: dict[str, int] = {}
    for problem in found:
        for stage, partition in problem.redo:
            starts[partition] = min(starts.get(partition, len(ASSETS)), ASSETS.index(stage))
    incomplete = []
    for partition, start in sorted(starts.items()):
        errors = runs.materialize(settings, console, [partition], ASSETS[start:]).errors
        incomplete += [partition] if errors else []
        report.errors += errors
    if incomplete:  # published, what they lack would be withdrawn
        report.errors.append(
            f"not published, and the publication in service stays: {len(incomplete)} partitions could not be made "
            f"again, such as {incomplete[0]}; remove the cause, then run `ogaart materialize {incomplete[0]}` and "
            "`ogaart publish`"
        )
    else:
        report.errors += runs.publish(settings, console, tags={REBUILD: "true"}).errors
        _discard_generations(stores, {problem.generation for problem in found if problem.generation})
    left = {(p.what, p.where) for p in Verification(stores, quick).problems()}
    for problem in found:
        repaired = (problem.what, problem.where) not in left
        report.rows.append({**problem.row(), "repaired": "yes" if repaired else "no"})
    if left:
        report.errors.append(f"{len(left)} problems remain: see `ogaart verify`")
    report.exit_code = EXIT_DAMAGED if left or report.errors else 0
    return report


def _completed(stores: Stores) -> list[Damage]:
    """Make the tables again that a server's database lacks: without them it cannot be known what else is damaged."""
    lacking = stores.state.lacks()
    if not lacking:
        return []
    stores.state.complete()
    return [Damage("state", stores.state.where, lacking)]


def _repair_state(stores: Stores, found: list[Damage]) -> None:
    """Make the rows of the database of state again, from what else is stored and what is intact in it."""
    path = stores.state.path
    journal = stores.root.site / JOURNAL
    misplaced = misplaced_files(path) if path is not None else []
    if any(problem.fetch_records for problem in found):
        for folder in [*misplaced, *([journal] if journal.is_dir() else [])]:
            _delete(stores, folder)
    logs = (stores.decisions, stores.reports)
    if any(problem.shared or problem.fetch_records for problem in found):
        for log in logs:
            log.repair()
        Publications(stores.state, stores.objects).repair()
    if any(problem.fetch_records for problem in found):
        if path is not None and path.is_file() and layout_problem(path):
            stores.state.discard()  # it could not be opened, or read
        facts = intact_facts(stores.state)
        stores.fetch_records.repair()
        put_back(stores.state, facts)
        stores.tables.objects.remake()
        for log in logs:
            log.repair()  # the rows of the new database
        stores.close()
    elif any(problem.facts for problem in found):
        delete_damaged_facts(stores.state)


def _remove(stores: Stores, problem: Damage) -> None:
    """Delete what is damaged, under the locks of the steps that write it."""
    if problem.points:
        with Collection(stores, VectorSpace.of(stores.settings)).writer() as index:
            index.delete(problem.points)
            index.flush()
    if problem.discard:
        Collection(stores, VectorSpace(problem.discard, "", 0)).discard()
    if not problem.remove:
        return
    if not problem.redo:  # no step writes it
        for path in problem.remove:
            _delete(stores, path)
    for stage, partition in sorted(problem.redo):
        with stores.hold(step_lock(stores.root, Stage(stage), partition), what=f"{stage} of {partition}"):
            for path in problem.remove:
                key = stores.tables.objects.key_of(path)
                kind = key.kind if key is not None else ""
                # Read before anything is deleted: it may be that no publication can be read at the moment.
                licences = _published_licences(stores, partition) if kind == LICENCE_HISTORY.name else None
                _delete(stores, path)
                if kind == FAILURES.name:
                    _forget_outcomes(stores, stage, partition)
                if licences is not None:
                    stores.tables.commit(LICENCE_HISTORY.stage, partition, {LICENCE_HISTORY.name: licences})


def _delete(stores: Stores, path: Path) -> None:
    """Delete a damaged file; a folder in its place, which the program has not made, is moved aside."""
    if not path.is_dir() or path.is_symlink():
        if stores.objects.remote and path.relative_to(stores.root.root).parts[0] in FOLDERS:
            stores.objects.delete(path)
        path.unlink(missing_ok=True)
        return
    aside = stores.root.root / "misplaced"
    aside.mkdir(exist_ok=True)
    number = next(n for n in count(1) if not (aside / f"{path.name}-{n}").exists())
    path.rename(aside / f"{path.name}-{number}")


def _discard_generations(stores: Stores, damaged: set[int]) -> None:
    """Delete damaged generations, but the one that is still in service."""
    generations = Generations(stores.root.generations)
    current = generations.replaceable()
    if current is None:
        return
    with stores.hold(catalog_lock(stores.root), what="the catalog"):
        for number in damaged.intersection(generations.numbers()) - {current.number}:
            generations.discard(number)
        Publications(stores.state, stores.objects).keep(generations.numbers())


def _published_licences(stores: Stores, partition: str) -> list[Any] | None:
    """The history of licences as it was published last: when one was first read is stored nowhere else.

    Returns:
        None where no publication has it: it begins again with the next reading.

    Raises:
        OSError: this process may not read a publication, or may open no more files.
    """
    columns = ", ".join(quoted(column.name) for column in LICENCE_HISTORY.columns)
    query = f"SELECT {columns} FROM {LICENCE_HISTORY.name} WHERE partition = $partition"  # noqa: S608
    for generation in Generations(stores.root.generations).served():
        try:
            with duckdb.connect(str(generation.catalog), read_only=True) as con:
                con.execute("SET TimeZone = 'UTC'")
                rows: list[Any] = con.sql(query, params={"partition": partition}).to_arrow_table().to_pylist()
                return rows
        except duckdb.Error as cause:  # damaged as well, or of a version that had none
            raise_if_lacking(cause, generation.catalog)
    return None


def _forget_outcomes(stores: Stores, stage: str, partition: str) -> None:
    """Delete the rows of a stage whose failures are lost, so that the stage makes both again from what is stored.

    If its rows stayed, it would not process again what failed permanently, and the causes would be lost.
    """
    for table in TABLES:
        if table is not STEPS:
            _delete(stores, stores.tables.path(table, stage, partition))
