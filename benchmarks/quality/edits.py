"""What happens to a picture before it is searched for: each kind of edit, and what a right verdict is."""

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from benchmarks.quality.corpus import Picture
from ogaart.demo.pictures import varied

COPY = frozenset({"same", "near"})
PART = frozenset({"part", "near", "similar"})
WHOLE = frozenset({"same", "near", "contained", "similar"})
RECOLOURED = frozenset({"near", "similar"})
_MOST_PIXELS = 30e6  # uploads have a limit
_SCENE = (480, 320)


@dataclass(frozen=True)
class Query:
    """A picture to search with.

    Attributes:
        content: a file.
        box: where the picture is in it, as left, top, right, bottom in pixels; None where all of it is the picture.
    """

    content: bytes
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Edit:
    """One kind of edit.

    Attributes:
        name: of its row.
        make: the query made of a picture, by lot, among strangers.
        right: relations that the verdict may state.
        boxed: whether the user draws a frame around the picture.
    """

    name: str
    make: Callable[[Picture, random.Random, Sequence[Picture]], Query]
    right: frozenset[str]
    boxed: bool = False

    def query(self, picture: Picture, strangers: Sequence[Picture]) -> Query:
        """The query; the same for the same picture."""
        return self.make(picture, random.Random(f"{self.name} {picture.pixels}"), strangers)


def encoded(image: Image.Image, form: str = "PNG", quality: int = 85) -> bytes:
    """A picture file."""
    out = io.BytesIO()
    if form == "JPEG":
        image.convert("RGB").save(out, form, quality=quality)
    else:
        image.save(out, form, compress_level=1)
    return out.getvalue()


def flattened(image: Image.Image, colour: str) -> Image.Image:
    """The picture on a background of one colour."""
    ground = Image.new("RGBA", image.size, colour)
    ground.alpha_composite(image)
    return ground.convert("RGB")


def scaled(image: Image.Image, factor: float, how: Image.Resampling) -> Image.Image:
    """The picture at another size; four pixels a side at least."""
    width, height = (max(4, round(side * factor)) for side in image.size)
    return image.resize((width, height), how)


def part_of(image: Image.Image, chance: random.Random) -> Image.Image:
    """Any 40 to 80 % of each side, from anywhere."""
    width, height = (max(1, round(side * chance.uniform(0.4, 0.8))) for side in image.size)
    left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def middle_of(image: Image.Image) -> Image.Image:
    """The middle 60 % of both sides."""
    width, height = image.size
    return image.crop(
        (round(width * 0.2), round(height * 0.2), max(round(width * 0.8), 1), max(round(height * 0.8), 1))
    )


def on_canvas(image: Image.Image, chance: random.Random) -> Image.Image:
    """Somewhere on a white canvas of up to three times its sides."""
    most = min(3.0, (_MOST_PIXELS / (image.width * image.height)) ** 0.5)
    width, height = (round(side * chance.uniform(min(1.5, most), most)) for side in image.size)
    canvas = Image.new("RGB", (width, height), "white")
    canvas.paste(
        flattened(image, "white"), (chance.randint(0, width - image.width), chance.randint(0, height - image.height))
    )
    return canvas


def few_colours(image: Image.Image) -> Image.Image:
    """Sixteen colours, each pixel visible or not."""
    clear = image.getchannel("A").point(lambda value: 255 if value >= 128 else 0)
    reduced = image.convert("RGB").quantize(16, dither=Image.Dither.NONE).convert("RGB")
    reduced.putalpha(clear)
    return reduced


def scene_with(picture: Picture, chance: random.Random, strangers: Sequence[Picture]) -> Query:
    """A screenshot of a game: tiles, other sprites, a bar, and the picture among them, at most half of the screen."""
    width, height = _SCENE
    scene = Image.new("RGBA", _SCENE, (*(chance.randint(60, 230) for _ in range(3)), 255))
    tiles = [p for p in strangers if p.rgba[..., 3].min() == 255 and 16 <= max(p.rgba.shape[:2]) <= 128]
    tile = (chance.choice(tiles).image if tiles else Image.new("RGBA", (1, 1), "grey")).resize(
        (32, 32), Image.Resampling.NEAREST
    )
    for row in range(chance.randint(1, 3)):
        for left in range(0, width, 32):
            scene.alpha_composite(tile, (left, height - 32 * (row + 1)))
    sprites = [p for p in strangers if max(p.rgba.shape[:2]) <= 128]
    for other in chance.sample(sprites, min(7, len(sprites))):
        scene.alpha_composite(other.image, (chance.randint(0, width - 1), chance.randint(0, height - 1)))
    image = picture.image
    fits = min(width * 0.7 / image.width, height * 0.7 / image.height)
    if fits < 1:
        image = scaled(image, fits, Image.Resampling.LANCZOS)
    left, top = chance.randint(0, width - image.width), chance.randint(0, height - image.height)
    scene.alpha_composite(image, (left, top))
    return Query(encoded(scene.convert("RGB")), (left, top, left + image.width, top + image.height))


