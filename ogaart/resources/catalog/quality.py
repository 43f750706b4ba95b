"""What makes a generation worth serving: counts, lengths, failures, rights and recall, each a sentence with numbers.

Audits check that a generation agrees with itself; these check that it agrees with the site and the disk.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import duckdb
from threadpoolctl import threadpool_limits

from ogaart.resources.catalog.audits import Audit, audit_points, audit_rights, ids_of, new_pixels
from ogaart.resources.catalog.eligible import published_ids, published_pictures
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.catalog.history import HistoryFiles
from ogaart.resources.catalog.withdrawals import EarlierLoss, check_withdrawals, earlier_of, lost_lately, rows_of
from ogaart.resources.embedding.registry import VectorSpace, model_named
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.index.collection import Collection
from ogaart.resources.index.factory import open_index
from ogaart.resources.index.recall import RECALL_AT, Sampled, measure_recall
from ogaart.resources.moderation.takedowns import read_decisions
from ogaart.resources.platform import Stores
from ogaart.resources.site.sweeps import Sweep
from ogaart.resources.storage.atomic_files import read_json, write_json
from ogaart.resources.storage.blobs import Blobs
from ogaart.resources.storage.vectors import Vectors

CHECKS = "checks.json"
LOSSES = "withdrawn"
"""Its key of what was withdrawn lately."""
SAMPLED = "sampled"
"""Its key of the pictures by which the recall was measured, with what is nearest to each."""
POINTS = "points"
"""Its key of what the audit of the points found in the generation's own copy of the index."""
ADVISORY = frozenset({"site_totals"})
"""Checks that warn: while a first crawl is under way they cannot pass, and what is there may well be searched."""

RECALL_WANTED = 0.95
_NAMED = 5


def assess(stores: Stores, generation: Generation, *, losses_accepted: bool = False) -> list[Audit]:
    """Run every check on a finished generation, and keep the outcome next to its files.

    Args:
        stores: the stores.
        generation: the generation.
        losses_accepted: whether the operator accepts that many entries are withdrawn.
    """
    space = space_of(generation)
    vectors = Vectors(stores.root.vectors, space.name)
    swept = [sweep for name in stores.queries if (sweep := stores.sweeps.latest(name)) is not None]
    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(limits=1))  # as of a publication that is built
        if stores.settings.qdrant_url is not None:
            index = stack.enter_context(Collection(stores, space).writer())
        else:
            index = open_index(stores.settings, generation.index, space.name, space.dimension, read_only=True)
            stack.callback(index.close)
        con = stack.enter_context(duckdb.connect(str(generation.catalog), read_only=True))
        # Once, while the copy is open: to open it takes seconds. A collection on a server may still change.
        own = generation.index.exists()
        points = audit_points(published_ids(con), ids_of(index), generation.manifest, exact=True) if own else None
        found = [
            check_totals(con, swept),
            check_lengths(con, stores.blobs),
            check_failures(con, stores.settings.max_failure_share),
            audit_rights(con),
        ]
        previous = Generations(stores.root.generations).replaced_by(generation)
        recall, sampled = _recall(con, index, vectors, _to_compare(generation, previous))
        found.append(recall)
        decisions, earlier = read_decisions(stores.decisions), _earlier_losses(stores, previous)
        held, lost = check_withdrawals(con, previous, decisions, accepted=losses_accepted, earlier=earlier)
        found.append(held)
    path = generation.path / CHECKS
    kept = {
        "checks": [audit.row() for audit in found],
        LOSSES: rows_of(lost),
        SAMPLED: sampled.rows() if sampled is not None else None,
        POINTS: points.row() if points is not None else None,
    }
    write_json(path, kept, indent=1)
    return found


def _earlier_losses(stores: Stores, current: Generation | None) -> dict[str, EarlierLoss]:
    """What publications of the last day have withdrawn: as the one in service has it, or else as their history has."""
    if current is None:
        return {}
    found = read_json(current.path / CHECKS)
    recorded = earlier_of(found.get(LOSSES)) if isinstance(found, dict) else None
    if recorded is not None:
        return recorded
    generations = Generations(stores.root.generations)
    history = HistoryFiles(stores.root.history).read(current, generations.served())
    return lost_lately(history, generations, current)


def space_of(generation: Generation) -> VectorSpace:
    """The vector space that a generation was published with; its model may not be the one of the settings any more."""
    name, model = str(generation.manifest["space"]), str(generation.manifest["model"])
    stated = generation.manifest.get("dimension")
    return VectorSpace(name, model, int(stated) if stated else model_named(model).dimension)


def audited_points(generation: Generation) -> Audit | None:
    """What the audit of the points found when the checks ran; None where it did not run with them."""
    found = read_json(generation.path / CHECKS)
    row = found.get(POINTS) if isinstance(found, dict) else None
    try:
        return Audit(**row) if row is not None else None
    except TypeError:
        return None


def outcome(generation: Generation) -> list[Audit] | None:
    """What the checks found last; None before they ran, or where the file is torn: then they run again."""
    found = read_json(generation.path / CHECKS)
    found = found.get("checks") if isinstance(found, dict) else found  # a list alone, before files were sealed
    try:
        rows = [Audit(**row) for row in found or ()]
    except TypeError:  # a key is damaged, or the list is none
        return None
    return rows or None


