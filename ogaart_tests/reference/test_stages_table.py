"""The tables of docs/performance.md are those that the kept measurements make."""

import json

from benchmarks import gpu, stages


def test_the_table_of_stages_is_made_from_the_kept_measurement() -> None:
    kept = json.loads(stages.KEPT.read_text(encoding="utf-8"))

    assert stages.table(kept) in stages.DOCS.read_text(encoding="utf-8")
    assert stages.write_table(kept) == stages.DOCS.read_text(encoding="utf-8")


def test_the_table_of_the_gpu_is_made_from_the_kept_measurement() -> None:
    kept = json.loads(gpu.KEPT.read_text(encoding="utf-8"))

    assert gpu.table(kept) in gpu.PAGE.read_text(encoding="utf-8")
