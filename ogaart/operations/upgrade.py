"""``ogaart upgrade``: brings what earlier versions stored in the data root to the format of this one, in place.

What is not upgraded yet is read as it is. Killed at any point it loses nothing; the next time it does the rest.
"""

from contextlib import closing
from pathlib import Path

from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart.core.report import Report
from ogaart.operations.preconditions import refuse_while_running
from ogaart.resources.platform import Stores
from ogaart.resources.site.earlier_facts import adopt_facts, earlier_facts
from ogaart.resources.storage.objects import named_paths
from ogaart.settings import Settings

COLUMNS = ("what", "files", "MB", "upgraded")


def upgrade(settings: Settings, *, dry_run: bool = False) -> Report:
    """Make rows of the fetch records of versions before, and objects of their tables and packs.

    The fixed names of tables and packs stay, as links to the objects.

    Args:
        settings: the settings.
        dry_run: only count.

    Raises:
        Locked: a run is in progress.
    """
    report = Report(COLUMNS)
    with closing(Stores(settings)) as stores:
        if not dry_run:
            stores.root.require_writable()
            refuse_while_running(stores)
        files = list(stores.fetch_records.earlier_files())
        whole = [(path, record) for path, record in files if record is not None]
        facts = list(earlier_facts(stores.root.site))
        known = [found for found in facts if found.fact is not None]
        logs = [log for log in (stores.decisions, stores.reports) if log.file_before is not None]
        named = named_paths(stores.root.root)
        tables = [Path(entry.path) for _, entry in named if entry.is_file(follow_symlinks=False)]
        for what, paths in (
            ("fetch records", [path for path, _ in whole]),
            ("the delay, robots.txt and sweeps", [found.path for found in known]),
            ("tables and packs", tables),
            ("takedowns and reports", [log.file_before for log in logs if log.file_before is not None]),
        ):
            size = sum(path.stat().st_size for path in paths)
            done = "no" if dry_run else "yes"
            report.rows.append({"what": what, "files": len(paths), "MB": round(size / 1e6, 3), "upgraded": done})
        if whole and not dry_run:
            stores.fetch_records.adopt(whole)
        if known and not dry_run:
            adopt_facts(stores.state, known)
        if tables and not dry_run:
            stores.tables.objects.adopt()
        torn = [log.damaged_before()[0] for log in logs if log.damaged_before()]
        for log in logs if not dry_run else ():
            if not log.damaged_before():
                log.adopt()
    report.errors += [f"{where}: not as it was written: correct or delete it" for where in torn]
    report.exit_code = EXIT_DAMAGED if torn else 0
    damaged = [path for path, record in files if record is None]
    damaged += [found.path for found in facts if found.fact is None]
    if damaged:
        report.errors.append(
            f"{len(damaged)} files are damaged, such as {damaged[0]}: run `ogaart verify --repair`; their URLs are "
            "requested again when they are needed"
        )
        report.exit_code = EXIT_DAMAGED
    elif (whole or known or tables or logs) and dry_run:
        report.errors.append("Nothing changed (dry run). Run `ogaart upgrade` to upgrade.")
    return report
