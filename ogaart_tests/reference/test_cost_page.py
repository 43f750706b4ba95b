"""docs/cost.md is what its benchmark makes of the kept measurement."""

import json

from benchmarks import cost


def test_the_page_is_made_from_the_kept_measurement() -> None:
    kept, gpu = (json.loads(path.read_text(encoding="utf-8")) for path in (cost.KEPT, cost.ON_GPU))

    assert cost.page(kept, gpu, cost.Prices()) == cost.DOCS.read_text(encoding="utf-8")


def test_embedding_is_pictures_times_the_measured_time() -> None:
    kept, gpu = (json.loads(path.read_text(encoding="utf-8")) for path in (cost.KEPT, cost.ON_GPU))
    hours = 450_000 * kept["vgg16"]["measured"]["ncnn"]["milliseconds"] / 1000 / 3600 / 2

    rows = cost.site_table(kept, gpu, cost.Prices())

    assert f"| {hours:.1f} h |" in rows[2]
    assert cost.crawl(cost.ENTRIES, 4096).images == 450_000
