"""Fits the projection of fused vectors that comes with the package, to art of Debian's game packages.

    .venv/bin/python -m benchmarks.default_projection FOLDER [--check]

Downloads the packages below into FOLDER (``apt-get download``, 1 GB; Debian 12), takes their small pictures from them,
embeds a sample with EfficientNet-Lite0, describes it by its parts, and writes
``ogaart/resources/embedding/efficientnet_lite0.npz``. It says first how many of these files are in the demo's art;
``--check`` ends there. The packages are others than those of ``benchmarks.likeness_groups``.
About half an hour of one core; a second run continues where the first was ended.
"""

import argparse
import hashlib
import random
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ogaart.demo.plan import Art
from ogaart.likeness import parts
from ogaart.likeness.projections import Fitting
from ogaart.resources.embedding.batches import EmbedderInput
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.embedding.projections import DEFAULT
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings

PACKAGES: tuple[tuple[str, str, int], ...] = (
    # package, version, most pictures taken
    ("wesnoth-1.16-data", "1:1.16.9-1", 1900),
    ("supertux-data", "0.6.3-2", 1100),
    ("fillets-ng-data", "1.0.1-1.1", 1000),
    ("freeciv-data", "3.0.6-1+deb12u1", 900),
    ("endless-sky-data", "0.9.8-1.2", 900),
    ("enigma-data", "1.20-dfsg.1-2.2", 600),
    ("frozen-bubble-data", "2.212-11", 400),
    ("boswars-data", "2.7+svn160110-5", 600),
    ("pysiogame", "4.20.01-1", 400),
    ("warmux-data", "1:11.04.1+repack2-4", 700),
    ("triplea", "1.9.0.0.7062-2", 500),
    ("lincity-ng-data", "2.9~git20150314-5", 500),
    ("blobwars-data", "2.00-2", 500),
    ("teeworlds-data", "0.7.5-2", 400),
    ("pathological", "1.1.3-17", 130),
    ("bomberclone-data", "0.11.9-7.1", 120),
    ("lbreakout2-data", "2.6.5-2", 110),
    ("manaplus-data", "2.1.3.17-5", 90),
    ("berusky-data", "1.7-5", 80),
    ("amoebax-data", "0.2.1+dfsg-6", 70),
    ("solarwolf", "1.5+dfsg1-6", 70),
    ("lordsawar-data", "0.3.2+frogknows-1", 60),
    ("crawl-tiles-data", "2:0.28.0-1.1", 40),
    ("caveexpress-data", "2.5.2-1", 30),
    ("biniax2-data", "1.30-7", 24),
    ("khangman", "4:22.12.3-1", 24),
)
TAKEN = 10_880
"""Pictures of the shuffled sample that are read; 10,725 of them are readable."""
LARGEST = 300_000  # bytes of a file
SUFFIXES = frozenset({".png", ".jpg", ".gif", ".bmp"})
PASSED_OVER = ("/icons/", "/doc/", "font")
TARGET = Path(__file__).parents[1] / "ogaart" / "resources" / "embedding" / DEFAULT


def download(folder: Path, packages: tuple[tuple[str, str, int], ...] = PACKAGES) -> None:
    """Fetch the packages that are missing, and take their pictures out."""
    for package, version, _ in packages:
        art = folder / "art" / package
        if art.is_dir():
            continue
        subprocess.run(["apt-get", "download", f"{package}={version}"], cwd=folder, check=True)
        [deb] = folder.glob(f"{package}_*.deb")
        draft = folder / "art" / f".{package}"
        with (
            subprocess.Popen(["dpkg", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as files,
            tarfile.open(fileobj=files.stdout, mode="r|") as archive,
        ):
            for member in archive:
                if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                    archive.extract(member, draft, filter="data")
        draft.rename(art)


def sample(folder: Path) -> list[Path]:
    """The pictures that are read, the same for the same packages."""
    chosen: list[Path] = []
    for package, _, most in PACKAGES:
        found = [path for path in sorted((folder / "art" / package).rglob("*")) if is_taken(path, folder)]
        random.Random(package).shuffle(found)
        chosen += found[:most]
    random.Random(1).shuffle(chosen)
    return chosen[:TAKEN]


def is_taken(path: Path, folder: Path) -> bool:
    """Whether a file is a small picture of the game itself."""
    fits = path.is_file() and path.suffix.lower() in SUFFIXES and path.stat().st_size < LARGEST
    return fits and not any(part in str(path.relative_to(folder)) for part in PASSED_OVER)


def of_the_demo(paths: Iterable[Path]) -> list[Path]:
    """Those of some files that are files of the demo's art, byte for byte."""
    art = {row["sha256"] for row in Art().manifest.values()}
    return [path for path in paths if hashlib.sha256(path.read_bytes()).hexdigest() in art]


def main() -> None:
    """Download, read, fit, write."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--target", type=Path, default=TARGET, help="the file to write (default: the package's own)")
    arguments.add_argument("--check", action="store_true", help="only say how many of the pictures are in the demo")
    options = arguments.parse_args()
    folder: Path = options.folder.resolve()
    target: Path = options.target
    (folder / "art").mkdir(parents=True, exist_ok=True)
    download(folder)
    paths = sample(folder)
    print(f"{len(paths):,} pictures of {len(PACKAGES)} packages; {len(of_the_demo(paths))} are in the demo", flush=True)
    if options.check:
        return
    settings = Settings(data=folder / "data", model="efficientnet_lite0", max_pixels=16_000_000)
    with Embedder(settings) as embedder:
        space = embedder.space.name
        vectors, derived = Vectors(folder / "vectors", space), DerivedBytes(folder / "derived", parts.SPACE)
        held = vectors.keys() & derived.keys()

        def pictures() -> Iterator[EmbedderInput]:
            for path in paths:
                key = str(path.relative_to(folder))
                if key not in held:
                    yield EmbedderInput(key, path, True, (parts.SPACE,))

        for batch in embedder.read(pictures()):
            if batch.keys:
                vectors.add(batch.keys, batch.vectors, batch.norms)
            if content := batch.derived.get(parts.SPACE):
                derived.add(content)
    fitting = Fitting(space)
    keys = sorted(vectors.keys() & derived.keys())
    for start in range(0, len(keys), 512):
        some = keys[start : start + 512]
        contents = derived.get(some)
        raw = np.frombuffer(b"".join(contents[key] for key in some), np.uint8).reshape(len(some), parts.RAW_BYTES)
        fitting.add(vectors.get(some), raw)
    projection = fitting.finish()
    target.write_bytes(projection.to_bytes())
    print(
        f"{projection.name}: {projection.pictures:,} pictures, {projection.dimension} numbers, "
        f"{target.stat().st_size:,} bytes"
    )


if __name__ == "__main__":
    main()
