"""Sorted runs of patches: immutable folders of memory-mapped arrays, named by their content, merged like an LSM's.

A run is ``run-<hash>/`` with five arrays. Patches are sorted by the upper 48 bits of their hashes; of each are kept the
lower 32 of these bits (``rest``) and its place (``places``); the upper bits are known by where it lies: ``heads`` says
where each group of equal first bits begins, with about four patches a group. ``pictures`` and ``keys`` hold what is
known of each picture, ordered by its key, the hash of its pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ogaart.core.fault_injection import Fault, fault
from ogaart.likeness.patch_matching import PictureFacts
from ogaart.likeness.patches import Hashes, Patches
from ogaart.resources.storage.array_folders import (
    ArrayFolder,
    Keys,
    as_keys,
    name_by_content,
    new_draft,
    sync_arrays,
    write_header,
)

PREFIX = "run-"
KEPT_BITS = 48
"""Upper bits of a hash by which patches are told apart: of 60 million, one in five million is mistaken for another."""
_REST_BITS = 32
_LEAST_HEAD, _MOST_HEAD = KEPT_BITS - _REST_BITS, 28
_GROUP = 4  # patches under one head, about
_SLICES = 64  # parts of a merge that are in memory one at a time
MOST_PLACES = 4_096
"""Places kept of one patch when runs are merged: what is in so many places tells of nothing."""

PICTURE = np.dtype(
    [("width", "<u4"), ("height", "<u4"), ("patches", "<u4"), ("opaque", "<u4"), ("enlarged", "<u2"), ("step", "<u2")]
)
PLACE = np.dtype([("picture", "<u4"), ("x", "<u2"), ("y", "<u2")])
_FILES = ("heads", "rest", "places", "pictures", "keys")


@dataclass(frozen=True, eq=False)
class Run(ArrayFolder):
    """One run; its keys rise."""

    arrays: ClassVar[tuple[str, ...]] = _FILES

    @cached_property
    def heads(self) -> NDArray[np.uint32]:
        """(2^bits + 1,) uint32: where the patches with each beginning start."""
        return self._array("heads")

    @cached_property
    def rest(self) -> NDArray[np.uint32]:
        """(N,) uint32: the lower 32 of the kept bits."""
        return self._array("rest")

    @cached_property
    def places(self) -> NDArray[Any]:
        """(N,) ``PLACE``."""
        return self._array("places")

    @cached_property
    def pictures(self) -> NDArray[Any]:
        """(M,) ``PICTURE``."""
        return self._array("pictures")

    def __len__(self) -> int:
        return len(self.rest)

    def facts(self, picture: int) -> PictureFacts:
        """What is known of a picture, by its number in the run."""
        return PictureFacts(**dict(zip(PICTURE.names or (), self.pictures[picture].item(), strict=True)))

    def find(self, hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the patches with these hashes begin and end."""
        first, wanted = self._group(hashes)
        low, high = self.heads[first].astype(np.int64), self.heads[first + 1].astype(np.int64)
        begin = self._bisect(wanted, low, high, np.less)
        end, held = begin.copy(), np.flatnonzero(begin < high)
        held = held[self.rest[begin[held]] == wanted[held]]  # most patches of a query are nowhere
        end[held] = self._bisect(wanted[held], begin[held] + 1, high[held], np.less_equal)
        return begin, end

    def _group(self, hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        bits = (len(self.heads) - 1).bit_length() - 1
        kept = hashes >> np.uint64(64 - KEPT_BITS)
        return (kept >> np.uint64(KEPT_BITS - bits)).astype(np.int64), kept.astype(np.uint32)

    def _bisect(
        self, wanted: NDArray[np.uint32], low: NDArray[np.int64], high: NDArray[np.int64], before: np.ufunc
    ) -> NDArray[np.int64]:
        """The first place of each group that is not ``before`` the wanted rest; all groups at once."""
        low, high = low.copy(), high.copy()
        while len(open_ := np.flatnonzero(low < high)):
            middle = (low[open_] + high[open_]) // 2
            earlier = before(self.rest[middle], wanted[open_])
            low[open_[earlier]] = middle[earlier] + 1
            high[open_[~earlier]] = middle[~earlier]
        return low

    def slice(self, part: int, parts: int) -> tuple[NDArray[np.uint64], NDArray[Any]]:
        """The kept bits and places of an equal share of all possible hashes."""
        groups = len(self.heads) - 1
        first, last = groups * part // parts, groups * (part + 1) // parts
        begin, end = int(self.heads[first]), int(self.heads[last])
        heads = self.heads[first : last + 1].astype(np.int64)
        counts = heads[1:] - heads[:-1]
        bits = groups.bit_length() - 1
        beginnings = np.repeat(np.arange(first, last, dtype=np.uint64), counts)
        upper = beginnings >> np.uint64(bits - _LEAST_HEAD)
        return upper << np.uint64(_REST_BITS) | self.rest[begin:end], self.places[begin:end]


def write_run(folder: Path, pictures: Sequence[tuple[str, Patches]]) -> Run:
    """Write a run of some pictures, by key; durable on return."""
    ordered = sorted(pictures)
    keys = as_keys([key for key, _ in ordered])
    facts = np.array([_facts(found) for _, found in ordered], PICTURE)
    hashes = np.concatenate([found.hashes for _, found in ordered]) >> np.uint64(64 - KEPT_BITS)
    places = np.empty(len(hashes), PLACE)
    places["picture"] = np.repeat(np.arange(len(ordered)), [len(found) for _, found in ordered])
    for side in ("x", "y"):
        places[side] = np.concatenate([getattr(found, side) for _, found in ordered])
    order = np.argsort(hashes, kind="stable")
    return _write(folder, keys, facts, len(hashes), iter([(hashes[order], places[order])]))


def merge_runs(folder: Path, runs: Sequence[Run], kept: Sequence[NDArray[np.bool_]]) -> Run:
    """Merge runs into one, a part of the hashes at a time; durable on return.

    Args:
        folder: where it is written.
        runs: which; no picture is in two of them.
        kept: for each run which of its pictures are kept.
    """
    keys = np.concatenate([run.keys[keep] for run, keep in zip(runs, kept, strict=True)])
    facts = np.concatenate([run.pictures[keep] for run, keep in zip(runs, kept, strict=True)])
    order = np.argsort(keys)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.arange(len(order))
    renumbered, start = [], 0
    for keep in kept:
        of_run = np.full(len(keep), -1, np.int64)
        of_run[keep] = numbers[start : start + int(keep.sum())]
        start += int(keep.sum())
        renumbered.append(of_run)

    def slices() -> Iterator[tuple[NDArray[np.uint64], NDArray[Any]]]:
        for part in range(_SLICES):
            found = [_renumbered(*run.slice(part, _SLICES), n) for run, n in zip(runs, renumbered, strict=True)]
            hashes = np.concatenate([one for one, _ in found])
            places = np.concatenate([one for _, one in found])
            ranked = np.argsort(hashes, kind="stable")
            yield _limited(hashes[ranked], places[ranked])

    most = sum(len(run) for run in runs)
    return _write(folder, keys[order], facts[order], most, slices())


def runs_in(folder: Path) -> list[Run]:
    """The runs under a folder, by name."""
    return [Run(path) for path in sorted(folder.glob(f"{PREFIX}*"))] if folder.is_dir() else []


def _facts(found: Patches) -> tuple[int, ...]:
    return found.width, found.height, len(found), int(np.count_nonzero(found.opaque)), found.enlarged, found.step


def _renumbered(
    hashes: NDArray[np.uint64], places: NDArray[Any], numbers: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[Any]]:
    of = numbers[places["picture"]]
    kept = of >= 0
    places = places[kept]
    places["picture"] = of[kept]
    return hashes[kept], places


def _limited(hashes: NDArray[np.uint64], places: NDArray[Any]) -> tuple[NDArray[np.uint64], NDArray[Any]]:
    """At most ``MOST_PLACES`` places of each patch."""
    if not len(hashes):
        return hashes, places
    starts = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1])))
    counts = np.diff(np.append(starts, len(hashes)))
    if counts.max() <= MOST_PLACES:
        return hashes, places
    kept = np.arange(len(hashes)) - np.repeat(starts, counts) < MOST_PLACES
    return hashes[kept], places[kept]


