"""Projections: blocks of length 1, the same file for the same sample, and int8 that keeps the cosines."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from ogaart.likeness import parts
from ogaart.likeness.projections import SUBJECT, Fitting, Projection, ProjectionInvalid

KEPT = {SUBJECT: (16, 0.75), "palette": (12, 0.25), "layout": (12, 0.25), "shape": (12, 0.25), "structure": (8, 0.25)}


def sample(count: int = 300, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, 32)).astype(np.float32)
    raw = random.integers(0, 256, (count, parts.RAW_BYTES), np.uint8)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), raw


@cache
def fitted(seed: int = 0) -> Projection:
    fitting = Fitting("model-1")
    vectors, raw = sample(seed=seed)
    fitting.add(vectors[:100], raw[:100])
    fitting.add(vectors[100:], raw[100:])
    return fitting.finish(KEPT)


def test_every_block_has_length_one() -> None:
    projection = fitted()

    fused = projection.fuse(*sample(5, seed=9))

    assert fused.shape == (5, 60)
    for place in projection.places.values():
        assert np.allclose(np.linalg.norm(fused[:, place], axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_the_same_sample_makes_the_same_projection_and_another_one_another_name() -> None:
    again = fitted.__wrapped__()

    assert again.name == fitted().name
    assert again.to_bytes() == fitted().to_bytes()
    assert fitted().name != fitted(seed=1).name


def test_a_file_comes_back_as_it_was() -> None:
    projection = fitted()

    again = Projection.from_bytes(projection.to_bytes())

    assert (again.name, again.space, again.pictures) == (projection.name, "model-1", 300)
    assert np.array_equal(again.fuse(*sample(3, seed=5)), projection.fuse(*sample(3, seed=5)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY"])
def test_what_is_not_a_projection_is_refused(content: bytes) -> None:
    with pytest.raises(ProjectionInvalid, match="not a projection"):
        Projection.from_bytes(content)


def test_int8_keeps_the_cosines() -> None:
    projection = fitted()
    fused = projection.fuse(*sample(40, seed=3))

    small = np.concatenate([b.quantise(fused[:, projection.places[b.name]]) for b in projection.blocks], axis=1)
    restored = projection.restore(small)

    assert small.dtype == np.int8
    for place in projection.places.values():
        assert np.abs(fused[:, place] @ fused[:, place].T - restored[:, place] @ restored[:, place].T).max() < 0.03


def test_unknown_parts_are_zeros_and_a_model_of_its_own_has_no_block() -> None:
    projection = fitted()
    vectors, raw = sample(2)
    raw[1] = 0

    fused = projection.fuse(vectors, raw)
    alone = projection.without_subject()

    assert not fused[1, projection.places["palette"]].any()
    assert fused[1, projection.places[SUBJECT]].any()
    assert list(alone.places) == ["palette", "layout", "shape", "structure"]
    assert np.array_equal(alone.fuse(None, raw)[0], fused[0, projection.places[SUBJECT].stop :])
    with pytest.raises(ValueError, match="model-1"):
        projection.fuse(None, raw)
