"""Visitors' pictures are decoded and embedded in child processes, with the published model, within limits."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ogaart.imaging.errors import Unreadable
from ogaart.likeness.grounds import without_ground
from ogaart.likeness.query_patches import QueryPatches
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.search.engine.query_images import DecodedImageCache, WorkerQueryImageReader
from ogaart.search.errors import TooLarge
from ogaart.search.query import Box
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import ENTRIES, pictures

ROBOT = pictures(next(entry for entry in ENTRIES if entry.slug == "robot-animated"))[0].read_bytes()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    # Another model than the published one: what is published decides.
    return Settings(data=tmp_path_factory.mktemp("eyes"), model="vgg16", max_query_pixels=1_000_000)


@pytest.fixture(scope="module")
def reader(settings: Settings) -> Iterator[WorkerQueryImageReader]:
    reader = WorkerQueryImageReader(settings, settings.data / "scratch")
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def space(settings: Settings) -> str:
    return VectorSpace.of(settings.model_copy(update={"model": "efficientnet_lite0"})).name


def encoded(picture: Image.Image, form: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, form)
    return out.getvalue()


@pytest.mark.slow
def test_the_published_model_embeds_a_picture_and_its_parts(reader: WorkerQueryImageReader, space: str) -> None:
    whole, again, part = (reader.read_image(ROBOT, box, space) for box in (None, None, Box(0.25, 0.25, 0.5, 0.5)))

    assert whole.vector is not None
    assert whole.vector.shape == (1280,)
    assert np.linalg.norm(whole.vector) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(whole.vector, again.vector)  # type: ignore[arg-type]
    assert (whole.width, whole.height, part.width, part.height) == (96, 128, 48, 64)
    assert (whole.note, whole.space) == ("", space)


def test_without_the_published_weights_a_picture_is_still_looked_at(reader: WorkerQueryImageReader) -> None:
    seen = reader.read_image(ROBOT, None, "vgg16-00000000-grey-squash-1")

    assert seen.vector is None
    assert "exact copies" in seen.note
    assert seen.signature.shape == (32, 32, 4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"no picture at all", "picture", id="text"),
        pytest.param(ROBOT[:600], ".", id="cut off"),
        pytest.param(encoded(Image.new("L", (1200, 1000)), "PNG"), "more than 1,000,000 pixels", id="too many pixels"),
        pytest.param(b"\0" * (10 << 20) + b"\0", "10,485,76", id="too many bytes"),
        pytest.param(b"PK\x03\x04" + b"\0" * 60, ".", id="an archive"),
    ],
)
def test_a_picture_that_cannot_be_read_is_reported(reader: WorkerQueryImageReader, content: bytes, words: str) -> None:
    with pytest.raises((Unreadable, TooLarge), match=words):
        reader.read_image(content, None, "vgg16-00000000-grey-squash-1")


def picture(side: int, *, ground: bool) -> NDArray[np.uint8]:
    """Tiles by lot, of which the outer ones are of one colour where the picture has a ground: (side, side, 4)."""
    tiles = np.random.default_rng(side).integers(0, 256, (8, 8, 4), np.uint8)
    tiles[..., 3] = 255
    if ground:
        tiles[:2] = tiles[-2:] = tiles[:, :2] = tiles[:, -2:] = (40, 90, 200, 255)
    return tiles.repeat(side // 8, 0).repeat(side // 8, 1)


@pytest.mark.parametrize("ground", [False, True], ids=["whole", "on a ground"])
@pytest.mark.parametrize("side", [64, 320], ids=["small", "large"])
def test_patches_of_a_picture_and_its_subject_are_found(
    reader: WorkerQueryImageReader, side: int, *, ground: bool
) -> None:
    rgba = picture(side, ground=ground)

    seen = reader.read_image(encoded(Image.fromarray(rgba), "PNG"), None, "vgg16-00000000-grey-squash-1")

    forms = [(seen, rgba)] if seen.subject is None else [(seen, rgba), (seen.subject, without_ground(rgba))]
    assert len(forms) == (2 if ground else 1)
    for one, pixels in forms:
        assert pixels is not None
        assert one.patches is not None
        expected = QueryPatches.of(pixels)
        assert [factor for factor, _ in one.patches.upright] == [factor for factor, _ in expected.upright]
        for (_, found), (_, wanted) in zip(one.patches.upright, expected.upright, strict=True):
            assert np.array_equal(found.hashes, wanted.hashes)


def test_after_a_bad_picture_a_good_one_is_seen(reader: WorkerQueryImageReader, tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        reader.read_image(b"\x89PNG\r\n\x1a\n" + b"\xff" * 100, None, "vgg16-00000000-grey-squash-1")

    assert reader.read_image(ROBOT, None, "vgg16-00000000-grey-squash-1").width == 96


def test_pixels_are_kept_for_a_minute_and_within_their_room() -> None:
    now = [0.0]
    kept = DecodedImageCache(capacity=1000, seconds=60, clock=lambda: now[0])
    small, other, large = (np.zeros((side, 10, 4), np.uint8) for side in (15, 15, 50))

    kept.put(b"small", small)
    assert kept.get(b"small") is small

    kept.put(b"other", other)
    assert (kept.get(b"small"), kept.get(b"other") is other) == (None, True)

    now[0] = 61
    assert kept.get(b"other") is None

    for too_much in ((b"large", large), (b"x" * 1000, small)):
        kept.put(*too_much)
        assert kept.get(too_much[0]) is None
