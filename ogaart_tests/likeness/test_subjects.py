"""What is kept of a picture without its ground."""

import numpy as np
import pytest
from PIL import Image

from ogaart.likeness import signatures, subjects
from ogaart.likeness.subjects import Subject


def test_a_subject_is_kept_and_read_back() -> None:
    art = np.random.default_rng(1).integers(0, 200, (20, 30, 4), np.uint8)
    art[..., 3] = 255
    canvas = np.full((60, 80, 4), 255, np.uint8)
    canvas[10:30, 40:70] = art

    found = Subject.from_bytes(subjects.describe(canvas))

    assert found is not None
    assert (found.width, found.height, found.side) == (30, 20, 20)
    assert (found.signature == signatures.signature(art)).all()
    assert found.to_bytes() == subjects.describe(canvas)


def test_a_picture_without_a_ground_has_none() -> None:
    noise = np.asarray(Image.effect_noise((40, 40), 90).convert("RGBA"))

    assert subjects.describe(noise) == b""
    assert Subject.from_bytes(b"") is None


def test_other_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes of a subject"):
        Subject.from_bytes(b"abc")
