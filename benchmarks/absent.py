"""What is said of 1,000 pictures that are not there: the verdicts on made pictures and on art of other games.

Half of the pictures are made (sprites, tiles, shapes, backgrounds, buttons), half are taken evenly from a folder of
art, such as that of ``benchmarks.likeness_groups``; without one, all are made. "An exact copy", "a near copy", "a part"
and "contains known ones" are false of every one of them. "Similar" is an opinion: nearer than unrelated pictures are.

    .venv/bin/python -m benchmarks.absent --data FOLDER [--art FOLDER] [--count 1000] [--show]

The data root is that of a publication (``ogaart demo``), with its model; nothing in it is changed.
"""

import argparse
import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from benchmarks.quality.report import cpu as processor
from ogaart.resources.catalog.generations import Generations
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.visitors import LOCAL
from ogaart.search.query import SearchQuery
from ogaart.search.results import Relation
from ogaart.settings import Settings

COUNT = 1_000
WORDS = ("PLAY", "Level 7", "Game over", "OK", "Score 1200", "Press any key", "Quit?", "Loading")
SAID = {
    Relation.SAME: "an exact copy",
    Relation.NEAR: "a near copy",
    Relation.PART: "a part",
    Relation.CONTAINED: "contains known ones",
    Relation.SIMILAR: "similar",
    Relation.UNLIKE: "no similar picture",
}


def sprite(rng: np.random.Generator) -> Image.Image:
    """A symmetric creature of 16 pixels in four colours, enlarged."""
    half = rng.integers(0, 5, (16, 8))
    colours = np.vstack([np.zeros((1, 4), int), np.column_stack([rng.integers(20, 235, (4, 3)), np.full(4, 255)])])
    pixels = colours[np.hstack([half, half[:, ::-1]])].astype(np.uint8)
    return Image.fromarray(pixels).resize((64, 64), Image.Resampling.NEAREST)


def tile(rng: np.random.Generator) -> Image.Image:
    """A tile of ground: one colour, speckled, with a seam."""
    base = rng.integers(30, 220, 3)
    pixels = np.clip(base + rng.normal(0, 12, (64, 64, 1)) + rng.normal(0, 5, (64, 64, 3)), 0, 255).astype(np.uint8)
    picture = Image.fromarray(pixels)
    row = int(rng.integers(8, 56))
    ImageDraw.Draw(picture).line((0, row, 64, row + int(rng.integers(-6, 6))), fill=tuple(int(v) // 2 for v in base))
    return picture


def blobs(rng: np.random.Generator) -> Image.Image:
    """Ellipses and polygons on a transparent ground, as flat vector art."""
    picture = Image.new("RGBA", (160, 160))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(4, 9))):
        colour = (*(int(v) for v in rng.integers(20, 240, 3)), 255)
        x, y = (int(v) for v in rng.integers(10, 110, 2))
        width, height = (int(v) for v in rng.integers(15, 60, 2))
        if rng.random() < 0.5:
            draw.ellipse((x, y, x + width, y + height), fill=colour, outline=(20, 20, 20, 255), width=2)
        else:
            corners = [(x + int(v), y + int(w)) for v, w in rng.integers(0, 60, (int(rng.integers(3, 7)), 2))]
            draw.polygon(corners, fill=colour)
    return picture


