"""docs/scaling.md is what its benchmark makes of the kept measurements."""

import pytest

from benchmarks import scaling
from benchmarks.scale import sizes
from benchmarks.scale.sizes import Assumed
from benchmarks.scale.tables import compared
from benchmarks.scale_simulation import WORKERS, predicted


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
