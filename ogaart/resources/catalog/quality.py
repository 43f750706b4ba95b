"""What makes a generation worth serving: counts, lengths, failures, rights and recall, each a sentence with numbers.

Audits check that a generation agrees with itself; these check that it agrees with the site and the disk.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from ogaart.resources.catalog.audits import Audit, audit_rights
from ogaart.resources.catalog.generations import Generation
from ogaart.resources.catalog.withdrawals import EarlierLoss, check_withdrawals, earlier_of, rows_of
from ogaart.resources.embedding.registry import VectorSpace, model_named
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.index.collection import Collection
from ogaart.resources.index.factory import open_index
from ogaart.resources.platform import Stores
from ogaart.resources.site.sweeps import Sweep
from ogaart.resources.storage.atomic_files import read_json, write_json
from ogaart.resources.storage.blobs import Blobs
from ogaart.resources.storage.takedowns import read_decisions
from ogaart.resources.storage.vectors import Vectors

CHECKS = "checks.json"
LOSSES = "withdrawn"
"""Its key of what was withdrawn lately."""
ADVISORY = frozenset({"site_totals"})
"""Checks that warn: while a first crawl is under way they cannot pass, and what is there may well be searched."""

RECALL_WANTED = 0.95
RECALL_SAMPLE = 25
RECALL_AT = 10
_TIE = 1e-3  # scores nearer than that are equal: vectors are stored in half precision
_NAMED = 5


def assess(
    stores: Stores, generation: Generation, current: Generation | None, *, losses_accepted: bool = False
) -> list[Audit]:
    """Run every check on a finished generation, and keep the outcome next to its files.

    Args:
        stores: the stores.
        generation: the generation.
        current: the generation in service, which it would replace.
        losses_accepted: whether the operator accepts that many entries are withdrawn.
    """
    space = space_of(generation)
    vectors = Vectors(stores.root.vectors, space.name)
    swept = [sweep for name in stores.queries if (sweep := stores.sweeps.latest(name)) is not None]
    with ExitStack() as stack:
        if stores.settings.qdrant_url is not None:
            index = stack.enter_context(Collection(stores, space).writer())
        else:
            index = open_index(stores.settings, generation.index, space.name, space.dimension, read_only=True)
            stack.callback(index.close)
        con = stack.enter_context(duckdb.connect(str(generation.catalog), read_only=True))
        found = [
            check_totals(con, swept),
            check_lengths(con, stores.blobs),
            check_failures(con, stores.settings.max_failure_share),
            audit_rights(con),
            check_recall(con, index, vectors),
        ]
        decisions, earlier = read_decisions(stores.root.decisions), _earlier_losses(current)
        held, lost = check_withdrawals(con, current, decisions, accepted=losses_accepted, earlier=earlier)
        found.append(held)
    path = generation.path / CHECKS
    write_json(path, {"checks": [audit.row() for audit in found], LOSSES: rows_of(lost)}, indent=1)
    return found


def _earlier_losses(current: Generation | None) -> dict[str, EarlierLoss]:
    """What the publications of the last day have withdrawn, as the generation in service has it."""
    found = read_json(current.path / CHECKS) if current is not None else None
    return earlier_of(found.get(LOSSES)) if isinstance(found, dict) else {}


def space_of(generation: Generation) -> VectorSpace:
    """The vector space that a generation was published with; its model may not be the one of the settings any more."""
    name, model = str(generation.manifest["space"]), str(generation.manifest["model"])
    stated = generation.manifest.get("dimension")
    return VectorSpace(name, model, int(stated) if stated else model_named(model).dimension)


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
    for url, sha256, size, stated in con.execute(
        "SELECT url, sha256, bytes, length FROM files WHERE role = 'file' AND status = 'ok' ORDER BY slug, url"
    ).fetchall():
        checked += 1
        if stated not in (None, size) or blobs.size(sha256) != size:
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
    rows = con.execute("SELECT image_id, pixel_sha256 FROM images WHERE indexed ORDER BY image_id").fetchall()
    if not rows:
        return Audit("recall", True, "no image is published yet", {"sample": 0})
    pixels: dict[int, str] = dict(rows)
    sample = [rows[i] for i in np.linspace(0, len(rows) - 1, min(RECALL_SAMPLE, len(rows))).astype(int)]
    queries = vectors.get([key for _, key in sample])
    depth = min(RECALL_AT, len(rows))
    tenth = _nth_best(queries, vectors, list(pixels.values()), depth)
    found = 0
    for query, least in zip(queries, tenth, strict=True):
        hits = [hit.id for hit in index.query(query, limit=depth) if hit.id in pixels]
        if hits:
            scores = vectors.get([pixels[i] for i in hits]) @ query
            found += int(np.count_nonzero(scores >= least - _TIE))
    recall = found / (depth * len(sample))
    counts = {"sample": len(sample), "wanted": depth * len(sample), "found": found}
    message = f"recall@{depth} of {len(sample)} sampled images is {recall:.3f}, at least {RECALL_WANTED} is required"
    if recall < RECALL_WANTED:
        return Audit("recall", False, f"{message}: rebuild the index from the vectors (`ogaart rebuild index`)", counts)
    return Audit("recall", True, message, counts)


def _nth_best(queries: NDArray[np.float32], vectors: Vectors, keys: Sequence[str], depth: int) -> NDArray[np.float32]:
    """The ``depth``-th best score of each query (Q,) over images with these pixels, several of which may be equal."""
    times: dict[str, int] = {}
    for key in keys:
        times[key] = times.get(key, 0) + 1
    best = np.full((len(queries), depth), -np.inf, np.float32)
    seen: set[str] = set()
    for segment in vectors.scan():
        chosen = [n for n, key in enumerate(segment.keys) if key in times and key not in seen]
        if not chosen:
            continue
        names = [segment.keys[n] for n in chosen]
        seen.update(names)
        scores = np.repeat(queries @ segment.vectors[chosen].T, [times[name] for name in names], axis=1)
        joined = np.concatenate([best, scores], axis=1)
        best = -np.partition(-joined, depth - 1, axis=1)[:, :depth]
    return np.asarray(best.min(axis=1), np.float32)


def as_metadata(check: Audit) -> Mapping[str, Any]:
    """A check's numbers for the Dagster UI."""
    return {"found": check.message, **check.counts}
