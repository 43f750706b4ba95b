"""How often exact parts are found, how often falsely, and what their index costs.

Pictures of a folder are indexed; sprites are cut from its sheets (pictures whose sprites lie apart on nothing), and its
pictures are cropped, enlarged, mirrored, turned, put on white, into scenes and into sheets of strangers. Pictures of
another folder, which has none of the same art, are searched for too: what is claimed of them is false, unless the
pixels there are equal. Hits and false claims are counted at the same threshold, which is the one of the search.

    python -m benchmarks.parts FOLDER --absent FOLDER --scale 100000
"""

import argparse
import hashlib
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ogaart.likeness.patch_matching import Match, PartRelation, best_of_each, match
from ogaart.likeness.patches import DENSEST, ENOUGH, Patches, patches
from ogaart.likeness.query_patches import ASKED, QueryPatches
from ogaart.resources.patches.index import PatchRuns
from ogaart.resources.patches.runs import Run, merge_runs, write_run
from ogaart.search.parts.shared_parts import AS_GOOD, SHARING_WEIGHT

ART = Path(__file__).parent.parent / "ogaart" / "demo" / "art"
ENDINGS = {".png", ".gif", ".webp", ".bmp", ".tga", ".jpg", ".jpeg"}
_PIXELS = 4_000_000
_ALIKE = 0.97  # share of equal pixels from which on a claim of another picture is true as well
_CHUNK = 4_000  # made-up pictures in one run
Picture = NDArray[np.uint8]


@dataclass
class Corpus:
    """Distinct pictures by the hash of their pixels, and their index."""

    pictures: dict[str, Picture]
    of: dict[str, Patches] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """Of all pictures."""
        return list(self.pictures)


@dataclass
class Tally:
    """Outcomes of one kind of query."""

    first: list[bool] = field(default_factory=list)
    placed: list[bool] = field(default_factory=list)
    claimed: list[bool] = field(default_factory=list)
    false: int = 0
    seconds: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        """As a row of the table."""
        ms = 1000 * np.array(self.seconds or [0.0])
        placed = f"{np.mean(self.placed):.3f}" if self.placed else ""
        return (
            f"| {name} | {len(self.claimed)} | {np.mean(self.first):.3f} | {placed} | {np.mean(self.claimed):.3f} |"
            f" {self.false} | {np.median(ms):.0f} | {np.percentile(ms, 95):.0f} |"
        )


def read(folder: Path, most: int, seed: int) -> dict[str, Picture]:
    """At most so many distinct pictures of a folder, chosen at random."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    found: dict[str, Picture] = {}
    for nth in np.random.default_rng(seed).permutation(len(files)):
        with Image.open(files[nth]) as opened:
            if opened.width * opened.height > _PIXELS:
                continue
            rgba = np.asarray(opened.convert("RGBA")).copy()
        rgba[rgba[..., 3] == 0] = 0
        if min(rgba.shape[:2]) >= 8:
            found.setdefault(hashlib.sha256(rgba.tobytes()).hexdigest(), rgba)
        if len(found) >= most:
            break
    return found


def sprites(sheet: Picture, left: int = 0, top: int = 0) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (x, y, width, height) of what lies apart on nothing, found by cutting at empty rows and columns."""
    for axis in (1, 0):
        filled = np.concatenate(([0], (sheet[..., 3] > 0).any(axis=axis).astype(np.int8), [0]))
        edges = np.flatnonzero(np.diff(filled)).tolist()
        spans = list(zip(edges[::2], edges[1::2], strict=True))
        if spans and spans != [(0, len(filled) - 2)]:
            for first, last in spans:
                if axis == 1:
                    yield from sprites(sheet[first:last], left, top + first)
                else:
                    yield from sprites(sheet[:, first:last], left + first, top)
            return
    if sheet.size:
        yield left, top, sheet.shape[1], sheet.shape[0]


def pasted(into: Picture, picture: Picture, x: int, y: int) -> None:
    """Put a picture on another one, blended."""
    height, width = picture.shape[:2]
    part = into[y : y + height, x : x + width]
    share = picture[..., 3:].astype(np.float32) / 255
    part[..., :3] = np.round(picture[..., :3] * share + part[..., :3] * (1 - share))
    part[..., 3] = np.maximum(part[..., 3], picture[..., 3])


def enlarged(picture: Picture, factor: int = 2) -> Picture:
    """Each pixel as a block."""
    return picture.repeat(factor, 0).repeat(factor, 1)


