"""Private modules of Dagster are imported in one file, and each import has a purpose that is written down here."""

import ast
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

import ogaart
from ogaart.core.partitions import PARTITION_SET
from ogaart.orchestration import dagster_internals
from ogaart.orchestration.dagster_internals import partitions_read_once

PURPOSES = {
    "dagster._check.CheckError": "to tell of a value in dagster.yaml that Dagster does not expect",
    "dagster._core.definitions.run_request.InstigatorType": "to list the states of schedules, and not of sensors",
    "dagster._core.scheduler.instigation.InstigatorStatus": "to list those that are turned on",
    "dagster._core.execution.backfill.BulkActionsFilter": "to list the backfills that have not ended",
    "dagster._core.execution.backfill.BulkActionStatus": "to name the statuses of those backfills",
    "dagster._cli.proxy_server_manager.ProxyServerManager": "to run the code server that UI and daemon share",
    "dagster._core.workspace.load_target.ModuleTarget": "to name the module that it loads",
    "dagster._core.workspace.context.WorkspaceProcessContext": "to serve the UI as an application behind the guard",
    "dagster._core.execution.plan.instance_concurrency_context.InstanceConcurrencyContext": "to wait for a pool slot",
    "dagster._core.executor.in_process": "to have the executor wait in that way",
    "dagster._core.execution.context_creation_job": "to let runs whose config names no logger log as JSON",
    "dagster._core.execution.retries.RetryMode": "to let failed runs be retried where workers execute the steps",
    "dagster_celery.executor._submit_task": "to send a step to a worker, and to watch that worker besides",
    "dagster._core.errors.DagsterExecutionInterruptedError": "to end a run as Dagster does",
    "dagster._utils.interrupts.check_captured_interrupt": "to learn of a signal during that wait",
    "dagster._core.storage.event_log.sqlite.sqlite_event_log": "to have it compile a query once",
    "dagster._core.storage.runs.sqlite.sqlite_run_storage": "to have it compile a query once",
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage": "to have it compile a query once",
    "dagster._core.storage.sql.ALEMBIC_SCRIPTS_LOCATION": "to tell Dagster's migrations from ogaart's own",
    "dagster._core.workspace.load_target.WorkspaceFileTarget": "to lead the UI to that code server",
}
"""Imported name to what ogaart needs it for; Dagster has no public name for any of them."""


def private_imports(path: Path) -> set[str]:
    """Names that a file imports from a private module of one of Dagster's packages."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name for name in names if is_private(name)}
    return found


def is_private(name: str) -> bool:
    """Whether a dotted name leads into Dagster and through a part that begins with an underscore."""
    package, *parts = name.split(".")
    return package.split("_")[0] == "dagster" and any(part.startswith("_") for part in parts)


def test_every_private_import_has_a_purpose() -> None:
    assert private_imports(Path(dagster_internals.__file__)) == set(PURPOSES)


def test_no_other_module_imports_a_private_one() -> None:
    package = Path(ogaart.__file__).parent

    elsewhere = {
        str(path.relative_to(package)): names
        for path in package.rglob("*.py")
        if path != Path(dagster_internals.__file__) and (names := private_imports(path))
    }

    assert elsewhere == {}


def test_a_run_looks_up_once_which_partitions_there_are() -> None:
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions(PARTITION_SET, ["2d-art/0000"])

        with partitions_read_once(instance):
            before = (
                instance.get_dynamic_partitions(PARTITION_SET),
                instance.has_dynamic_partition(PARTITION_SET, "x"),
            )
            instance.add_dynamic_partitions(PARTITION_SET, ["x"])
            meanwhile = (
                instance.get_dynamic_partitions(PARTITION_SET),
                instance.has_dynamic_partition(PARTITION_SET, "x"),
            )

        assert before == meanwhile == (["2d-art/0000"], False)
        assert instance.get_dynamic_partitions(PARTITION_SET) == ["2d-art/0000", "x"]
        assert instance.has_dynamic_partition(PARTITION_SET, "x")


def test_dagster_compiles_its_queries_once_for_each_database(tmp_path: Path) -> None:
    dagster_internals.keep_compiled()
    engines: list[sa.Engine] = []
    sa.event.listen(sa.Engine, "before_execute", remember := lambda connection, *_: engines.append(connection.engine))
    try:
        with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
            for _ in range(3):
                instance.get_runs()
                instance.get_dynamic_partitions(PARTITION_SET)
    finally:
        sa.event.remove(sa.Engine, "before_execute", remember)

    own = [engine for engine in engines if str(tmp_path) in str(engine.url.database)]
    assert len(own) > len({engine.url for engine in own}) == len(set(own)) >= 2
