"""Thousands of archives, pictures and pages, broken by a seeded choice, through the real readers."""

import io
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ogaart.core.states import EntryStatus, MemberStatus
from ogaart.demo import plan, stubs
from ogaart.demo.archives import pack
from ogaart.demo.build import listing_params
from ogaart.demo.model import OGA, DemoContent
from ogaart.demo.pages import DemoSearch, Pages
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import Unpacker
from ogaart.sites.errors import ListingRefused, PageUnreadable
from ogaart.sites.opengameart.content import parse_entry
from ogaart.sites.opengameart.listing import parse_listing

KINDS = ("zip", "7z", "rar", "tar.gz", "tar.bz2")
LIMITS = Limits(member_seconds=20, max_unpacked_bytes=64 << 20, max_member_bytes=16 << 20, max_pixels=4_000_000)
SLOW = 5.0
"""Seconds beyond which a small broken file or page was read too slowly."""


@dataclass
class Tried:
    """What was tried, and what came of it.

    Attributes:
        archives: broken archives unpacked.
        pictures: broken pictures decoded.
        pages: broken pages parsed.
        outcomes: members by status, pages by the parser's outcome.
        restarts: children of the unpacker that crashed or hung.
        peak_bytes: largest memory that a child reported.
        slowest: seconds that the slowest one took.
        problems: what no reader may do: other exceptions, files where none belong.
    """

    archives: int = 0
    pictures: int = 0
    pages: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    peak_bytes: int = 0
    slowest: float = 0.0
    problems: list[str] = field(default_factory=list)

    def took(self, seconds: float, what: str) -> None:
        """Note how long one took."""
        self.slowest = max(self.slowest, seconds)
        if seconds > SLOW:
            self.problems.append(f"{what} took {seconds:.1f} s")


def _flip(broken: bytearray, at: int, length: int, chance: random.Random) -> None:
    for _ in range(min(length, 12)):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)


def _cut(broken: bytearray, at: int, length: int, chance: random.Random) -> None:
    del broken[at:]


def _drop(broken: bytearray, at: int, length: int, chance: random.Random) -> None:
    del broken[at : at + length]


def _fill(broken: bytearray, at: int, length: int, chance: random.Random) -> None:
    broken[at : at + length] = chance.choice((b"\0", b"\xff")) * min(length, len(broken) - at)


def _swap(broken: bytearray, at: int, length: int, chance: random.Random) -> None:
    other = chance.randrange(len(broken))
    one, two = broken[at : at + length], broken[other : other + length]
    if len(one) == len(two):
        broken[at : at + length], broken[other : other + length] = two, one


def _repeat(broken: bytearray, at: int, length: int, chance: random.Random) -> None:
    broken[at:at] = broken[at : at + length] * chance.randint(1, 50)


def _insert(broken: bytearray, at: int, length: int, chance: random.Random) -> None:
    broken[at:at] = chance.randbytes(length)


WAYS = (_flip, _flip, _flip, _cut, _drop, _fill, _swap, _repeat, _insert)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """``data``, broken in one to three of the usual ways."""
    broken = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        if broken:
            length = chance.choice((1, 2, 4, 16, 200))
            chance.choice(WAYS)(broken, chance.randrange(len(broken)), length, chance)
    return bytes(broken)


def try_files(folder: Path, seed: int, archives: int, pictures: int) -> Tried:
    """Break archives and pictures and pass them to the real unpacker.

    Args:
        folder: an empty folder for everything; only ``data`` below it may be written to.
        seed: of the choices.
        archives: how many archives.
        pictures: how many pictures.
    """
    chance = random.Random(seed)
    tried = Tried()
    data, source = folder / "data", folder / "broken.bin"
    with watched(folder, tried), Unpacker(LIMITS, data / "scratch") as unpacker:
        for what, wholes, number in (
            ("archive", whole_archives(), archives),
            ("picture", whole_pictures(), pictures),
        ):
            for turn in range(number):
                name, whole = wholes[turn % len(wholes)]
                source.write_bytes(mutated(whole, chance))
                _unpack(unpacker, source, f"{what} {turn} (seed {seed}, from {name})", tried)
        tried.restarts, tried.peak_bytes = unpacker.restarts, unpacker.peak_bytes
    tried.archives, tried.pictures = archives, pictures
    source.unlink(missing_ok=True)
    return tried


def _unpack(unpacker: Unpacker, source: Path, what: str, tried: Tried) -> None:
    began = time.monotonic()
    try:
        for member in unpacker.unpack(source):
            tried.outcomes[member.status.value] += 1
            if member.status == MemberStatus.FAILED and not (member.error_class and member.message):
                tried.problems.append(f"{what}: a failure without its reason")
    except Exception as error:  # noqa: BLE001 - any exception is the finding
        tried.problems.append(f"{what}: {type(error).__name__}: {error}")
    tried.took(time.monotonic() - began, what)


