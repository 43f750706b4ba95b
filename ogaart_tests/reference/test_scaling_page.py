"""docs/scaling.md is what its benchmark makes of the kept measurements."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import scaling
from benchmarks.scale import sizes
from benchmarks.scale.sizes import Assumed, Rates
from benchmarks.scale.tables import compared
from benchmarks.scale_simulation import WORKERS, predicted

DOCS = Path(__file__).resolve().parents[2] / "docs"


def stated(page: str, pattern: str) -> list[float]:
    """The numbers that a page of the docs states, in the one place that the pattern describes."""
    [found] = re.findall(pattern, (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    return [float(number.replace(",", "")) for number in ([found] if isinstance(found, str) else found)]


def test_the_page_is_made_from_the_kept_measurements() -> None:
    made = scaling.page(scaling.sources(Assumed()))

    assert made == scaling.DOCS.read_text(encoding="utf-8")


def test_what_was_predicted_is_what_the_simulation_says() -> None:
    kept = scaling.sources(Assumed()).kept

    assert kept["predicted"] == {str(workers): predicted(kept, workers) for workers in WORKERS}
    assert len(compared(kept)) == 2 + len(WORKERS)


def test_the_memory_of_a_collection_is_its_codes_and_links() -> None:
    # 4,096 numbers of 2 bits are 1,024 bytes; 32 links of 4 bytes and a 16th more are 136.
    assert sizes.memory(1_000_000, 4_096) == pytest.approx(1.160)


def test_a_site_read_at_its_delay_takes_as_long_on_any_machine() -> None:
    source = scaling.sources(Assumed())
    cost = source.costs("efficientnet_lite0")
    delays = sizes.site("efficientnet_lite0").hours_at_delay

    hours = [sizes.first_crawl(cost, machine, 0.1).seconds / 3600 for machine in sizes.machines(source.gpu)[:2]]

    assert hours == pytest.approx([delays, delays], rel=0.02)


def test_its_rates_are_those_that_other_pages_state() -> None:
    points, index = stated(
        "performance.md", r"([\d,]+) points of 4,096 numbers: in 16 steps.{1,99}at once ([\d.]+) CPU s"
    )
    pictures, full = stated(
        "performance.md", r"([\d,]+) pictures, of which 4,608 are new,.{1,700}\n\| the same in full \| ([\d.]+) "
    )
    [written] = stated("performance.md", r"\n\| one partition more \|[^\n]* ([\d,]+) \|\n")
    [patches] = stated("performance.md", r"100,000 made pictures with [\d.]+ million patches \((\d+) MiB\)")
    [search] = stated("performance.md", r"two cores are (\d+) ms of CPU time for each")
    [fused] = stated("search.md", r"\(`fused/`, (\d+) MiB for 100,000 pictures\)")

    expected = {
        "index_ms": index / points * 1_000,
        "publish_ms": full / pictures * 1_000,
        "publish_bytes": written * 1e6 / pictures,
        "patch_bytes": patches * 2**20 / 100_000,
        "search_ms": search,
        "fused_bytes": fused * 2**20 / 100_000,
    }
    assert asdict(Rates()) == pytest.approx(expected)
