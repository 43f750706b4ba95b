"""What a command checks in the instance before it changes stored data: runs in progress, partitions."""

from ogaart.core.partitions import PARTITION_SET
from ogaart.orchestration.instance import open_instance
from ogaart.orchestration.jobs import add_partitions
from ogaart.orchestration.run_status import unfinished_runs
from ogaart.resources.platform import Stores
from ogaart.resources.state.leases import live_leases
from ogaart.resources.storage.locks import Locked, is_free
from ogaart.resources.storage.schema import TABLES


def refuse_while_running(stores: Stores) -> list[str]:
    """Refuse while a run is in progress, on any host; returns all partition keys that the instance knows.

    Raises:
        Locked: a run is in progress.
    """
    with open_instance(stores.settings) as instance:
        running = unfinished_runs(instance)
        partitions = instance.get_dynamic_partitions(PARTITION_SET)
    if running:
        raise Locked(
            f"{len(running)} runs are queued or in progress, such as {running[0].run_id} ({running[0].job_name}): "
            "wait for them to end, or cancel them"
        )
    leases = [] if stores.state.lacks() else live_leases(stores.state)  # they are rows of it
    for lease in leases:
        raise Locked(
            f"a process of run {lease.what} is in progress ({lease.process}), or was until lately: wait for it to end, "
            f"or half a minute after it was killed"
        )
    return sorted(partitions)


def refuse_while_processes_run(stores: Stores) -> None:
    """Refuse while the process of a run lives: for a full disk, on which Dagster's databases do not open.

    Raises:
        Locked: one does.
    """
    for lock in sorted((stores.root.locks / "runs").glob("*.lock")):
        if not is_free(lock):
            raise Locked(f"run {lock.stem} is in progress: wait for it to end, or cancel it")


def add_stored_partitions(stores: Stores) -> list[str]:
    """Add to the instance every partition that a table holds and it does not know; makes no request."""
    stored = {key.partition for table in TABLES for key in stores.tables.objects.keys(table.name)}
    with open_instance(stores.settings) as instance:
        return add_partitions(instance, sorted(stored))
