"""``ogaart gc --runs``: old Dagster runs are listed and, where told to, deleted."""

from ogaart.core.report import Report
from ogaart.orchestration.asset_checks import all_check_keys
from ogaart.orchestration.instance import open_instance
from ogaart.orchestration.run_history import delete_old_runs, find_old_runs
from ogaart.resources.storage.data_root import DataRoot
from ogaart.settings import Settings

COLUMNS = ("what", "items", "MB", "deleted")


def collect(settings: Settings, *, keep: int, delete: bool = False) -> Report:
    """List old runs and the files of runs already deleted, and delete them if ``delete`` is set.

    Args:
        settings: the settings.
        keep: how many of the newest runs to keep in any case.
        delete: delete; otherwise only list.
    """
    report = Report(COLUMNS)
    with open_instance(settings) as instance:
        old = find_old_runs(instance, DataRoot.of(settings).dagster, all_check_keys(), keep=keep)
        sizes = (old.run_bytes, old.leftover_bytes)
        if delete:
            delete_old_runs(instance, old)
    deleted = "yes" if delete else "no"
    for what, items, size in (
        ("runs", len(old.files), sizes[0]),
        ("files of deleted runs", len(old.leftovers), sizes[1]),
    ):
        report.rows.append({"what": what, "items": items, "MB": round(size / 1e6, 3), "deleted": deleted})
    report.rows.append({"what": "runs kept", "items": old.kept, "MB": "", "deleted": ""})
    if (old.files or old.leftovers) and not delete:
        report.errors.append("Nothing deleted (dry run). Run `ogaart gc --runs --yes` to delete.")
    return report
