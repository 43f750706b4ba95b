"""The recall of an index, by a sample of pictures that is carried on from one publication to the next."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ogaart.resources.index.base import Point
from ogaart.resources.index.edge import EdgeIndex
from ogaart.resources.index.recall import RECALL_AT, Pictures, Sampled, measure_recall
from ogaart.resources.storage.array_folders import as_keys
from ogaart.resources.storage.vectors import Vectors

SPACE = "tiny-0-test-1"
DRAWN = np.random.default_rng(3).normal(size=(90, 8)).astype(np.float32)
KEYS = [f"{n:064x}" for n in range(90)]


def published(pixels: Mapping[int, str]) -> Pictures:
    return Pictures(np.array(list(pixels), np.int64), as_keys(list(pixels.values())))


def test_a_sample_that_is_carried_on_has_what_is_nearest_now(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path / "vectors", SPACE)
    vectors.add(KEYS[:60], DRAWN[:60])
    with EdgeIndex(tmp_path / "index", SPACE, 8) as index:
        index.upsert([Point(n, DRAWN[n]) for n in range(60)])
        first = measure_recall(index, vectors, published({n: KEYS[n] for n in range(60)}))
        vectors.add(KEYS[60:], DRAWN[60:])
        index.upsert([Point(n, DRAWN[n]) for n in range(60, 90)])
        withdrawn = [n for n in range(60) if n not in first.sample.pixels][:3]
        index.delete(withdrawn)
        now = {n: KEYS[n] for n in range(90) if n not in withdrawn}
        earlier = Sampled.from_rows(json.loads(json.dumps(first.sample.rows())))
        carried = measure_recall(index, vectors, published(now), earlier, KEYS[60:])
        gone = next(iter(first.sample.pixels))
        drawn_again = measure_recall(
            index, vectors, published({n: key for n, key in now.items() if n != gone}), earlier, KEYS[60:]
        )

    assert (first.found, first.wanted) == (250, 250)
    assert carried.sample.pixels == first.sample.pixels
    assert (carried.found, carried.wanted) == (250, 250)
    unit = vectors.get(KEYS)  # in half precision
    for sampled, near in zip(carried.sample.pixels, carried.sample.nearest, strict=True):
        order = sorted(now, key=lambda n: -float(unit[sampled] @ unit[n]))[:RECALL_AT]
        assert sorted(near.scores, key=lambda key: -near.scores[key])[:RECALL_AT] == [KEYS[n] for n in order]
    assert gone not in drawn_again.sample.pixels


def test_a_damaged_sample_is_none() -> None:
    assert Sampled.from_rows({"of": 3, "pixels": [[1]], "nearest": []}) is None
    assert Sampled.from_rows(None) is None


def test_pictures_are_found_by_id_and_counted_by_pixels() -> None:
    pictures = published({3: KEYS[1], 5: KEYS[2], 9: KEYS[1], 12: KEYS[80]})

    assert pictures.hashes([12, 4, 3, 99]) == {12: KEYS[80], 3: KEYS[1]}
    assert pictures.times({KEYS[1], KEYS[80], KEYS[5]}) == {KEYS[1]: 2, KEYS[80]: 1}
    assert pictures.times(()) == {}
    assert pictures.repeated() == [KEYS[n] for n in (1, 2, 1, 80)]  # these begin alike
    assert pictures.every() == {KEYS[1], KEYS[2], KEYS[80]}


def test_pixels_that_several_pictures_have_are_repeated() -> None:
    mirrored = [key[::-1] for key in KEYS]
    pictures = published({3: mirrored[1], 5: mirrored[2], 9: mirrored[1], 12: mirrored[80]})

    assert pictures.repeated() == [mirrored[1], "", mirrored[1], ""]
    assert published({}).repeated() == []
