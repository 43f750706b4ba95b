"""How often the same thing comes first, and how much of it comes in ten: the model alone, each part, the default.

Over pictures of Debian's game packages that the default projection was not fitted to. A group is the same thing as
frames of an animation (by their numbered names, all of one size), in sizes or in other colours (both made of one
picture); every other picture of a group is searched among all. Equal files elsewhere belong to the group as well.

    .venv/bin/python -m benchmarks.likeness_groups FOLDER

FOLDER is that of ``benchmarks.default_projection``; 1 GB more is downloaded into it.
"""

import argparse
import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from benchmarks.default_projection import download, is_taken
from ogaart.likeness import parts
from ogaart.likeness.fusion import USUAL, Weights, fused_score
from ogaart.resources.embedding.batches import EmbedderInput
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.embedding.projections import default_projection
from ogaart.settings import Settings

HELD_OUT = (
    ("widelands-data", "2:1.1-3", 0),
    ("unknown-horizons", "2019.1-6", 0),
    ("freedroidrpg-data", "1.0-1", 0),
    ("hedgewars-data", "1.0.2-6", 0),
    ("pingus-data", "0.7.6-5.1", 0),
)
FRAMES, MADE, OTHERS = 20, 60, 400  # groups of frames a package, groups of each made kind, pictures of no group
SIZES = ((0.5, Image.Resampling.LANCZOS), (2, Image.Resampling.NEAREST), (0.75, Image.Resampling.BICUBIC))
Group = tuple[str, list[Path]]


def shown(path: Path) -> Image.Image | None:
    """The picture, where it is large enough and shows something."""
    try:
        picture = Image.open(path).convert("RGBA")
    except (OSError, UnidentifiedImageError):
        return None
    pixels = np.asarray(picture)
    visible = pixels[pixels[..., 3] > 0].astype(int)
    fits = min(picture.size) >= 8 and max(picture.size) <= 800
    return picture if fits and len(visible) > 30 and np.ptp(visible[:, :3], axis=0).max() > 30 else None


def recoloured(picture: Image.Image, degrees: int) -> Image.Image:
    """All colours turned by some degrees of hue."""
    hsv = np.asarray(picture.convert("RGB").convert("HSV")).copy()
    hsv[..., 0] = (hsv[..., 0].astype(int) + degrees * 256 // 360) % 256
    rgb = np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))
    return Image.fromarray(np.dstack([rgb, np.asarray(picture)[..., 3]]), "RGBA")


def made(picture: Image.Image, kind: str) -> Iterator[Image.Image]:
    """Three more of the same thing."""
    if kind == "recolours":
        yield from (recoloured(picture, degrees) for degrees in (75, 165, 255))
        return
    for factor, way in SIZES:
        width, height = (max(4, round(side * factor)) for side in picture.size)
        yield picture.resize((width, height), way)


def groups(folder: Path) -> tuple[list[Group], list[Path]]:
    """The labelled groups, and pictures of none; the same for the same packages."""
    chance, found, singles = random.Random(7), list[Group](), list[Path]()
    for package, _, _ in HELD_OUT:
        numbered: dict[tuple[Path, str], list[Path]] = defaultdict(list)
        for path in sorted((folder / "art" / package).rglob("*")):
            if is_taken(path, folder):
                numbered[path.parent, re.sub(r"\d+", "#", path.stem)].append(path)
        rows = list(numbered.items())
        chance.shuffle(rows)
        frames = 0
        for (_, name), paths in rows:
            few = [path for path in chance.sample(paths, min(4, len(paths))) if shown(path)]
            if "#" in name and len(few) > 2 and frames < FRAMES:
                found.append(("frames", few))
                frames += 1
            elif few:
                singles.append(few[0])
    chance.shuffle(singles)
    for kind in ("sizes", "recolours"):
        for path in [singles.pop() for _ in range(MADE)]:
            picture = shown(path)
            assert picture is not None
            members = [path]
            for n, other in enumerate(made(picture, kind)):
                target = folder / "made" / f"{kind}-{len(found)}-{n}.png"
                target.parent.mkdir(exist_ok=True)
                other.save(target)
                members.append(target)
            found.append((kind, members))
    return found, singles[:OTHERS]