class Bench:
    """Searches in one index, and tallies."""

    def __init__(self, corpus: Corpus, index: PatchRuns) -> None:
        self.corpus = corpus
        self.index = index

    def search(self, query: Picture, tally: Tally) -> list[Match]:
        """Matches that the search shows, the best of each picture."""
        began = time.perf_counter()
        found = best_of_each(match(QueryPatches.of(query), self.index))
        tally.seconds.append(time.perf_counter() - began)
        best = max((one.share for one in found if one.claimed), default=0.0)
        least = {PartRelation.WHOLE: AS_GOOD * best}
        return [
            one
            for one in found
            if (one.share >= least.get(one.relation, 0.0) if one.claimed else one.weight >= SHARING_WEIGHT)
        ]

    def equal(self, query: Picture, one: Match) -> float:
        """Share of equal pixels, of those opaque in both, where a match says that they are; 0 where it is turned."""
        other = self.corpus.pictures.get(self.index.key(one.picture))
        if other is None or one.orientation:
            return 0.0
        x, y, width, height = one.query_box
        part = query[y : y + height, x : x + width]
        x, y, width, height = one.picture_box
        other = other[y : y + height, x : x + width]
        if one.scale >= 1:
            part = part[:: round(one.scale), :: round(one.scale)]
        else:
            other = other[:: round(1 / one.scale), :: round(1 / one.scale)]
        rows, columns = min(len(part), len(other)), min(part.shape[1], other.shape[1])
        part, other = part[:rows, :columns], other[:rows, :columns]
        opaque = (part[..., 3] == 255) & (other[..., 3] == 255)
        return float((part == other).all(-1)[opaque].mean()) if opaque.any() else 0.0

    def one(self, query: Picture, key: str, tally: Tally, box: tuple[int, int, int, int] | None = None) -> None:
        """Search for a query whose source is known, and where it is in it."""
        found = self.search(query, tally)
        best = found[0] if found else None
        mine = best is not None and self.index.key(best.picture) == key
        tally.first.append(mine or (best is not None and self.equal(query, best) >= _ALIKE))
        tally.claimed.append(any(one.claimed and self.index.key(one.picture) == key for one in found))
        tally.false += any(
            one.claimed and self.index.key(one.picture) != key and not one.orientation and self.equal(query, one) < 0.5
            for one in found
        )
        if box is not None:
            tally.placed.append(
                best is not None and ((mine and _same(best.picture_box, box)) or self.equal(query, best) >= _ALIKE)
            )


