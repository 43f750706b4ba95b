"""A flat ground is removed, whatever its colour and whatever JPEG did to it; the subject is kept, holes and all."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode
from ogaart.likeness.grounds import MOST_PIXELS, cuts, without_ground
from ogaart.likeness.signatures import closeness, signature

MAGENTA = "#ff00ff"
NOISE = np.random.default_rng(1).integers(0, 256, (64, 64, 4), dtype=np.uint8) | np.array((0, 0, 0, 255), np.uint8)


def sprite(colour: str = "#2a6fc0") -> Image.Image:
    """A ring with a bar through it, 48 x 40, drawn to its edges; transparent around and inside."""
    made = Image.new("RGBA", (48, 40))
    draw = ImageDraw.Draw(made)
    draw.ellipse((0, 0, 47, 39), outline=colour, width=7)
    draw.rectangle((20, 4, 27, 36), fill="#803010")
    return made


def on(ground: str, size: tuple[int, int] = (48, 40), place: tuple[int, int] = (0, 0)) -> Image.Image:
    """The sprite on a ground of one colour."""
    made = Image.new("RGBA", size, ground)
    made.alpha_composite(sprite(), place)
    return made


def pixels(image: Image.Image, form: str = "PNG", **options: int) -> NDArray[np.uint8]:
    """As decoded from a file."""
    out = io.BytesIO()
    (image if form == "PNG" else image.convert("RGB")).save(out, form, **options)
    return decode(out.getvalue(), Limits()).rgba


@pytest.mark.parametrize("ground", ["white", "black", MAGENTA, "#20242c", "#00000000"])
@pytest.mark.parametrize(("size", "place"), [((48, 40), (0, 0)), ((50, 42), (1, 1)), ((300, 120), (200, 30))])
def test_the_subject_is_what_is_left(ground: str, size: tuple[int, int], place: tuple[int, int]) -> None:
    found = without_ground(pixels(on(ground, size, place)))

    if ground == "#00000000" and size != (300, 120):
        assert found is None  # transparent already, and hardly any margin
        return
    assert found is not None
    assert found.shape == (40, 48, 4)
    assert found[0, 0].tolist() == [0, 0, 0, 0]
    assert (found[0, 24] == np.asarray(sprite())[0, 24]).all()


@pytest.mark.parametrize("quality", [40, 70, 90])
def test_specks_of_jpeg_go_with_the_ground(quality: int) -> None:
    found = without_ground(pixels(on("white", (300, 200), (133, 67)), "JPEG", quality=quality))

    assert found is not None
    assert abs(found.shape[0] - 40) <= 4
    assert abs(found.shape[1] - 48) <= 4
    assert found[0, 0, 3] == found[-1, -1, 3] == 0


def test_holes_are_filled_with_the_ground_unless_it_is_a_key() -> None:
    """A ring's inside may be white on purpose; magenta around a sprite stands for transparency everywhere."""
    white, magenta = without_ground(pixels(on("white"))), without_ground(pixels(on(MAGENTA)))

    assert white is not None
    assert magenta is not None
    assert white[20, 12].tolist() == [255, 255, 255, 255]
    assert magenta[20, 12].tolist() == [0, 0, 0, 0]


def magenta_art() -> list[Image.Image]:
    """Pictures in which magenta is what is shown."""
    gem = Image.new("RGBA", (32, 32))
    ImageDraw.Draw(gem).polygon([(16, 2), (29, 16), (16, 29), (3, 16)], fill=MAGENTA, outline="black")
    brick = Image.new("RGBA", (32, 32), MAGENTA)
    for y in range(0, 32, 8):
        ImageDraw.Draw(brick).line((0, y, 32, y), "#400040")
        ImageDraw.Draw(brick).line((y, 0, y, 32), "#400040")
    flat = Image.new("RGBA", (32, 32), MAGENTA)
    shaded = Image.merge("RGB", [Image.linear_gradient("L").resize((32, 32))] * 3).convert("RGBA")
    return [gem, brick, flat, Image.blend(flat, shaded, 0.5)]


