"""docs/cost.md is what its benchmark makes of the kept measurement."""

import json

import pytest

from benchmarks import cost


def test_the_page_is_made_from_the_kept_measurement() -> None:
    kept, gpu, runs = (json.loads(path.read_text(encoding="utf-8")) for path in (cost.KEPT, cost.ON_GPU, cost.IN_RUNS))

    assert cost.page(kept, gpu, runs, cost.Prices()) == cost.DOCS.read_text(encoding="utf-8")


def test_embedding_is_pictures_times_the_measured_time() -> None:
    kept, gpu, runs = (json.loads(path.read_text(encoding="utf-8")) for path in (cost.KEPT, cost.ON_GPU, cost.IN_RUNS))
    hours = 450_000 * kept["vgg16"]["measured"]["ncnn"]["milliseconds"] / 1000 / 3600 / 2

    rows = cost.site_table(kept, gpu, runs, cost.Prices())

    assert f"| {hours:.1f} h |" in rows[2]
    assert cost.crawl(cost.ENTRIES, 4096).images == 450_000


def test_describing_is_what_the_step_takes_beside_the_model() -> None:
    kept = {"tiny": {"chosen": "torch", "measured": {"torch": {"milliseconds": 10.0}}}}
    step = {"cpu": 5.0, "beside": 1.0}  # of which 2 s whatever is in it: 40 ms for each of 100 pictures
    calibration = {"images": 300, "partitions": 3, "steps": {"embeddings": step}, "fixed": {"embeddings": 2.0}}

    described = cost.describing_milliseconds(kept, {"setting": {"model": "tiny"}, "calibration": calibration})

    assert described == pytest.approx(30.0)
