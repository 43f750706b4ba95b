"""Where each lock file is: the only place that names one; ``locks.hold`` takes them.

A lock is held by a living process only, so the file itself says nothing: it may stay behind unlocked.
"""

from pathlib import Path

from ogaart.core.stages import Stage
from ogaart.resources.storage.data_root import DataRoot


def run_lock(root: DataRoot, run_id: str) -> Path:
    """Held by every process of a run for as long as it lives: by several where workers execute its steps."""
    return root.locks / "runs" / f"{run_id}.lock"


def task_lock(root: DataRoot, task_id: str) -> Path:
    """Held by the worker that executes a step; there, and free, once that worker has ended it or was killed."""
    return root.locks / "tasks" / f"{task_id}.lock"


def bus_error_note(root: DataRoot, run_id: str) -> Path:
    """There after a run's process was ended by SIGBUS: its disk was full."""
    return root.locks / "runs" / f"{run_id}.bus"


def step_lock(root: DataRoot, stage: Stage, partition: str) -> Path:
    """Held by the step that works on a partition's stage."""
    return root.locks / stage / f"{partition.replace('/', '-')}.lock"


def swap_lock(root: DataRoot) -> Path:
    """Held while table files are swapped, and while a cut of them is made."""
    return root.locks / "swap.lock"


def state_lock(root: DataRoot) -> Path:
    """Held while the database of state is brought to the program's version."""
    return root.locks / "state.lock"


def services_lock(root: DataRoot) -> Path:
    """Held by the command that runs the Dagster UI and daemon on the data root."""
    return root.locks / "services.lock"


def catalog_lock(root: DataRoot) -> Path:
    """Held while a generation is built or published."""
    return root.locks / "catalog.lock"


def copy_lock(root: DataRoot) -> Path:
    """Held while a data root is copied into the bucket."""
    return root.locks / "copy-to-bucket.lock"


def backup_lock(root: DataRoot) -> Path:
    """Held by a backup, and by what deletes files that a backup may be about to copy."""
    return root.locks / "backup.lock"


def collection_lock(root: DataRoot, space: str) -> Path:
    """Held by the only writer of a vector space's collection, in whichever home it lives."""
    return root.locks / f"collection-{space}.lock"


def shard_lock(folder: Path, name: str) -> Path:
    """Held while the shard ``name`` in ``folder`` is open for writing."""
    return folder / f"{name}.lock"


def lines_lock(root: Path, name: str) -> Path:
    """Held while a line is added to a log that several hosts share; ``root`` is the data root's folder."""
    return root / "locks" / f"lines-{name}.lock"


def host_lock(site: Path, host: str) -> Path:
    """Held from the wait for a request's turn until its response begins; ``site`` is the data root's folder for it."""
    return site / f"{host}.lock"


def fetch_lock(records: Path, key: str) -> Path:
    """Held while a URL is fetched: one lock for all URLs whose key begins alike, since one each would only pile up."""
    return records / key[:2] / "lock"


def journal_lock(journal: Path) -> Path:
    """Held while lines are added to a journal, and while the database follows them."""
    return journal.with_suffix(".lock")


def robots_lock(stored: Path) -> Path:
    """Held while a robots.txt is fetched; ``stored`` is the file that keeps it."""
    return stored.with_suffix(".lock")