def _write(
    folder: Path,
    keys: Keys,
    facts: NDArray[Any],
    most: int,
    parts: Iterator[tuple[NDArray[np.uint64], NDArray[Any]]],
) -> Run:
    """Write the files of a run, whose patches come sorted, in parts, and are at most so many."""
    draft = new_draft(folder, "run")
    bits = min(max(_LEAST_HEAD, (most // _GROUP).bit_length()), _MOST_HEAD)
    counts = np.zeros(1 << bits, np.uint32)
    total = 0
    with (draft / "rest").open("wb") as rest, (draft / "places").open("wb") as places:
        for hashes, where in parts:
            groups = (hashes >> np.uint64(KEPT_BITS - bits)).astype(np.int64)
            if len(groups):
                first = int(groups[0])
                many = np.bincount(groups - first)
                counts[first : first + len(many)] += many.astype(np.uint32)
            rest.write(hashes.astype("<u4").tobytes())
            places.write(np.ascontiguousarray(where, PLACE).tobytes())
            total += len(hashes)
    heads = np.zeros((1 << bits) + 1, "<u4")
    np.cumsum(counts, out=heads[1:])
    np.save(draft / "heads.npy", heads)
    np.save(draft / "pictures.npy", facts)
    np.save(draft / "keys.npy", keys)
    for name, kind in (("rest", np.dtype("<u4")), ("places", PLACE)):
        write_header(draft / name, draft / f"{name}.npy", kind, (total,))
    sync_arrays(draft, _FILES)
    fault(Fault.PATCHES_DRAFTED)
    return Run(name_by_content(draft, PREFIX, _FILES))
