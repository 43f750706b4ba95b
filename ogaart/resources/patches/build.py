"""Builds the patches of a publication from those of the one before: only what is new is read, sorted and matched.

Runs that did not change are hard links of the same files. New pictures become new runs, and small runs are merged: see
``resources.storage.array_folders``.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ogaart.likeness.patch_matching import Match, PartRelation, match_patches
from ogaart.likeness.patches import Patches, no_patches, unpacked
from ogaart.resources.patches.index import PatchRuns
from ogaart.resources.patches.runs import Run, merge_runs, runs_in, write_run
from ogaart.resources.storage.array_folders import Keys, as_hashes, as_keys, contained, tidied
from ogaart.resources.storage.checksummed_parquet import seal_holds, write_sealed
from ogaart.resources.storage.derived import DerivedBytes

LINKS = "links.parquet"
_COLUMNS: Mapping[str, pa.DataType] = {
    "part_pixel_sha256": pa.string(),
    "whole_pixel_sha256": pa.string(),
    "x": pa.int32(),
    "y": pa.int32(),
    "width": pa.int32(),
    "height": pa.int32(),
    "share": pa.float32(),
    "patches": pa.int32(),
}
LINKED = pa.schema(_COLUMNS)
"""Columns of the pictures that contain others: where in ``whole`` the part is, and what share of its patches agrees."""
_IN_MEMORY = 2_000_000  # patches that are sorted at once
_ASKED, _JUDGED = 4_096, 64  # patches of a picture that are looked up for its links, and agreements that are judged

Found = Iterator[tuple[str, Patches]]


def build_patches(
    folder: Path, previous: Path | None, store: DerivedBytes, wanted: Keys, published: Keys | None = None
) -> pa.Table:
    """Write the runs and the links of a publication.

    Args:
        folder: where they are written; made here.
        previous: the same folder of the publication before; None: there is none, or it has none.
        store: the patches of all pictures.
        wanted: hashes of the pixels of all pictures that are published, each once, in their order.
        published: the same of the publication before; None: there is none. Its runs may have more, whose links went
            when they did.

    Returns:
        The links, in the columns of ``LINKED``: which published picture is a part of which other.
    """
    folder.mkdir(parents=True)
    before = _old_links(previous / LINKS) if previous is not None else None
    # Without the links of the publication before, all pictures are compared again: as if there were no runs yet.
    old = [run for run in runs_in(previous) if run.intact()] if previous is not None and before is not None else []
    held = np.concatenate([run.keys for run in old]) if old else as_keys([])
    new = ~contained(wanted, held)
    fresh = _new_runs(folder, _stored(store, wanted[new]))
    runs = tidied(folder, [*old, *fresh], wanted, partial(merge_runs, folder))
    kept = _of_published(before, wanted) if before is not None and old else LINKED.empty_table()
    unlinked = new | ~contained(wanted, published if published is not None else as_keys([])) if old else new
    found = _links(PatchRuns(runs), _stored(store, wanted[unlinked]))
    links = pa.concat_tables([kept, *(_of_published(some, wanted) for some in found)])
    write_sealed(links, folder / LINKS)
    return links


def _stored(store: DerivedBytes, pictures: Keys) -> Found:
    """The stored patches of pictures, a segment at a time; those that have not been looked at yet are left out."""
    if not store.names():
        return
    keys = as_hashes(pictures)
    for name, places, rows in store.by_segment(keys):
        contents = store.segment(name).contents
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            yield keys[place], unpacked(contents[row]) or no_patches()


def _new_runs(folder: Path, found: Found) -> Iterator[Run]:
    pictures: list[tuple[str, Patches]] = []
    count = 0
    for key, patches in found:
        pictures.append((key, patches))
        count += len(patches)
        if count >= _IN_MEMORY:
            yield write_run(folder, pictures)
            pictures, count = [], 0
    if pictures:
        yield write_run(folder, pictures)


def _old_links(path: Path) -> pa.Table | None:
    """The links of the publication before; None where they are damaged, missing or not sealed."""
    try:
        return pq.read_table(path).select(LINKED.names).cast(LINKED) if seal_holds(path) else None
    except (OSError, pa.ArrowException, KeyError):
        return None


def _of_published(links: pa.Table, wanted: Keys) -> pa.Table:
    """The links of which both sides are published; runs have pictures that are not any more."""
    part, whole = (
        contained(as_keys(cast("list[str]", links[side].to_pylist())), wanted)
        for side in ("part_pixel_sha256", "whole_pixel_sha256")
    )
    return links.filter(pa.array(part & whole))


def _links(index: PatchRuns, found: Found) -> Iterator[pa.Table]:
    """Which of some new pictures are parts of others, or contain them."""
    seen: set[tuple[str, str]] = set()
    rows: list[dict[str, object]] = []
    for key, patches in found:
        matches = match_patches(patches.at_most(_ASKED), index, judged=_JUDGED)
        for row in _link_rows(key, patches, matches, index):
            pair = (str(row["part_pixel_sha256"]), str(row["whole_pixel_sha256"]))
            if pair not in seen:
                seen.add(pair)
                rows.append(row)
    yield pa.Table.from_pylist(rows, schema=LINKED)


def _link_rows(key: str, patches: Patches, matches: Iterable[Match], index: PatchRuns) -> Iterator[dict[str, object]]:
    for one in sorted((one for one in matches if one.claimed), key=lambda one: -one.share):
        other = index.key(one.picture)
        if other == key:
            continue
        is_part = one.relation is PartRelation.WHOLE
        part, whole = (key, other) if is_part else (other, key)
        box = one.picture_box if is_part else tuple(side * patches.enlarged for side in one.query_box)
        place = dict(zip(("x", "y", "width", "height"), box, strict=True))
        yield {
            "part_pixel_sha256": part,
            "whole_pixel_sha256": whole,
            **place,
            "share": one.share,
            "patches": one.votes,
        }
