"""Whether the index finds the ten nearest that an exact comparison finds, for a sample of published pictures.

The sample stays the same from one publication to the next, with the nearest of each picture: then only the vectors of
new pictures are compared with it, and the result is exact nonetheless. It is drawn again and compared with all vectors
once the publication has twice as many pictures, or where a picture of it, or too many of the nearest, are gone.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ogaart.core.sorted_ids import found_in
from ogaart.resources.index.base import EXACT_BELOW, VectorIndex
from ogaart.resources.storage.array_folders import Keys, as_keys
from ogaart.resources.storage.vectors import SegmentDamaged, Vectors

RECALL_SAMPLE = 25
RECALL_AT = 10
_KEPT = 6 * RECALL_AT  # nearest that are kept of each picture: so many may go before it is compared with all again
_GROWN = 2
_BESIDE = 10 * RECALL_AT  # most points of no published picture, as a server has between publications, to look past
_NO_FLOOR = -2.0  # below every cosine
_TIE = 1e-3  # scores nearer than that are equal: vectors are stored in half precision


@dataclass(frozen=True)
class Pictures:
    """The published pictures, of which there are too many for a table in Python.

    Attributes:
        ids: (N,) int64, rising.
        pixels: (N,) the hashes of their pixels.
    """

    ids: NDArray[np.int64]
    pixels: Keys

    def __len__(self) -> int:
        return len(self.ids)

    def hashes(self, ids: Sequence[int]) -> dict[int, str]:
        """Hashes of the pixels of those that are published, in the order of ``ids``."""
        at = np.minimum(np.searchsorted(self.ids, np.array(ids, np.int64)), len(self.ids) - 1).tolist()
        return {i: self.pixels[n].tobytes().hex() for i, n in zip(ids, at, strict=True) if self.ids[n] == i}

    def times(self, keys: Collection[str]) -> dict[str, int]:
        """How many pictures have some pixels; those that none has are left out."""
        if not keys:
            return {}
        wanted = np.sort(_beginnings(as_keys(list(keys))))
        rows = np.flatnonzero(found_in(self._beginnings, wanted))
        found = Counter(self.pixels[n].tobytes().hex() for n in rows.tolist())
        return {key: found[key] for key in keys if key in found}

    def repeated(self) -> list[str]:
        """The hash of each that may have the pixels of another; empty for those that certainly have not."""
        ordered = np.sort(self._beginnings)
        rows = np.flatnonzero(found_in(self._beginnings, ordered[1:][ordered[1:] == ordered[:-1]]))
        found = [""] * len(self)
        for n in rows.tolist():
            found[n] = self.pixels[n].tobytes().hex()
        return found

    def every(self) -> set[str]:
        """All hashes: of half a million, 60 MB."""
        digits = self.pixels.tobytes().hex()
        return {digits[start : start + 64] for start in range(0, len(digits), 64)}

    @cached_property
    def _beginnings(self) -> NDArray[np.int64]:
        return _beginnings(self.pixels)


def _beginnings(keys: Keys) -> NDArray[np.int64]:
    return np.ascontiguousarray(keys.view("<i8").reshape(-1, 4)[:, 0])


@dataclass(frozen=True)
class Nearest:
    """The pictures that are nearest to one of the sample.

    Attributes:
        scores: cosines by key, of at most ``_KEPT``.
        floor: no published picture that is not among them is nearer than that.
    """

    scores: Mapping[str, float]
    floor: float


@dataclass(frozen=True)
class Sampled:
    """The pictures by which the recall was measured.

    Attributes:
        of: how many pictures there were when they were drawn.
        pixels: hash of the pixels of each, by its id.
        nearest: what is nearest to each.
    """

    of: int
    pixels: Mapping[int, str]
    nearest: Sequence[Nearest]

    def rows(self) -> dict[str, Any]:
        """As JSON has it."""
        nearest = [[one.floor, [list(pair) for pair in one.scores.items()]] for one in self.nearest]
        return {"of": self.of, "pixels": [list(pair) for pair in self.pixels.items()], "nearest": nearest}

    @classmethod
    def from_rows(cls, rows: object) -> "Sampled | None":
        """From what ``rows`` returned; None where it is damaged or missing."""
        try:
            found: Any = rows
            pixels = {int(image_id): str(key) for image_id, key in found["pixels"]}
            nearest = [
                Nearest({str(key): float(score) for key, score in one}, float(floor)) for floor, one in found["nearest"]
            ]
            return cls(int(found["of"]), pixels, nearest) if len(pixels) == len(nearest) else None
        except (KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class Recall:
    """How many of the nearest pictures of the sampled ones the index finds."""

    found: int
    wanted: int
    sample: Sampled


Scored = Iterator[tuple[Sequence[str], NDArray[np.float32]]]


def measure_recall(
    index: VectorIndex, vectors: Vectors, pictures: Pictures, earlier: Sampled | None = None, new: Sequence[str] = ()
) -> Recall:
    """Compare what the index finds with what is nearest.

    Args:
        index: the collection.
        vectors: the vector store of its space.
        pictures: those that are published; one at least.
        earlier: the sample of a publication; None: all vectors are compared.
        new: the pixels that are published now, and were not in that publication.
    """
    depth = min(RECALL_AT, len(pictures))
    queries = sample = None
    if earlier is not None and pictures.hashes(list(earlier.pixels)) == earlier.pixels:
        queries = vectors.get(list(earlier.pixels.values()))  # once: each of them reads a whole segment
        sample = _carried_on(vectors, queries, earlier, new, pictures)
    if sample is None or queries is None:
        drawn = np.linspace(0, len(pictures) - 1, min(RECALL_SAMPLE, len(pictures))).astype(int)
        chosen = pictures.hashes(pictures.ids[drawn].tolist())
        nothing = [Nearest({}, _NO_FLOOR) for _ in chosen]
        queries = vectors.get(list(chosen.values()))
        sample = Sampled(len(pictures), chosen, _merged(queries, _all_vectors(vectors, pictures.every()), nothing))
    times = pictures.times(_keys(sample.nearest))
    points = index.count()  # once: engines count their points one by one
    limit = depth + min(max(0, points - len(pictures)), _BESIDE)
    answers = [index.query(query, limit=limit, exact=points <= EXACT_BELOW) for query in queries]
    pixels = pictures.hashes([hit.id for some in answers for hit in some])
    hits = [[pixels[hit.id] for hit in some if hit.id in pixels][:depth] for some in answers]
    pairs = list(zip(hits, (one.scores for one in sample.nearest), strict=True))
    unknown = sorted({key for some, near in pairs for key in some if key not in near})
    stored = dict(zip(unknown, vectors.get(unknown), strict=True))  # together: each of them reads a whole segment
    found = 0
    for query, (some, near) in zip(queries, pairs, strict=True):
        least = _nth_best(near, times, depth)
        found += sum((near[key] if key in near else float(stored[key] @ query)) >= least - _TIE for key in some)
    return Recall(found, depth * len(sample.pixels), sample)


def _carried_on(
    vectors: Vectors, queries: NDArray[np.float32], sample: Sampled, new: Sequence[str], pictures: Pictures
) -> Sampled | None:
    """The earlier sample, all of which is published, with what is new compared; its vectors are ``queries``.

    Returns:
        None where that does not tell what is nearest now.
    """
    if len(sample.pixels) < min(RECALL_SAMPLE, len(pictures)) or len(pictures) > _GROWN * sample.of:
        return None
    there = pictures.times(_keys(sample.nearest))
    kept = [Nearest({k: s for k, s in one.scores.items() if k in there}, one.floor) for one in sample.nearest]
    nearest = _merged(queries, _some_vectors(vectors, new), kept)
    times, depth = pictures.times(_keys(nearest)), min(RECALL_AT, len(pictures))
    if any(_nth_best(one.scores, times, depth) < one.floor for one in nearest):
        return None
    return Sampled(sample.of, sample.pixels, nearest)


def _keys(nearest: Sequence[Nearest]) -> set[str]:
    return {key for one in nearest for key in one.scores}


def _all_vectors(vectors: Vectors, published: AbstractSet[str]) -> Scored:
    """The vectors of all published pictures, a segment at a time, each key once."""
    seen: set[str] = set()
    for segment in vectors.scan():
        chosen = [n for n, key in enumerate(segment.keys) if key in published and key not in seen]
        names = [segment.keys[n] for n in chosen]
        seen.update(names)
        yield names, segment.some_vectors(chosen)


def _some_vectors(vectors: Vectors, keys: Sequence[str]) -> Scored:
    for name, places, rows in vectors.by_segment(keys):
        with suppress(SegmentDamaged):  # noted by the store; the audit of vectors tells of it
            yield [keys[place] for place in places.tolist()], vectors.segment(name).some_vectors(rows)


def _merged(queries: NDArray[np.float32], scored: Scored, known: Sequence[Nearest]) -> list[Nearest]:
    """What is nearest to each query (Q, D) among some vectors and what is known."""
    best = [dict(one.scores) for one in known]
    floors = [one.floor for one in known]
    for names, rows in scored:
        if not names:
            continue
        scores = queries @ rows.T
        for n in np.flatnonzero((scores >= np.array(floors)[:, None]).any(axis=1)).tolist():
            row = scores[n]
            count = min(_KEPT, len(row))
            top = np.argpartition(-row, count - 1)[:count]
            best[n].update({names[m]: float(row[m]) for m in top[row[top] >= floors[n]].tolist()})
            if len(best[n]) > _KEPT:
                ordered = sorted(best[n].items(), key=lambda item: -item[1])
                best[n], floors[n] = dict(ordered[:_KEPT]), ordered[_KEPT - 1][1]
    return [Nearest(scores, floor) for scores, floor in zip(best, floors, strict=True)]


def _nth_best(nearest: Mapping[str, float], times: Mapping[str, int], depth: int) -> float:
    """The ``depth``-th best score over images, several of which may have the same pixels."""
    counted = 0
    for key, score in sorted(nearest.items(), key=lambda item: -item[1]):
        counted += times.get(key, 0)
        if counted >= depth:
            return score
    return -np.inf
