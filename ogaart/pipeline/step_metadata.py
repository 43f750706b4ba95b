"""The metadata that explains one stage of one partition: numbers, rates, errors, pictures, SQL that counts again."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from ogaart.core.states import RowState
from ogaart.imaging.contact_sheet import sheet
from ogaart.resources.storage.tables import Row

ERROR_CLASSES = 5
ERROR_LINKS = 3
FAILURES_SHOWN = 20
COUNTS = tuple(state.value for state in RowState)
LAST_CHANGES = "last_changes"
FIGURES = (
    *COUNTS, "requests", "bytes", "seconds", "bytes_per_second", "embedded", "pictures_per_second", "upserted",
    "peak_bytes", "worker_peak_bytes",
)  # fmt: skip
"""Figures of the last materialization that found something new, kept under ``last_changes``."""


def rates(extra: Mapping[str, int], seconds: float) -> dict[str, dg.MetadataValue]:
    """How long the step took, and its rates."""
    found: dict[str, dg.MetadataValue] = {"seconds": dg.MetadataValue.float(round(seconds, 2))}
    for name, unit in (("bytes", "bytes_per_second"), ("embedded", "pictures_per_second"), ("requests", None)):
        if extra.get(name) and unit and seconds > 0:
            found[unit] = dg.MetadataValue.float(round(extra[name] / seconds, 2))
    return found


def errors(failures: Sequence[Row]) -> dict[str, dg.MetadataValue]:
    """The most frequent classes of failures with links to what failed, and the failures as a table."""
    if not failures:
        return {}
    classes: dict[str, list[Row]] = {}
    for row in failures:
        classes.setdefault(row["error_class"], []).append(row)
    frequent = sorted(classes.items(), key=lambda item: (-len(item[1]), item[0]))
    lines = [
        f"- **{len(rows)} × {name}**: {', '.join(_link(row['key']) for row in rows[:ERROR_LINKS])}"
        f"{', …' if len(rows) > ERROR_LINKS else ''}\n  {_plain(rows[0]['message'])}"
        for name, rows in frequent[:ERROR_CLASSES]
    ]
    shown = [
        dg.TableRecord({k: str(row[k]) for k in ("error_class", "message", "key", "attempts", "next_try")})
        for row in failures[:FAILURES_SHOWN]
    ]
    return {"top_errors": dg.MetadataValue.md("\n".join(lines)), "failures": dg.MetadataValue.table(shown)}


def _link(key: str) -> str:
    """A failure's key as a link, where it is a URL; a member of an archive is named after the last slash."""
    if not key.startswith(("http://", "https://")):
        return f"`{_plain(key)}`"
    url, _, member = key.partition("#")
    name = (member.partition(":")[2] or url).rstrip("/").rpartition("/")[2]
    return f"[{_plain(name)}](<{url}>)"


def _plain(text: str | None) -> str:
    """Text without meaning in Markdown: a site's file names do not make links in the operator's UI."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>()#!|~&" else " " if c in "\r\n" else c for c in (text or "")[:300])


def pictures(thumbnails: Sequence[bytes]) -> dict[str, dg.MetadataValue]:
    """One contact sheet of the new pictures."""
    if not thumbnails:
        return {}
    encoded = base64.b64encode(sheet(thumbnails)).decode()
    return {"pictures": dg.MetadataValue.md(f"![{len(thumbnails)} new pictures](data:image/jpeg;base64,{encoded})")}


def carried(before: Mapping[str, dg.MetadataValue], run_id: str, at: float) -> dict[str, Any]:
    """What a step that found nothing new shows of the last one that did: its pictures, and its figures with its run.

    Args:
        before: metadata of the materialization before.
        run_id: its run.
        at: its time, in seconds since the epoch.
    """
    found = {name: before[name] for name in ("pictures", LAST_CHANGES) if name in before}
    if LAST_CHANGES not in before:
        figures = {name: before[name].value for name in FIGURES if name in before}
        when = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
        found[LAST_CHANGES] = dg.MetadataValue.json({"run_id": run_id, "at": when, **figures})
    return found


def recount(files: Iterable[tuple[str, Path]], steps: Path, run_id: str) -> dict[str, dg.MetadataValue]:
    """SQL for DuckDB that returns the step's numbers again, from its Parquet files.

    Args:
        files: each table of the stage and its file.
        steps: the file of the stage's history.
        run_id: the run.
    """
    run = _text(run_id)
    tables = "\nUNION ALL ".join(
        f'SELECT {_text(name)} AS "table", count(*) AS "rows", count(*) FILTER (run_id = {run}) AS written'  # noqa: S608
        f"\n    FROM {_text(str(path))}"
        for name, path in files
    )
    history = (
        f"SELECT {', '.join(COUNTS)}, requests, requests_saved, bytes\n"  # noqa: S608
        f"    FROM {_text(str(steps))}\n"
        f"    WHERE run_id = {run} ORDER BY ended_at DESC LIMIT 1"
    )
    return {"sql": dg.MetadataValue.md(f"```sql\n{history};\n\n{tables};\n```")}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
