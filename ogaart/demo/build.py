"""Write the demo's site with its truth into a folder: ``python -m ogaart.demo.build DEST [--copies N]``."""

import argparse
import json
from pathlib import Path

from ogaart.core.states import EntryStatus
from ogaart.demo import plan, truth
from ogaart.demo.model import OGA, DemoContent
from ogaart.demo.pages import DemoSearch, Pages

PER_PAGE = 24
_FIXED_DOM_ID = "0" * 32


def build(dest: Path, copies: int = 1) -> DemoContent:
    """Write pages, files and truth, the same bytes every time, and return the site.

    Layout: ``listing/0000.html`` (2D art, oldest first), ``content/<nid>.html``, ``files/<fid>``, ``truth.json``.

    Raises:
        FileExistsError: the folder exists already; pass a new one.
    """
    site = plan.load(copies=copies)
    pages = Pages(OGA, PER_PAGE)
    for name in ("listing", "content", "files"):
        (dest / name).mkdir(parents=True)
    for number in range(-(-len(truth.tell(site)["listing"]) // PER_PAGE)):
        search = DemoSearch(listing_params(number))
        (dest / "listing" / f"{number:04d}.html").write_bytes(pages.search(site, search, _FIXED_DOM_ID))
    for entry in site.entries:
        if entry.status not in (EntryStatus.DELETED, EntryStatus.PRIVATE, EntryStatus.NOT_ART):
            (dest / "content" / f"{entry.nid}.html").write_bytes(pages.entry(entry))
        for file in entry.files:
            if not file.missing:
                (dest / "files" / str(file.fid)).write_bytes(file.data)
    text = json.dumps(truth.tell(site), ensure_ascii=False, indent=1, sort_keys=True)
    (dest / "truth.json").write_text(text + "\n", "utf-8")
    return site


def listing_params(page: int, per_page: int = PER_PAGE) -> tuple[tuple[str, str], ...]:
    """Return the search parameters of one page of all 2D art, oldest first."""
    return (
        ("keys", ""),
        ("field_art_type_tid[]", "9"),
        ("sort_by", "created"),
        ("sort_order", "ASC"),
        ("items_per_page", str(per_page)),
        ("page", str(page)),
    )


def main() -> None:
    """Build into the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dest", type=Path, help="a folder that is not there yet")
    parser.add_argument("--copies", type=int, default=1, help="how many times as large")
    arguments = parser.parse_args()
    site = build(arguments.dest, arguments.copies)
    told = truth.tell(site)
    counts = ", ".join(f"{len(rows)} {name}" for name, rows in told.items())
    print(f"{arguments.dest}: {counts}")


if __name__ == "__main__":
    main()