def holding_back(found: Iterable[Audit]) -> list[Audit]:
    """The failed checks that keep a generation out of service."""
    return [check for check in found if not check.passed and check.name not in ADVISORY]


def check_totals(con: duckdb.DuckDBPyConnection, sweeps: Sequence[Sweep]) -> Audit:
    """Every query's partitions list as many entries as the site counted in the last sweep."""
    listed = dict(
        con.execute(
            "SELECT split_part(partition, '/', 1), count(DISTINCT slug) FROM search_results GROUP BY ALL"
        ).fetchall()
    )
    counts: dict[str, int] = {}
    wrong = []
    for sweep in sweeps:
        there = int(listed.get(sweep.query, 0))
        counts |= {f"{sweep.query}: listed": there, f"{sweep.query}: site": sweep.total}
        if there != sweep.total:
            wrong.append(f"{sweep.query} lists {there:,} of {sweep.total:,}")
    if not sweeps:
        return Audit("site_totals", False, "no query was swept yet: run `ogaart discover`", counts)
    if wrong:
        return Audit(
            "site_totals", False, f"{'; '.join(wrong)} entries that the site counts: materialize what is left", counts
        )
    return Audit("site_totals", True, f"{sum(s.total for s in sweeps):,} entries, as many as the site counts", counts)


def check_lengths(con: duckdb.DuckDBPyConnection, blobs: Blobs) -> Audit:
    """Every file has the length that its entry's page states, in its row and on disk."""
    checked, wrong = 0, []
    files = con.execute(
        "SELECT url, sha256, bytes, length FROM files WHERE role = 'file' AND status = 'ok' ORDER BY slug, url"
    ).fetchall()
    sizes = blobs.sizes(sha256 for _, sha256, _, _ in files)
    for url, sha256, size, stated in files:
        checked += 1
        if stated not in (None, size) or sizes.get(sha256) != size:
            wrong.append(url)
    counts = {"checked": checked, "wrong": len(wrong)}
    if wrong:
        return Audit(
            "file_lengths",
            False,
            f"{len(wrong):,} of {checked:,} files do not have the length that their page states, such as "
            f"{wrong[:_NAMED]}: materialize raw_files of their partitions",
            counts,
        )
    return Audit("file_lengths", True, f"{checked:,} files have the length that their page states", counts)


def check_failures(con: duckdb.DuckDBPyConnection, limit: float) -> Audit:
    """Of the files that were tried, no larger share failed than the setting allows: not had, or not read throughout."""
    [(tried, failed)] = con.execute(
        """
        SELECT count(*), count(*) FILTER (f.status <> 'ok' OR m.slug IS NOT NULL)
        FROM files AS f LEFT JOIN (SELECT DISTINCT slug, fid FROM members WHERE status = 'failed') AS m
            USING (slug, fid)
        WHERE f.role = 'file' AND f.status <> 'listed'
        """
    ).fetchall()
    share = failed / tried if tried else 0.0
    counts = {"tried": tried, "failed": failed}
    message = f"{failed:,} of {tried:,} files failed: {share:.1%}, OGAART_MAX_FAILURE_SHARE allows {limit:.1%}"
    if share > limit:
        return Audit("failure_share", False, f"{message}; see the view failures_by_cause, or raise it", counts)
    return Audit("failure_share", True, message, counts)


def check_recall(con: duckdb.DuckDBPyConnection, index: VectorIndex, vectors: Vectors) -> Audit:
    """The index finds the ten nearest that an exact comparison finds, for a sample of published images."""
    return _recall(con, index, vectors, None)[0]


def _to_compare(generation: Generation, previous: Generation | None) -> Generation | None:
    """The publication whose sample may be carried on; None where the generation was made in full."""
    if previous is None or not generation.manifest.get("shares"):
        return None
    return previous if previous.manifest.get("space") == generation.manifest["space"] else None


def _recall(
    con: duckdb.DuckDBPyConnection, index: VectorIndex, vectors: Vectors, previous: Generation | None
) -> tuple[Audit, Sampled | None]:
    """The outcome of the check, and the sample for the next publication."""
    pictures = published_pictures(con)
    if not len(pictures):
        return Audit("recall", True, "no image is published yet", {"sample": 0}), None
    known = read_json(previous.path / CHECKS) if previous is not None else None
    earlier = Sampled.from_rows(known.get(SAMPLED)) if isinstance(known, dict) else None
    new = new_pixels(con, previous) if previous is not None and earlier is not None else None
    done = measure_recall(index, vectors, pictures, earlier if new is not None else None, new or ())
    share, sample = done.found / done.wanted, len(done.sample.pixels)
    counts = {"sample": sample, "wanted": done.wanted, "found": done.found}
    depth = min(RECALL_AT, len(pictures))
    message = f"recall@{depth} of {sample} sampled images is {share:.3f}, at least {RECALL_WANTED} is required"
    if share < RECALL_WANTED:
        message = f"{message}: rebuild the index from the vectors (`ogaart rebuild index`)"
    return Audit("recall", share >= RECALL_WANTED, message, counts), done.sample


def as_metadata(check: Audit) -> Mapping[str, Any]:
    """A check's numbers for the Dagster UI."""
    return {"found": check.message, **check.counts}
