"""The tables of docs/performance.md are those that the kept measurements make."""

import json

from benchmarks import bench, gpu, stages


def test_the_table_of_stages_is_made_from_the_kept_measurement() -> None:
    kept = json.loads(stages.KEPT.read_text(encoding="utf-8"))

    assert stages.table(kept) in stages.DOCS.read_text(encoding="utf-8")
    assert stages.write_table(kept) == stages.DOCS.read_text(encoding="utf-8")


def test_the_table_of_the_gpu_is_made_from_the_kept_measurement() -> None:
    kept = json.loads(gpu.KEPT.read_text(encoding="utf-8"))

    assert gpu.table(kept) in gpu.PAGE.read_text(encoding="utf-8")


def test_the_table_of_every_stage_is_made_from_what_is_kept() -> None:
    kept = json.loads(bench.KEPT.read_text(encoding="utf-8"))

    assert bench.write_table(kept) == bench.DOCS.read_text(encoding="utf-8")


def test_a_row_says_by_how_much_it_falls_short() -> None:
    ratio = bench.Row("Decoding", "a loop 4.5 ms", "4.3 ms", 1.05, 1.5, least=True)
    memory = bench.Row("Memory", "", "1,009 MiB", 1_009, 1_000)

    assert ratio.cells() == "| Decoding | a loop 4.5 ms | 4.3 ms | 1.05 | ≥ 1.5 | **not reached**, short by 0.45 |"
    assert memory.cells() == "| Memory |  | 1,009 MiB | 1,009 | ≤ 1,000 | **not reached**, over by 9 |"


def test_what_is_not_measured_is_said() -> None:
    assert "`keys`: not measured." in bench.table({})