def read(folder: Path, paths: list[Path]) -> tuple[list[str], NDArray[np.float32], NDArray[np.uint8]]:
    """Names, vectors and raw parts of the pictures that can be read."""
    settings = Settings(data=folder / "data", model="efficientnet_lite0")
    keys, vectors, raw = [], [], []
    with Embedder(settings) as embedder:
        for batch in embedder.read(EmbedderInput(str(path), path, True, (parts.SPACE,)) for path in paths):
            for key, vector in zip(batch.keys, batch.vectors, strict=True):
                keys.append(key)
                vectors.append(vector)
                raw.append(np.frombuffer(batch.derived[parts.SPACE][key], np.uint8))
    return keys, np.stack(vectors), np.stack(raw)


def labels(labelled: Sequence[Group], keys: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """The group of each picture, -1 for none, and the kind of that.

    Numbered pictures of different sizes are several things of one kind, such as plants, and no frames. A game has some
    files in several folders: these join the group.
    """
    group_of, kind_of = np.full(len(keys), -1), np.full(len(keys), "", object)
    rows = {key: row for row, key in enumerate(keys)}
    equal: dict[bytes, list[int]] = defaultdict(list)
    for key, row in rows.items():
        equal[hashlib.sha256(Path(key).read_bytes()).digest()].append(row)
    for number, (kind, members) in enumerate(labelled):
        known = [path for path in members if str(path) in rows]
        if kind == "frames" and len({Image.open(path).size for path in known}) > 1:
            continue
        for path in known:
            group_of[rows[str(path)]], kind_of[rows[str(path)]] = number, kind
    for same in equal.values():
        joined = sorted({int(group) for group in group_of[same] if group >= 0})
        if joined:
            group_of[np.isin(group_of, joined)] = group_of[same] = joined[0]
    return group_of, kind_of


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    folder: Path = arguments.parse_args().folder.resolve()
    download(folder, HELD_OUT)
    labelled, others = groups(folder)
    show(labelled, *read(folder, [path for _, members in labelled for path in members] + others))


def show(labelled: Sequence[Group], keys: Sequence[str], vectors: NDArray[np.float32], raw: NDArray[np.uint8]) -> None:
    """Print the table."""
    group_of, kind_of = labels(labelled, keys)
    fused = default_projection().fuse(vectors, raw)
    cosines = {name: fused[:, at] @ fused[:, at].T for name, at in default_projection().places.items()}
    ways: Mapping[str, NDArray[np.float32]] = {
        "the model alone": vectors @ vectors.T,
        **{f"{name} (projected)": values for name, values in cosines.items()},
        "default": fused_score(cosines, USUAL),
        "other-colours": fused_score(cosines, Weights(1, 1, 0)),
    }
    size = np.where(group_of >= 0, np.bincount(group_of[group_of >= 0], minlength=len(labelled))[group_of] - 1, 0)
    of_kinds = {kind: (kind_of == kind) & (size > 0) for kind in dict.fromkeys(kind for kind, _ in labelled)}
    of_kinds["all"] = size > 0
    counts = {
        kind: f"{len(set(group_of[rows]))} of {np.count_nonzero(rows):,} pictures" for kind, rows in of_kinds.items()
    }
    print(f"{len(keys):,} pictures; groups: {counts}; first right / share of the group in ten")
    print(f"| way | {' | '.join(of_kinds)} |\n| --- |{' --- |' * len(of_kinds)}")
    for way, scores in ways.items():
        np.fill_diagonal(scores, -2)
        order = np.argsort(-scores, axis=1)[:, :10]
        right = group_of[order] == group_of[:, None]
        shares = right.sum(axis=1) / np.clip(size, 1, 10)
        cells = [f"{right[rows, 0].mean():.3f} / {shares[rows].mean():.3f}" for rows in of_kinds.values()]
        print(f"| {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
