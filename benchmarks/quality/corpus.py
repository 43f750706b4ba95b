"""What is searched: the demo's art with made sheets, or a folder of one's own pictures, as entries of a small site."""

import hashlib
import io
import os
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ogaart.demo import archives, pictures, plan
from ogaart.demo.model import DemoContent, DemoEntry, DemoFile
from ogaart.imaging.errors import Unreadable
from ogaart.imaging.identity import pixel_sha256
from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode

SUFFIXES = frozenset(
    {
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".gif",
        ".webp",
        ".avif",
        ".bmp",
        ".tga",
        ".tif",
        ".tiff",
        ".ico",
        ".pcx",
        ".dds",
    }
    | {".qoi", ".svg", ".psd", ".xcf", ".aseprite", ".ase", ".kra", ".ora"}
)
CELL = 64  # pixels a side of a cell of a made sheet
_FIRST_POST = datetime(2012, 3, 1, 9, 30)  # noqa: DTZ001 - the site states no zone
_FIRST_NID, _FIRST_FID = 70_001, 1_800_001


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture that is searched, or that is not there.

    Attributes:
        name: its path, for people.
        rgba: (H, W, 4) uint8 canonical pixels.
        entry: the entry's slug; pictures are held out by entries.
    """

    name: str
    rgba: NDArray[np.uint8]
    entry: str = ""

    @cached_property
    def pixels(self) -> str:
        """Its hash."""
        return pixel_sha256(self.rgba)

    @property
    def image(self) -> Image.Image:
        """It as an image of mode RGBA."""
        return Image.fromarray(self.rgba)


@dataclass(frozen=True, eq=False)
class Sheet:
    """A made sheet, and the sprites that it alone holds, with their boxes (left, top, right, bottom)."""

    picture: Picture
    sprites: Sequence[tuple[Picture, tuple[int, int, int, int]]]


@dataclass(frozen=True, eq=False)
class Corpus:
    """What is published and what is known of it.

    Attributes:
        content: the site that is published.
        pictures: those that are searched for, distinct in their pixels.
        groups: kind of relatives to groups of hashes: the same thing as frames, sizes, recolours, or other drawings.
        sheets: made sheets.
        strangers: pictures that are not published.
        left_out: files that could not be read, or show nothing.
    """

    content: DemoContent
    pictures: Sequence[Picture]
    groups: Mapping[str, Sequence[frozenset[str]]]
    sheets: Sequence[Sheet] = ()
    strangers: Sequence[Picture] = field(default_factory=tuple)
    left_out: Sequence[str] = ()

    @property
    def digest(self) -> str:
        """What tells whether a publication is of the same pictures in the same entries."""
        found = hashlib.sha256()
        for entry in self.content.entries:
            hashes = [one.pixel_sha256 for file in entry.files for one in file.pictures]
            found.update(f"{entry.slug} {' '.join(hashes)}\n".encode())
        return found.hexdigest()


_COLOURS = (
    "blue|red|green|orange|yellow|purple|pink|brown|grey|sand|dark|bronze|gold|silver|steel|stone|mese|black|white"
)
_RECOLOURED = re.compile(
    rf"(?<![a-z])(?:{_COLOURS})(?=[A-Z_.\d]|$)|(?:{_COLOURS.title()})(?=[A-Z_.\d]|$)", re.IGNORECASE
)
# Names that differ by a colour, of pictures that are other drawings, as one sees: lasers that lie and stand, tiles of
# sand and of stone, hulls of other tanks, bars beside stakes.
_OTHER_DRAWINGS = re.compile(r"/laser|/tiles/(?:sand|stone)|/tankBody_|/grey_spikes")
# A player's "life" is its ship as a small icon. Large and small bags, pods and meteors are other drawings.
_SIZED = re.compile(r"(?<=/player)(?:Life|Ship)(?=1)")
_FRAME = re.compile(r"\d+(?=\.)|_(?:move|dead|fall|jump|idle)(?=\.)")
# Numbers that do not count frames: other things of one kind.
_NOT_FRAMES = re.compile(
    r"/cards/|/tiles/|/topdown_tanks/|/space_shooter/|moon-|station-|[KSX]\d\d\.|laser|_icon\.|sweep"
)
# What has another drawing for each number, place or state: backs of cards, meteors, ends and middles of a tile.
_VARIED = re.compile(
    r"_(?:left|right|mid|top|low|half|single|double|rounded|off|on|i{1,3})(?=[_.])"
    r"|(?:Left|Right|Mid|Top|Low|Half|Off)(?=[A-Z_.])|\d+(?=[_.])"
)


def demo_corpus(strangers: int = 7) -> Corpus:
    """The demo's site with an entry of made sheets.

    Args:
        strangers: which variant of the art makes pictures that are not there.
    """
    content = plan.load()
    slugs = {
        file: entry.slug
        for entry in content.entries
        for file in (p.pixel_sha256 for f in entry.files for p in f.pictures)
    }
    paths = sorted(plan.Art().manifest)
    found: dict[str, Picture] = {}
    for path in paths:
        picture = _read(path, plan.Art().read(path))
        if picture is not None and picture.pixels in slugs:
            found.setdefault(picture.pixels, Picture(path, picture.rgba, slugs[picture.pixels]))
    sheets, rest = _made_sheets(_strangers(strangers))
    if sheets:
        content.entries.append(_entry("made-sheets", "sheet maker", [sheet.picture for sheet in sheets], 0))
    pictures_ = list(found.values())
    kinds = {
        "frames": _groups(pictures_, lambda name: None if _NOT_FRAMES.search(name) else _FRAME.sub("", name)),
        "sizes": _groups(pictures_, lambda name: _SIZED.sub("", name) if _SIZED.search(name) else None),
        "recolours": _groups(pictures_, without_colour),
        "variants": _groups(pictures_, _variant),
    }
    return Corpus(content, pictures_, kinds, sheets, rest)


def _strangers(variant: int) -> list[Picture]:
    """The demo's art in other colours and sizes."""
    art = plan.Art(variant=variant)
    return [picture for path in sorted(art.manifest) if (picture := _read(path, art.read(path))) is not None]