@pytest.mark.parametrize("number", range(4))
def test_art_that_is_truly_magenta_is_kept(number: int) -> None:
    art = magenta_art()[number]

    found = without_ground(pixels(art))

    magenta = (np.asarray(art) == (255, 0, 255, 255)).all(axis=-1).sum()
    assert found is None or (found == (255, 0, 255, 255)).all(axis=-1).sum() == magenta


def test_a_magenta_subject_on_white_stays_magenta() -> None:
    gem = magenta_art()[0]
    ground = Image.new("RGBA", (64, 64), "white")
    ground.alpha_composite(gem, (10, 20))

    found = without_ground(pixels(ground))

    assert found is not None
    assert (found == (255, 0, 255, 255)).all(axis=-1).sum() == (np.asarray(gem) == (255, 0, 255, 255)).all(
        axis=-1
    ).sum()


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(np.full((16, 16, 4), 255, np.uint8), id="one colour"),
        pytest.param(np.full((1, 1, 4), 255, np.uint8), id="one pixel"),
        pytest.param(np.zeros((8, 8, 4), np.uint8), id="nothing"),
        pytest.param(np.full((1, 300, 4), 255, np.uint8), id="a line"),
        pytest.param(pixels(on("white", (200, 200), (0, 0)).crop((20, 10, 30, 20))), id="inside the sprite"),
        pytest.param(NOISE, id="a texture"),
    ],
)
def test_there_is_no_ground_to_remove(picture: NDArray[np.uint8]) -> None:
    assert without_ground(picture) is None


def test_a_large_subject_is_reduced() -> None:
    large = np.asarray(on("white").resize((2400, 2000), Image.Resampling.NEAREST))

    found = without_ground(large)

    assert found is not None
    assert found.shape[0] * found.shape[1] <= MOST_PIXELS
    assert abs(found.shape[1] / found.shape[0] - 1.2) < 0.01


def glow() -> Image.Image:
    """Something soft, 60 x 60: it fades to nothing towards its border."""
    down, across = np.mgrid[:60, :60]
    far = np.hypot(down - 29.5, across - 29.5) / 30
    made = np.zeros((60, 60, 4), np.uint8)
    made[..., :3] = np.where((across // 6 % 2)[..., None], (200, 60, 20), (40, 90, 180))
    made[..., 3] = np.clip(255 * (1.1 - far), 0, 255) * (far < 1)
    return Image.fromarray(made)


@pytest.mark.parametrize("drawn", [sprite, glow], ids=["hard", "soft"])
@pytest.mark.parametrize("quality", [80, 92])
def test_a_copy_on_a_canvas_is_near_where_it_is_cut_with_its_ground(
    drawn: Callable[[], Image.Image], quality: int
) -> None:
    canvas = Image.new("RGBA", (170, 150), "white")
    canvas.alpha_composite(drawn(), (71, 53))
    query = pixels(canvas, "JPEG", quality=quality)
    box = drawn().getchannel("A").point(lambda alpha: 255 * (alpha >= 16)).getbbox()
    own = signature(pixels(drawn().crop(box)))

    near = [float(closeness(signature(cut), own[None])[0]) for cut in cuts(query)]

    subject = without_ground(query)
    assert subject is not None
    assert max(near) > max(0.9, float(closeness(signature(subject), own[None])[0]))
    assert len(near) <= 3


def test_cuts_are_as_many_as_differ() -> None:
    """One where every way of telling agrees; none of a ground that is transparent, or of a picture without one."""
    exact = cuts(pixels(on(MAGENTA, (300, 120), (200, 30))))

    assert [cut.shape for cut in exact] == [(40, 48, 4)]
    assert (exact[0][0, 0] == (255, 0, 255, 255)).all()
    assert cuts(pixels(on("#00000000", (300, 120), (200, 30)))) == []
    assert cuts(NOISE) == []
    assert cuts(np.full((30, 30, 4), 255, np.uint8)) == []
