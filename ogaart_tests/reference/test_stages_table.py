"""The table of single stages in docs/performance.md is the one that the kept measurement makes."""

import json

from benchmarks import stages


def test_the_table_of_stages_is_made_from_the_kept_measurement() -> None:
    kept = json.loads(stages.KEPT.read_text(encoding="utf-8"))

    assert stages.table(kept) in stages.DOCS.read_text(encoding="utf-8")
    assert stages.write_table(kept) == stages.DOCS.read_text(encoding="utf-8")
