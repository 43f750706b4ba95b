"""Which rows of fused vectors are looked at exactly: the nearest of those that filters leave."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ogaart.likeness.fusion import USUAL, Weights, fused_score
from ogaart.resources.embedding.projections import default_projection
from ogaart.search.candidates.fused_scan import FusedScan, Scores, scan

PROJECTION = default_projection()
CLUSTER, COUNT, WANTED = 12, 6_000, 40


@pytest.fixture(scope="module")
def rows() -> NDArray[np.int8]:
    """(N, 640) int8 in clusters of twelve, as far apart as the projection scales them."""
    random = np.random.default_rng(1)
    blocks = []
    for block in PROJECTION.blocks:
        middles = random.normal(size=(COUNT // CLUSTER, len(block.scale))) * block.scale
        values = np.repeat(middles, CLUSTER, axis=0) + 0.6 * random.normal(size=(COUNT, len(block.scale))) * block.scale
        blocks.append(block.quantise(np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)))
    return np.concatenate(blocks, axis=1)


def nearest(rows: NDArray[np.int8], query: int, weights: Weights, allowed: NDArray[np.bool_]) -> list[int]:
    """As many rows as a cluster has, by a comparison with all in single precision."""
    stored = PROJECTION.restore(rows)
    cosines = {name: stored[:, at] @ stored[query, at] for name, at in PROJECTION.places.items()}
    scores = np.where(allowed, fused_score(cosines, weights), -np.inf)
    found: list[int] = np.argsort(-scores)[:CLUSTER].tolist()
    return found


@pytest.mark.parametrize("weights", [USUAL, Weights(0, 0, 1)], ids=["usual", "colours"])
@pytest.mark.parametrize("share", [1, 2, 40], ids=["all", "half", "few"])
def test_the_nearest_are_among_those_that_are_looked_at(rows: NDArray[np.int8], weights: Weights, share: int) -> None:
    blocks = [rows[:1_000], rows[1_000:1_000], rows[1_000:]]
    compared = FusedScan(PROJECTION, blocks, few=500)
    allowed = np.arange(COUNT) % share == 0

    for query in range(0, COUNT, 997):
        [found] = compared.best(PROJECTION.restore(rows[[query]]), weights, allowed, WANTED)

        assert WANTED <= len(found) <= 2 * WANTED
        assert allowed[found].all()
        assert (np.diff(found) > 0).all()
        # Those of the query's own cluster; what comes after them is near by chance.
        assert set(nearest(rows, query, weights, allowed)[: max(CLUSTER // share, 1)]) <= set(found.tolist())


def test_scores_serve_further_calls_with_other_conditions(rows: NDArray[np.int8]) -> None:
    compared, scores = FusedScan(PROJECTION, [rows], few=500), Scores()
    directions = PROJECTION.restore(rows[[50]])
    every, half, few = (np.arange(COUNT) % share == 0 for share in (1, 2, 40))

    def found(allowed: NDArray[np.bool_], scores: Scores | None = None) -> list[int]:
        [best] = compared.best(directions, USUAL, allowed, WANTED, scores)
        numbers: list[int] = best.tolist()
        return numbers

    again = [found(allowed, scores) for allowed in (half, every, few, half)]

    assert again == [found(allowed) for allowed in (half, every, few, half)]
    assert scores.rows is not None
    assert np.isfinite(scores.rows).all()


@pytest.mark.parametrize("count", [1, 4, 5, 9], ids=lambda count: f"{2 * count} means")
def test_scores_are_the_products_of_rounded_numbers_however_many_are_compared(
    rows: NDArray[np.int8], count: int
) -> None:
    many = np.tile(rows, (3, 1))
    directions, ways = PROJECTION.restore(rows[:count]), [{"subject": 1.0}, {"palette": 0.5, "shape": 0.5}]

    found = scan(PROJECTION, many, directions, ways)

    queries = np.zeros((count, 2, PROJECTION.dimension), np.float32)
    for nth, weights in enumerate(ways):
        for name, weight in weights.items():
            at = PROJECTION.places[name]
            queries[:, nth, at] = directions[:, at] * np.float32(weight)
    queries *= PROJECTION.steps
    steps = np.abs(queries).max(axis=2, keepdims=True) / 127
    products = np.rint(queries / steps).astype(np.int64) @ many.astype(np.int64).T
    assert found == pytest.approx(products * steps, rel=1e-6)


def test_no_row_at_all() -> None:
    compared = FusedScan(PROJECTION, [np.zeros((0, PROJECTION.dimension), np.int8)])

    [found] = compared.best(np.zeros((1, PROJECTION.dimension), np.float32), USUAL, np.zeros(0, np.bool_), 0)

    assert found.tolist() == []


@pytest.mark.parametrize("share", [1, 40], ids=["all", "few"])
def test_directions_that_are_compared_together_find_what_each_finds_alone(rows: NDArray[np.int8], share: int) -> None:
    compared, allowed = FusedScan(PROJECTION, [rows[:1_000], rows[1_000:]], few=500), np.arange(COUNT) % share == 0
    directions = PROJECTION.restore(rows[[50, 700, 1_500]])

    together = compared.best(directions, USUAL, allowed, WANTED)

    for direction, found in zip(directions, together, strict=True):
        [alone] = compared.best(direction[None], USUAL, allowed, WANTED)
        assert found.tolist() == alone.tolist()