def sky(rng: np.random.Generator) -> Image.Image:
    """A gradient between two colours with hills before it."""
    above, below = rng.integers(0, 255, (2, 3))
    share = np.linspace(0, 1, 180)[:, None, None]
    pixels = np.broadcast_to(above * (1 - share) + below * share, (180, 320, 3)).astype(np.uint8)
    picture = Image.fromarray(pixels.copy())
    x = np.arange(320)
    hills = 120 + 25 * np.sin(x / rng.uniform(15, 60) + rng.uniform(0, 6)) + 12 * np.sin(x / rng.uniform(6, 20))
    colour = tuple(int(v) // 3 for v in below)
    ImageDraw.Draw(picture).polygon([(0, 180), *zip(x.tolist(), hills.tolist(), strict=True), (319, 180)], fill=colour)
    return picture


def lettering(rng: np.random.Generator) -> Image.Image:
    """A button with a word on it."""
    picture = Image.new("RGB", (200, 64), tuple(int(v) for v in rng.integers(20, 220, 3)))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((6, 6, 193, 57), 12, outline=(250, 250, 250), width=3)
    draw.text((28, 20), str(rng.choice(WORDS)), font=ImageFont.load_default(24), fill=(250, 250, 250))
    return picture


MADE: tuple[tuple[str, Callable[[np.random.Generator], Image.Image]], ...] = (
    ("made sprites", sprite),
    ("made tiles", tile),
    ("made shapes", blobs),
    ("made backgrounds", sky),
    ("made buttons", lettering),
)


def made(count: int) -> Iterator[tuple[str, str, bytes]]:
    """Origins, names and files of made pictures, of each kind as many."""
    rng = np.random.default_rng(12)
    for n in range(count):
        origin, draw = MADE[n % len(MADE)]
        yield origin, f"{origin} {n // len(MADE)}", _png(draw(rng))


def taken(folder: Path, count: int) -> Iterator[tuple[str, str, bytes]]:
    """Origins, names and files of art: evenly from each of the folder's own folders, which are packages."""
    packages = sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]
    for n, package in enumerate(packages):
        wanted = count // len(packages) + (n < count % len(packages))
        paths = sorted(package.rglob("*.png"))
        few = [path for path in paths[:: max(1, len(paths) // (4 * wanted))] if _shows(path)]
        for path in (few[place] for place in np.linspace(0, len(few) - 1, min(len(few), wanted)).astype(int)):
            yield f"art of {path.relative_to(folder).parts[0]}", str(path.relative_to(folder)), path.read_bytes()


def _shows(path: Path) -> bool:
    """Whether a picture is of a size that games have, and shows more than one colour."""
    try:
        with Image.open(path) as picture:
            if min(picture.size) < 16 or max(picture.size) > 1200:
                return False
            pixels: NDArray[np.uint8] = np.asarray(picture.convert("RGBA"))
    except (OSError, UnidentifiedImageError):
        return False
    visible = pixels[pixels[..., 3] > 8]
    return len(visible) > 60 and int(np.ptp(visible[:, :3], axis=0).max()) > 30


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def main() -> None:
    """Search with each picture; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a data root with a publication")
    parser.add_argument("--art", type=Path, help="a folder of art that is not in it")
    parser.add_argument("--count", type=int, default=COUNT, help=f"pictures that are tried (default {COUNT:,})")
    parser.add_argument("--show", action="store_true", help="name the pictures of which something is claimed")
    arguments = parser.parse_args()
    strangers = [] if arguments.art is None else list(taken(arguments.art, arguments.count // 2))
    pictures = [*made(arguments.count - len(strangers)), *strangers]
    generation = Generations(arguments.data / "generations").current()
    assert generation is not None, f"{arguments.data}: nothing is published"
    settings = Settings(data=arguments.data, model=str(generation.manifest["model"]))
    found: dict[str, Counter[Relation]] = {}
    with SearchService(settings) as service:
        for origin, name, content in pictures:
            results = service.search(SearchQuery(picture=service.read_image(content, None, LOCAL), limit=1))
            assert results.verdict is not None
            found.setdefault(origin, Counter())[results.verdict.relation] += 1
            if arguments.show and results.verdict.relation not in (Relation.UNLIKE, Relation.SIMILAR):
                print(f"{name}: {results.verdict.text}")
        info = service.info()
    print(f"{info.images:,} pictures published, {info.model}, {processor()}\n")
    print(f"| pictures that are not there | tried | {' | '.join(SAID.values())} |")
    print("| --- " * (2 + len(SAID)) + "|")
    for origin, said in [*found.items(), ("all", sum(found.values(), Counter()))]:
        print(f"| {origin} | {said.total()} | {' | '.join(str(said[relation]) for relation in SAID)} |")


if __name__ == "__main__":
    main()