def folder_corpus(folder: Path, strangers: int = 7) -> Corpus:
    """One's own pictures: each subfolder that holds pictures is a group and an entry; those at the top have no group.

    A picture that is in several subfolders is a relative of the others in each of them. Files that cannot be read are
    left out, and named by ``Corpus.left_out``. What is pasted beside the pictures into scenes and sheets is of the
    demo's art.

    Args:
        folder: which.
        strangers: which variant of the demo's art.

    Raises:
        ValueError: it is no folder, or there is no readable picture in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: name one that holds pictures, with a subfolder for each group")
    by_folder: dict[str, dict[str, Picture]] = {}
    left_out: list[str] = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
        name = _utf8(path.relative_to(folder).as_posix())
        picture = _read(name, path.read_bytes())
        if picture is None:
            left_out.append(name)
        else:
            members = by_folder.setdefault(path.parent.relative_to(folder).as_posix(), {})
            members.setdefault(picture.pixels, picture)
    if not by_folder:
        raise ValueError(f"{folder}: no readable picture ({', '.join(sorted(SUFFIXES))})")
    entries = []
    everything: dict[str, Picture] = {}
    for number, (name, members) in enumerate(by_folder.items()):
        slug = f"folder-{number}"
        owned = [Picture(p.name, p.rgba, slug) for p in members.values()]
        entries.append(_entry(slug, f"author of {_utf8(name)}", owned, number))
        for one in owned:
            everything.setdefault(one.pixels, one)
    groups = [frozenset(members) for name, members in by_folder.items() if name != "."]
    kinds = {"same folder": [g for g in groups if len(g) > 1]}
    pictures_ = list(everything.values())
    return Corpus(DemoContent(entries), pictures_, kinds, strangers=_strangers(strangers), left_out=left_out)


def _utf8(name: str) -> str:
    """A file's name, in which bytes that are not UTF-8, such as those of Latin-1, are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def _read(name: str, data: bytes) -> Picture | None:
    try:
        return Picture(name, decode(data, Limits()).rgba)
    except Unreadable:
        return None  # nothing is visible, or it is not a picture: the platform does not index it either


def without_colour(name: str) -> str | None:
    """What the names of a drawing in all its colours have in common; None of one that has no colour in its name."""
    coloured = _RECOLOURED.search(name) and not _OTHER_DRAWINGS.search(name)
    return _RECOLOURED.sub("", name) if coloured else None


def _variant(name: str) -> str | None:
    """What the names of all variants of a picture have in common; None of a frame of an animation."""
    return None if _FRAME.search(name) and not _NOT_FRAMES.search(name) else _VARIED.sub("", name)


def _groups(found: Iterable[Picture], key: Callable[[str], str | None]) -> list[frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for picture in found:
        if (name := key(picture.name)) is not None:
            groups.setdefault(name, set()).add(picture.pixels)
    return [frozenset(group) for group in groups.values() if len(group) > 1]


def _made_sheets(other: Sequence[Picture]) -> tuple[list[Sheet], list[Picture]]:
    """Sheets of 4 x 4 sprites from every second of the small pictures, and those that went into none."""
    small = [p for p in other if min(p.image.size) >= 12 and max(p.image.size) <= 2 * CELL]
    chance = random.Random(1)
    chance.shuffle(small)
    cut = (len(small) // 2) // 16 * 16
    sheets = []
    for start in range(0, cut, 16):
        sheet = Image.new("RGBA", (4 * CELL * 2, 4 * CELL * 2))
        places = []
        for cell, sprite in enumerate(small[start : start + 16]):
            row, column = divmod(cell, 4)
            left = column * 2 * CELL + (2 * CELL - sprite.image.width) // 2
            top = row * 2 * CELL + (2 * CELL - sprite.image.height) // 2
            sheet.alpha_composite(sprite.image, (left, top))
            places.append((sprite, (left, top, left + sprite.image.width, top + sprite.image.height)))
        rgba = decode(_png(sheet), Limits()).rgba
        sheets.append(Sheet(Picture(f"sheet{start // 16}.png", rgba, "made-sheets"), places))
    used = {id(p) for p in small[:cut]}
    return sheets, [p for p in other if id(p) not in used]


def _entry(slug: str, author: str, members: Sequence[Picture], number: int) -> DemoEntry:
    """An entry with one zip of pictures, under their own names: numbered ones tell of frames."""
    stems = [Path(p.name).stem for p in members]
    names = [stem if stems.count(stem) == 1 else f"{n:04d}-{stem}" for n, stem in enumerate(stems)]
    files = [(f"{name}.png", _png(p.image)) for p, name in zip(members, names, strict=True)]
    expected = [pictures.of_pixels(p.rgba, name) for p, (name, _) in zip(members, files, strict=True)]
    file = DemoFile(_FIRST_FID + number, f"{slug}.zip", f"{slug}.zip", archives.pack("zip", files), expected)
    return DemoEntry(
        slug=slug, nid=_FIRST_NID + number, title=slug.replace("-", " "), author=author,
        posted_at=_FIRST_POST + timedelta(hours=number), licences=["CC0"], tags=["quality"], about=["Made to measure."],
        files=[file],
    )  # fmt: skip


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
