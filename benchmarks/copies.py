"""How often a copy of a picture finds its source: the index alone, the search's ranking, and the search's verdict.

Over the published data root (``OGAART_DATA``), such as the demo's: every picture of ``ogaart/demo/art`` is copied in
each way below, and searched for as a visitor's upload would be. Right is the verdict "this exact picture" or "a near
copy" of a copy, and "similar" of a part.

    OGAART_DATA=demo-data OGAART_MODEL=efficientnet_lite0 .venv/bin/python -m benchmarks.copies
"""

import argparse
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.identity import pixel_sha256
from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.embedding.registry import model_named
from ogaart.resources.index.opening import open_index
from ogaart.resources.storage.data_root import DataRoot
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.visitors import LOCAL
from ogaart.search.query import SearchQuery
from ogaart.search.results import Relation
from ogaart.settings import Settings

ART = Path(__file__).parent.parent / "ogaart" / "demo" / "art"


def flattened(picture: Image.Image, colour: str) -> Image.Image:
    """The picture on a background of one colour."""
    ground = Image.new("RGBA", picture.size, colour)
    ground.alpha_composite(picture)
    return ground.convert("RGB")


def smaller(picture: Image.Image) -> Image.Image:
    """60 % of both sides."""
    return picture.resize(tuple(max(4, round(side * 0.6)) for side in picture.size), Image.Resampling.BICUBIC)  # type: ignore[arg-type]


def cropped(picture: Image.Image) -> Image.Image:
    """The middle 60 % of both sides."""
    width, height = picture.size
    box = (round(width * 0.2), round(height * 0.2), max(round(width * 0.8), 1), max(round(height * 0.8), 1))
    return picture.crop(box)


def part(picture: Image.Image) -> Image.Image:
    """Any 40 to 80 % of each side, from anywhere; the same for the same picture."""
    chance = random.Random(picture.tobytes())
    width, height = (max(1, round(side * chance.uniform(0.4, 0.8))) for side in picture.size)
    left, top = chance.randint(0, picture.width - width), chance.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def on_canvas(picture: Image.Image) -> Image.Image:
    """On white, somewhere on a white canvas of up to three times its sides, as a screenshot has it."""
    chance = random.Random(picture.tobytes())
    most = min(3.0, (30e6 / (picture.width * picture.height)) ** 0.5)  # uploads have a limit
    width, height = (round(side * chance.uniform(min(1.5, most), most)) for side in picture.size)
    canvas = Image.new("RGB", (width, height), "white")
    place = (chance.randint(0, width - picture.width), chance.randint(0, height - picture.height))
    canvas.paste(flattened(picture, "white"), place)
    return canvas


PARTS = {"cropped to 60 %", "cropped anywhere"}
FRAMED = {"on a larger white canvas"}
KINDS: Mapping[str, tuple[Callable[[Image.Image], Image.Image], str]] = {
    "60 % as JPEG, on white": (lambda p: flattened(smaller(p), "white"), "JPEG"),
    "enlarged x2": (lambda p: p.resize((p.width * 2, p.height * 2), Image.Resampling.NEAREST), "PNG"),
    "mirrored": (ImageOps.mirror, "PNG"),
    "on white": (lambda p: flattened(p, "white"), "PNG"),
    "on black": (lambda p: flattened(p, "black"), "PNG"),
    "on magenta": (lambda p: flattened(p, "magenta"), "PNG"),
    "cropped to 60 %": (cropped, "PNG"),
    "cropped anywhere": (part, "PNG"),
    "on a larger white canvas": (on_canvas, "JPEG"),
}


@dataclass
class Tally:
    """What became of the copies of one kind."""

    tried: int = 0
    index_first: int = 0
    first: int = 0
    right: int = 0

    def row(self, kind: str) -> str:
        """One line of the table."""
        shares = (self.index_first, self.first, self.right)
        return f"| {kind} | {self.tried} | " + " | ".join(f"{n / max(self.tried, 1):.3f}" for n in shares) + " |"


def pictures(every: int) -> Iterator[tuple[str, Image.Image]]:
    """Pixel hash and picture of each piece of the demo's art, every ``every``-th."""
    for path in sorted(p for p in ART.rglob("*") if p.suffix in {".png", ".jpg"})[::every]:
        try:
            rgba = decode(path, Limits()).rgba
        except Unreadable as cause:
            if cause.error_class is not Reason.NOT_A_PICTURE:
                raise
            continue  # fully transparent
        yield pixel_sha256(rgba), Image.fromarray(np.ascontiguousarray(rgba), "RGBA")


def shows_something(picture: Image.Image) -> bool:
    """Whether any pixel is visible; a picture without one is not searched for."""
    return picture.convert("RGBA").getchannel("A").getextrema()[1] != 0


def measure(
    settings: Settings, kinds: Mapping[str, tuple[Callable[[Image.Image], Image.Image], str]], every: int = 1
) -> dict[str, Tally]:
    """Search for every copy and count."""
    generation = Generations(DataRoot.of(settings).generations).current()
    assert generation is not None, "nothing is published: run `ogaart demo --once` first"
    tallies = {kind: Tally() for kind in kinds}
    space = generation.manifest["space"]
    with SearchService(settings) as service:
        index = open_index(
            settings, generation.index, space, model_named(generation.manifest["model"]).dimension, read_only=True
        )
        for pixels, original in pictures(every):
            for kind, (change, form) in kinds.items():
                changed = change(original)
                if not shows_something(changed):
                    continue
                content = encoded(changed, form)
                seen = service.read_image(content, None, LOCAL)
                tally = tallies[kind]
                tally.tried += 1
                assert seen.vector is not None, seen.note
                nearest = index.query(seen.vector, limit=1)
                top = service.hit(nearest[0].id)
                tally.index_first += top is not None and top.pixel_sha256 == pixels
                seen = service.without_background(seen, partial(service.read_image, content, visitor=LOCAL))
                results = service.search(SearchQuery(picture=seen, fold=False, limit=5))
                tally.first += bool(results.hits) and results.hits[0].pixel_sha256 == pixels
                said = results.verdict.relation if results.verdict is not None else None
                good = {Relation.SAME, Relation.NEAR}
                if kind in FRAMED:
                    good.add(Relation.SIMILAR)
                tally.right += said is Relation.SIMILAR if kind in PARTS else said in good
        index.close()
    return tallies


def encoded(picture: Image.Image, form: str) -> bytes:
    """A picture file."""
    out = BytesIO()
    picture.save(out, form, **({"quality": 85} if form == "JPEG" else {}))
    return out.getvalue()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th picture only")
    arguments = parser.parse_args()
    settings = Settings()
    print("| copy | tried | source first, index alone | source first, re-ranked | verdict right |")
    print("| --- | --- | --- | --- | --- |")
    for kind, tally in measure(settings, KINDS, arguments.every).items():
        print(tally.row(kind))


if __name__ == "__main__":
    main()