class watched:  # noqa: N801 - reads as a statement
    """Around reading hostile files: nothing but ``folder/data`` may be written to, and nothing may stay in it."""

    def __init__(self, folder: Path, tried: Tried) -> None:
        self._folder, self._tried = folder, tried
        self._elsewhere = [folder / name for name in ("here", "home", "tmp")]
        self._kept = (Path.cwd(), os.environ.get("HOME"), os.environ.get("TMPDIR"), tempfile.tempdir)

    def __enter__(self) -> None:
        for place in self._elsewhere:
            place.mkdir(parents=True)
        here, home, tmp = self._elsewhere
        os.chdir(here)
        os.environ.update(HOME=str(home), TMPDIR=str(tmp))
        tempfile.tempdir = None
        self._before = {p.name for p in self._folder.parent.iterdir()}

    def __exit__(self, *_: object) -> None:
        cwd, home, tmp, tempfile.tempdir = self._kept
        os.chdir(cwd)
        for name, value in (("HOME", home), ("TMPDIR", tmp)):
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        strays = [p for place in (*self._elsewhere, self._folder / "data") for p in place.rglob("*") if not p.is_dir()]
        strays += [p for p in self._folder.parent.iterdir() if p.name not in self._before]
        self._tried.problems += [f"written where nothing belongs: {path}" for path in strays]


def try_pages(seed: int, number: int) -> Tried:
    """Break result pages and entries' pages and pass them to the real parsers."""
    chance = random.Random(seed)
    tried = Tried(pages=number)
    wholes = whole_pages(plan.load())
    for turn in range(number):
        url, whole = wholes[turn % len(wholes)]
        page, what = mutated(whole, chance), f"page {turn} (seed {seed}, from {url})"
        began = time.monotonic()
        try:
            if "/content/" in url:
                tried.outcomes[f"entry {parse_entry(page, url, OGA).status.value}"] += 1
            else:
                tried.outcomes[f"listing {parse_listing(page, OGA).status.value}"] += 1
        except (PageUnreadable, ListingRefused) as refusal:
            tried.outcomes[type(refusal).__name__] += 1
        except Exception as error:  # noqa: BLE001 - any other exception is the finding
            tried.problems.append(f"{what}: {type(error).__name__}: {error}")
        tried.took(time.monotonic() - began, what)
    return tried


def whole_archives() -> list[tuple[str, bytes]]:
    """Small archives of every kind that the site has, with one in another."""
    members = [(name, data) for name, data in whole_pictures() if len(data) < 3000][:6]
    made = [(kind, pack(kind, members)) for kind in KINDS]
    made.append(("zip in 7z", pack("7z", [("inner.zip", pack("zip", members[:3])), *members[3:]])))
    made.append(("gz", pack("gz", members[:1])))
    return made


def whole_pictures() -> list[tuple[str, bytes]]:
    """One small picture in every format and mode that Pillow writes and the site has, and an SVG and an XCF."""
    picture = Image.new("RGBA", (33, 21))
    picture.putdata([(x * 7 % 256, y * 11 % 256, (x * y) % 256, 255 * (x > 4)) for y in range(21) for x in range(33)])
    kinds = [
        ("png", "RGBA"), ("png", "P"), ("png", "LA"), ("png", "I;16"), ("gif", "P"), ("jpeg", "RGB"), ("jpeg", "CMYK"),
        ("bmp", "RGB"), ("tga", "RGBA"), ("webp", "RGBA"), ("tiff", "RGBA"), ("ico", "RGBA"), ("pcx", "RGB"),
        ("ppm", "RGB"), ("dds", "RGBA"),
    ]  # fmt: skip
    found = [(f"{mode}.{form}", _saved(picture, form, mode)) for form, mode in kinds]
    frames = [picture.rotate(angle).convert("P") for angle in (0, 90, 180)]
    out = io.BytesIO()
    frames[0].save(out, "gif", save_all=True, append_images=frames[1:])
    found.append(("frames.gif", out.getvalue()))
    return found + [(name, data) for name, data in stubs.by_name().items() if name.endswith((".svg", ".xcf"))]


def _saved(picture: Image.Image, form: str, mode: str) -> bytes:
    out = io.BytesIO()
    converted = picture.convert("L").convert("I").convert("I;16") if mode == "I;16" else picture.convert(mode)
    converted.save(out, form)
    return out.getvalue()


def whole_pages(site: DemoContent) -> list[tuple[str, bytes]]:
    """Every entry's page and the first result pages, with their URLs."""
    pages = Pages(OGA, 24)
    return [*_listings(site, pages), *_entries(site, pages)]


def _listings(site: DemoContent, pages: Pages) -> Iterator[tuple[str, bytes]]:
    for number in range(3):
        yield f"{OGA}/art-search-advanced?page={number}", pages.search(site, DemoSearch(listing_params(number)))


def _entries(site: DemoContent, pages: Pages) -> Iterator[tuple[str, bytes]]:
    for entry in site.entries:
        if entry.status in (EntryStatus.OK, EntryStatus.WITHHELD):
            yield OGA + entry.path, pages.entry(entry)
