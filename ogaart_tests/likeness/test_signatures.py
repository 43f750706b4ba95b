"""Miniatures are compared by sums of bytes, which say the same as sums of shares in double precision."""

import numpy as np
import pytest

from ogaart.likeness import signatures


def miniatures(count: int, side: int = 32, seed: int = 1) -> np.ndarray:
    """Of blocks with alpha, opaque ones, faint ones and an empty one."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 256, (count, 4, 4, 4), np.uint8).repeat(side // 4, 1).repeat(side // 4, 2)
    found[: count // 2, ..., 3] = 255
    found[..., :3] = found[..., :3].astype(np.uint16) * found[..., 3:] // 255
    found[-2] //= 60
    found[-1] = 0
    return found


def reckoned(query: np.ndarray, candidate: np.ndarray) -> float:
    """The nearness of a pair as it is defined, pixel by pixel."""
    (q, s), (c, t) = ((one[..., :3] / 255, 1 - one[..., 3:] / 255) for one in (query, candidate))

    def on(b: np.ndarray) -> float:
        one, other = q + s * b, c + t * b
        squares = ((one - other) ** 2).mean()
        covariance = sum(np.cov(one[..., n].ravel(), other[..., n].ravel(), bias=True)[0, 1] for n in range(3))
        spreads = sum(one[..., n].var() + other[..., n].var() for n in range(3))
        floor = 3e-4
        correlation = (2 * covariance + floor) / (spreads + floor)
        return float(0.5 * np.exp(-np.sqrt(squares) / 0.25) + 0.5 * np.clip(correlation, 0, 1))

    if s.max() < 1 / 64 or t.max() < 1 / 64:
        change = t - s
        fitted = ((q - c) * change).sum((0, 1)) / max((change**2).sum(), 1e-6)
        return on(np.clip(fitted, 0, 1))
    return (on(np.zeros(3)) + on(np.ones(3))) / 2


@pytest.mark.parametrize("side", [16, 32])
def test_the_nearness_of_bytes_is_what_it_is_defined_as(side: int) -> None:
    candidates = miniatures(12, side)

    for query in candidates[[0, 7, 10]]:
        near = signatures.nearness(query, candidates)

        assert near == pytest.approx([reckoned(query, one) for one in candidates], abs=1e-6)


def test_a_miniature_is_nearest_to_itself_and_to_itself_turned() -> None:
    candidates = miniatures(8)

    assert signatures.closenesses(candidates[:6], candidates[:6]).argmax(axis=1).tolist() == list(range(6))
    assert signatures.closeness(candidates[0], candidates[:1]) == pytest.approx([1.0], abs=1e-6)
    assert signatures.closeness(np.rot90(candidates[0]), candidates[:1]) == pytest.approx([signatures.TURNED], abs=1e-6)


def test_which_are_flat() -> None:
    candidates = miniatures(8)
    candidates[0] = (9, 80, 200, 255)
    candidates[1] = candidates[0] + np.random.default_rng(3).integers(0, 5, candidates[0].shape).astype(np.uint8) * 1
    candidates[1, ..., 3] = 255

    assert signatures.which_are_flat(candidates).tolist() == [True, True, *[False] * 4, True, True]
    assert signatures.which_are_flat(candidates[:0]).tolist() == []