def sheet_with(picture: Picture, chance: random.Random, strangers: Sequence[Picture]) -> Query:
    """A sheet of 4 x 4 pictures, of which only one is known."""
    cell = min(max(32, *picture.image.size), 512)
    sheet = Image.new("RGBA", (4 * cell, 4 * cell))
    members = [p.image for p in chance.sample(list(strangers), min(15, len(strangers)))]
    at = chance.randint(0, len(members))
    members.insert(at, picture.image)
    box = None
    for number, image in enumerate(members):
        if max(image.size) > cell:
            image = scaled(image, cell / max(image.size), Image.Resampling.LANCZOS)
        left = number % 4 * cell + (cell - image.width) // 2
        top = number // 4 * cell + (cell - image.height) // 2
        sheet.alpha_composite(image, (left, top))
        if number == at:
            box = (left, top, left + image.width, top + image.height)
    return Query(encoded(sheet), box)


def as_it_is(picture: Picture, _chance: random.Random, _strangers: Sequence[Picture]) -> Query:
    """The picture itself."""
    return Query(encoded(picture.image))


def hue_turned(picture: Picture, _chance: random.Random, _strangers: Sequence[Picture]) -> Query:
    """In other colours, by an amount of its own."""
    return Query(varied(encoded(picture.image), "edit.png", 3 + picture.rgba.shape[0] % 5))


def _plain(change: Callable[[Image.Image], Image.Image], form: str = "PNG") -> Callable[..., Query]:
    return lambda picture, _chance, _strangers: Query(encoded(change(picture.image), form))


def _by_lot(change: Callable[[Image.Image, random.Random], Image.Image], form: str = "PNG") -> Callable[..., Query]:
    return lambda picture, chance, _strangers: Query(encoded(change(picture.image, chance), form))


def _turned(image: Image.Image, chance: random.Random) -> Image.Image:
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    return image.transpose(chance.choice(turns))


def _small_on_white(image: Image.Image) -> Image.Image:
    return flattened(scaled(image, 0.6, Image.Resampling.BICUBIC), "white")


EDITS: Sequence[Edit] = (
    Edit("enlarged x2", _plain(lambda p: scaled(p, 2, Image.Resampling.NEAREST)), COPY),
    Edit("half the size", _plain(lambda p: scaled(p, 0.5, Image.Resampling.LANCZOS)), COPY),
    Edit("60 % as JPEG, on white", _plain(_small_on_white, "JPEG"), COPY),
    Edit("16 colours", _plain(few_colours), COPY),
    Edit("hue turned", hue_turned, RECOLOURED),
    Edit("mirrored", _plain(ImageOps.mirror), COPY),
    Edit("turned", _by_lot(_turned), COPY),
    Edit("middle 60 %", _plain(middle_of), PART),
    Edit("any 40 to 80 %", _by_lot(part_of), PART),
    Edit("on a larger canvas, JPEG", _by_lot(on_canvas, "JPEG"), WHOLE),
    Edit("on white", _plain(lambda p: flattened(p, "white")), COPY),
    Edit("on black", _plain(lambda p: flattened(p, "black")), COPY),
    Edit("on magenta", _plain(lambda p: flattened(p, "magenta")), COPY),
    Edit("in a scene", scene_with, WHOLE),
    Edit("in a scene, framed", scene_with, WHOLE, boxed=True),
    Edit("in a sheet of strangers", sheet_with, WHOLE),
)  # fmt: skip


CUT_FROM_SHEET: Sequence[Edit] = (
    Edit("sprite cut from a sheet", as_it_is, PART),
    Edit("the same, as JPEG on white", _plain(lambda p: flattened(p, "white"), "JPEG"), PART),
    Edit("the same, 1.5 times as large", _plain(lambda p: scaled(p, 1.5, Image.Resampling.BICUBIC)), PART),
    Edit("the same, hue turned", hue_turned, PART),
)
"""What happens to sprites that only a sheet holds."""


def shows_something(content: bytes) -> bool:
    """Whether any pixel is visible, and not all are of one colour: nothing else can be searched for."""
    with Image.open(io.BytesIO(content)) as image:
        rgba = np.asarray(image.convert("RGBA"))
    visible = rgba[rgba[..., 3] > 0]
    return len(visible) > 0 and bool(np.ptp(visible, axis=0).any() or len(visible) < rgba.shape[0] * rgba.shape[1])
