"""The subject on a flat background is found, and nothing is cut off where there is no such background."""

import io

import numpy as np
import pytest
from PIL import Image

from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode
from ogaart.likeness.borders import inside


def canvas(size: tuple[int, int] = (200, 120), ground: str | tuple[int, ...] = "white") -> Image.Image:
    made = Image.new("RGBA", size, ground)
    art = np.random.default_rng(1).integers(0, 200, (30, 40, 3)).astype(np.uint8)
    made.paste(Image.fromarray(art), (100, 50))
    return made


@pytest.mark.parametrize("ground", ["white", "#20242c", (0, 0, 0, 0)])
def test_the_picture_on_the_ground(ground: str | tuple[int, ...]) -> None:
    assert inside(np.asarray(canvas(ground=ground))) == (100, 50, 140, 80)


def test_jpeg_leaves_a_ground_flat() -> None:
    out = io.BytesIO()
    canvas().convert("RGB").save(out, "JPEG", quality=70)

    found = inside(decode(out.getvalue(), Limits()).rgba)

    # Blocks of 8 around the picture may be touched.
    assert found is not None
    assert np.abs(np.array(found) - (100, 50, 140, 80)).max() <= 8


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(Image.new("RGBA", (64, 64), "white"), id="nothing but the ground"),
        pytest.param(Image.new("RGBA", (1, 1), "white"), id="one pixel"),
        pytest.param(canvas().crop((98, 48, 142, 82)), id="a margin"),
        pytest.param(canvas().crop((100, 50, 200, 120)), id="a corner without ground"),
        pytest.param(canvas().crop((0, 0, 102, 52)), id="a speck"),
    ],
)
def test_no_ground_to_speak_of(picture: Image.Image) -> None:
    assert inside(np.asarray(picture)) is None
