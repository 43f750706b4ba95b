"""docs/cost.md is what its benchmark makes of the kept measurement."""

import json

from benchmarks import cost


def test_the_page_is_made_from_the_kept_measurement() -> None:
    kept = json.loads(cost.KEPT.read_text(encoding="utf-8"))

    assert cost.page(kept, cost.Prices()) == cost.DOCS.read_text(encoding="utf-8")


def test_embedding_is_pictures_times_the_measured_time() -> None:
    kept = json.loads(cost.KEPT.read_text(encoding="utf-8"))
    hours = 450_000 * kept["vgg16"]["measured"]["ncnn"]["milliseconds"] / 1000 / 3600 / 2

    rows = cost.site_table(kept, cost.Prices())

    assert f"| {hours:.1f} h |" in rows[2]
    assert cost.crawl(cost.ENTRIES, 4096).images == 450_000