def _same(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    x = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    y = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    shared = max(x, 0) * max(y, 0)
    return shared > 0.8 * (box[2] * box[3] + other[2] * other[3] - shared)


def from_sheets(bench: Bench, tried: int, edit: Callable[[Picture], Picture]) -> Tally:
    """Sprites cut from sheets of the folder, each after an edit; the same ones for each edit."""
    tally = Tally()
    random = np.random.default_rng(3)
    sheets = []
    for key, rgba in bench.corpus.pictures.items():
        if rgba.shape[0] * rgba.shape[1] >= 96 * 96:
            boxes = [box for box in sprites(rgba) if min(box[2:]) >= 12]
            if len(boxes) >= 6:
                sheets.append((key, boxes))
    for n in range(tried if sheets else 0):
        key, boxes = sheets[n % len(sheets)]
        x, y, width, height = boxes[random.integers(len(boxes))]
        sprite = bench.corpus.pictures[key][y : y + height, x : x + width].copy()
        bench.one(edit(sprite), key, tally, (x, y, width, height))
    return tally


def edited(bench: Bench, keys: Sequence[str], edit: Callable[[Picture], Picture]) -> Tally:
    """Pictures of the folder, each after an edit."""
    tally = Tally()
    for key in keys:
        bench.one(np.ascontiguousarray(edit(bench.corpus.pictures[key])), key, tally)
    return tally


def in_scenes(bench: Bench, grounds: Sequence[Picture], random: np.random.Generator, tried: int) -> tuple[Tally, Tally]:
    """Five sprites in a scene, a third of them enlarged: the last of them in the whole, and in a box around it."""
    whole, boxed = Tally(), Tally()
    of = bench.corpus.of
    small = [
        key for key, rgba in bench.corpus.pictures.items()
        if 16 <= min(rgba.shape[:2]) <= max(rgba.shape[:2]) <= 100 and of[key].opaque.sum() * of[key].step >= ENOUGH
    ]  # fmt: skip
    for _ in range(tried if len(small) >= 5 and grounds else 0):
        scene = grounds[int(random.integers(len(grounds)))][:400, :400].copy()
        chosen = [small[n] for n in random.choice(len(small), 5, replace=False)]
        for key in chosen:
            rgba = bench.corpus.pictures[key]
            rgba = enlarged(rgba) if random.random() < 1 / 3 else rgba
            height, width = rgba.shape[:2]
            if height > scene.shape[0] or width > scene.shape[1]:
                continue
            x, y = (int(random.integers(room + 1)) for room in (scene.shape[1] - width, scene.shape[0] - height))
            pasted(scene, rgba, x, y)
        bench.one(scene, chosen[-1], whole)
        found = [bench.index.key(one.picture) for one in bench.search(scene, Tally())[:10]]
        whole.first[-1] = chosen[-1] in found  # of five, any may be the first
        margin = max(2, max(height, width) // 6)
        box = scene[max(0, y - margin) : y + height + margin, max(0, x - margin) : x + width + margin]
        bench.one(np.ascontiguousarray(box), chosen[-1], boxed)
    return whole, boxed


def of_strangers(bench: Bench, keys: Sequence[str], random: np.random.Generator, tried: int) -> Tally:
    """Sheets of 8 x 8 pictures of the folder: each of them is to be named."""
    tally = Tally()
    small = [key for key in keys if max(bench.corpus.pictures[key].shape[:2]) <= 64]
    for _ in range(tried if len(small) >= 64 else 0):
        sheet = np.zeros((512, 512, 4), np.uint8)
        chosen = [small[n] for n in random.choice(len(small), 64, replace=False)]
        for n, key in enumerate(chosen):
            rgba = bench.corpus.pictures[key]
            x, y = n % 8 * 64, n // 8 * 64
            sheet[y : y + rgba.shape[0], x : x + rgba.shape[1]] = rgba
        found = {bench.index.key(one.picture) for one in bench.search(sheet, tally) if one.claimed}
        tally.claimed += [key in found for key in chosen]
        tally.first += [key in found for key in chosen]
    return tally


def filled(folder: Path, real: Sequence[tuple[str, Patches]], count: int) -> list[Run]:
    """Runs of so many pictures: the real ones, and made-up ones with as many patches, of other hashes."""
    random = np.random.default_rng(7)
    runs = [write_run(folder, list(real))]
    for start in range(len(real), count, _CHUNK):
        made = []
        for n in range(start, min(start + _CHUNK, count)):
            like = real[n % len(real)][1]
            hashes = random.integers(0, 1 << 63, len(like), np.uint64) << np.uint64(1)
            made.append((hashlib.sha256(f"made {n}".encode()).hexdigest(), _with_hashes(like, hashes)))
        runs.append(write_run(folder, made))
    if len(runs) < 3:
        return runs
    # As publications merge: one large run, and the newest, small one.
    merged = merge_runs(folder, runs[:-1], [np.ones(len(run.keys), np.bool_) for run in runs[:-1]])
    for run in runs[:-1]:
        shutil.rmtree(run.path)
    return [merged, runs[-1]]


def _with_hashes(like: Patches, hashes: NDArray[np.uint64]) -> Patches:
    return Patches(hashes, like.x, like.y, like.opaque, like.width, like.height, like.enlarged, like.step)


def on_white(rgba: Picture) -> Picture:
    """The picture in the middle of a white ground."""
    made = np.full((rgba.shape[0] + 40, rgba.shape[1] + 40, 4), 255, np.uint8)
    pasted(made, rgba, 20, 20)
    return made


def flattened(rgba: Picture) -> Picture:
    """The picture on white, no larger than it is."""
    made = np.full_like(rgba, 255)
    pasted(made, rgba, 0, 0)
    return made


def in_a_corner(rgba: Picture, grounds: Sequence[Picture]) -> Picture:
    """The picture upon a scene; alone where it is too large for any."""
    for scene in grounds:
        if rgba.shape[0] <= scene.shape[0] and rgba.shape[1] <= scene.shape[1]:
            made = scene[:400, :400].copy()
            pasted(made, rgba[:400, :400], 0, 0)
            return made
    return rgba


def report(
    bench: Bench, absent: dict[str, Picture], grounds: Sequence[Picture], tried: int, *, only_sheets: bool = False
) -> None:
    """Print the table of hits, and the false claims."""
    random = np.random.default_rng(3)
    fitting = [
        key for key, rgba in bench.corpus.pictures.items() if 16 <= min(rgba.shape[:2]) <= max(rgba.shape) <= 400
    ]
    keys = [fitting[n] for n in random.permutation(len(fitting))[:tried]]

    def crop(rgba: Picture) -> Picture:
        height, width = (round(side * 0.775) for side in rgba.shape[:2])
        y, x = (int(random.integers(room + 1)) for room in (rgba.shape[0] - height, rgba.shape[1] - width))
        return rgba[y : y + height, x : x + width]

    print("| query | tried | first | place right | claimed | with a false claim | ms p50 | ms p95 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    print(from_sheets(bench, tried, lambda rgba: rgba).row("sprite cut from a sheet"))
    print(from_sheets(bench, tried, flattened).row("the same, on white"))
    print(from_sheets(bench, tried, lambda rgba: in_a_corner(rgba, grounds)).row("the same, in a scene"))
    if only_sheets:
        return
    for name, edit in (
        ("cropped to 60 %", crop),
        ("enlarged x2", enlarged),
        ("mirrored", lambda rgba: rgba[:, ::-1]),
        ("turned", lambda rgba: np.rot90(rgba)),
        ("on white", on_white),
    ):
        print(edited(bench, keys, edit).row(name))
    whole, boxed = in_scenes(bench, grounds, random, tried)
    print(whole.row("in a scene (first: among ten)"))
    print(boxed.row("in a scene, boxed"))
    print(of_strangers(bench, fitting, random, max(1, tried // 20)).row("each of a sheet of 64 strangers"))
    tally = Tally()
    claims = [[one for one in bench.search(rgba, tally) if one.claimed] for rgba in absent.values()]
    equal = sum(
        all(bench.equal(rgba, one) >= _ALIKE for one in found) and bool(found)
        for rgba, found in zip(absent.values(), claims, strict=True)
    )
    wrong = sum(map(bool, claims))
    ms = 1000 * np.array(tally.seconds or [0.0])
    print(
        f"\n{len(absent)} absent pictures: {wrong} with a claim ({wrong / max(len(absent), 1):.4f}), of which {equal}"
        f" are of equal pixels; {np.median(ms):.0f} ms (p50), {np.percentile(ms, 95):.0f} ms (p95)"
    )


def lookups(index: PatchRuns, queries: Sequence[Picture]) -> None:
    """Print what one search costs beside hashing, and the hashing."""
    hashing, searching = [], []
    for rgba in queries:
        began = time.perf_counter()
        query = QueryPatches.of(rgba)
        middle = time.perf_counter()
        match(query, index)
        hashing.append(middle - began)
        searching.append(time.perf_counter() - middle)
    for name, seconds in (("hashing, once a picture", hashing), ("searching", searching)):
        ms = 1000 * np.array(seconds)
        print(f"  {name}: {np.median(ms):.1f} ms (p50), {np.percentile(ms, 95):.1f} ms (p95)")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ART, help="pictures to index (default: the demo's)")
    parser.add_argument("--absent", type=Path, help="pictures of other art; without it no false claims are counted")
    parser.add_argument("--most", type=int, default=3000, help="pictures that are indexed")
    parser.add_argument("--tried", type=int, default=150, help="queries of each kind")
    parser.add_argument("--only-sheets", action="store_true", help="try only sprites cut from sheets")
    parser.add_argument("--scale", type=int, default=0, help="size of an index to measure, filled with made-up patches")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {_cpu()}")
    corpus = Corpus(read(options.folder, options.most, 1))
    if not corpus.pictures:
        raise SystemExit(f"{options.folder} holds no picture. Give the folder of your pictures.")
    began = time.perf_counter()
    corpus.of = {key: patches(rgba) for key, rgba in corpus.pictures.items()}
    each = 1000 * (time.perf_counter() - began) / len(corpus.of)
    counts = np.array([len(found) for found in corpus.of.values()])
    print(
        f"{len(counts)} pictures: {each:.1f} ms each, {counts.mean():.0f} patches on average ({np.median(counts):.0f}"
        f" the median, steps from {DENSEST}, at most {ASKED} asked), {np.mean(counts == 0):.3f} have none"
    )
    absent = read(options.absent, 1000, 2) if options.absent else {}
    opaque = [rgba for rgba in (absent or corpus.pictures).values()
              if min(rgba.shape[:2]) >= 200 and (rgba[..., 3] == 255).all()]  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        real = list(corpus.of.items())
        runs = [write_run(Path(scratch) / "real", real)]
        print(f"index: {runs[0].nbytes / len(real) / 1000:.1f} KB a picture")
        report(Bench(corpus, PatchRuns(runs)), absent, opaque, options.tried, only_sheets=options.only_sheets)
        if options.scale:
            began = time.perf_counter()
            runs = filled(Path(scratch) / "large", real, options.scale)
            built = time.perf_counter() - began
            size = sum(run.nbytes for run in runs)
            index = PatchRuns(runs)
            print(
                f"\n{index.pictures:,} pictures, {len(index):,} patches: {size / 1e6:,.0f} MB (500,000 pictures:"
                f" {size / index.pictures * 500_000 / 1e9:.1f} GB), written and merged in {built:.0f} s"
            )
            fitting = [rgba for rgba in corpus.pictures.values() if max(rgba.shape[:2]) <= 512][:200]
            lookups(index, [*fitting, *list(absent.values())[:200]])


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")


if __name__ == "__main__":
    main()
