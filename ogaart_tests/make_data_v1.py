"""Make ``data_v1.tar.xz``: a small data root as this version leaves it, to be opened by the tests of later versions.

    .venv/bin/python -m ogaart_tests.make_data_v1

Run it only before a first release, or to begin a file for a new format beside the old one; the old one stays.
"""

import os
import sys
import tarfile
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console

from ogaart.core.states import EntryStatus
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.operations import runs
from ogaart.settings import Settings
from ogaart_tests.changing_site import ChangingSite

ARCHIVE = Path(__file__).parent / "data_v1.tar.xz"
PORT = 8479  # part of every URL in the rows
QUERIES = '[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = 3\n'
ENTRIES = 4
LEFT_OUT = {"dagster", "locks", "scratch", "owner.json"}
"""What belongs to a host or a moment; the instance is Dagster's to upgrade."""


def small_site() -> DemoContent:
    """The demo's smallest entries that have pictures, an archive among them."""
    whole = plan.load()
    art = [e for e in whole.entries if e.status is EntryStatus.OK and e.art_type == "2D Art"]
    art = [e for e in art if any(f.pictures for f in e.files) and not any(f.missing or f.planted for f in e.files)]
    art.sort(key=lambda entry: sum(len(file.data) for file in entry.files))
    packed = [e for e in art if any(f.pictures and f.pictures[0].member_path for f in e.files)]
    chosen = {entry.slug: entry for entry in (*packed[:2], *art[: ENTRIES - 1])}
    return DemoContent(list(chosen.values())[:ENTRIES])


def environment(folder: Path) -> dict[str, str]:
    """The settings under which the data root was made."""
    (folder / "queries.toml").write_text(QUERIES)
    return {
        "OGAART_DATA": str(folder / "data"),
        "OGAART_SITE": f"http://127.0.0.1:{PORT}",
        "OGAART_QUERIES": str(folder / "queries.toml"),
        "OGAART_MODEL": "efficientnet_lite0",
    }


def without_copy(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out the publication's copy of the collection: it is the working one's twin, 160 MB of holes."""
    parts = Path(member.name).parts
    return None if parts[1:2] == ("generations",) and parts[3:4] == ("index",) else member


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, ChangingSite(port=PORT, site=small_site()):
        folder = Path(scratch)
        os.environ.update(environment(folder))
        settings, console = Settings(), Console(file=StringIO())
        for report in (
            runs.discover(settings, console),
            runs.materialize(settings, console, None),
            runs.publish(settings, console),
        ):
            if report.errors:
                sys.exit("\n".join(report.errors))
        with tarfile.open(ARCHIVE, "w:xz") as archive:
            for path in sorted((folder / "data").iterdir()):
                if path.name not in LEFT_OUT:
                    archive.add(path, f"data/{path.name}", filter=without_copy)
    sys.stdout.write(f"{ARCHIVE}: {ARCHIVE.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
