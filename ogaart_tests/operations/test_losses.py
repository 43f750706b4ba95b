"""The line that ends ``ogaart materialize`` where runs succeeded and something in them failed."""

from ogaart.core.report import Report
from ogaart.operations.runs import losses


def test_failures_are_counted_by_asset_with_the_command_that_shows_them() -> None:
    report = Report(("partition", "asset", "failed"))
    report.rows = [
        {"partition": "2d-art/0000", "asset": "raw_files", "failed": 2},
        {"partition": "2d-art/0001", "asset": "raw_files", "failed": 1},
        {"partition": "2d-art/0001", "asset": "extracted_images", "failed": 1_200},
        {"partition": "2d-art/0001", "asset": "embeddings", "failed": 0},
    ]

    [line] = losses(report)

    assert line.startswith("1,203 failures (raw_files 3, extracted_images 1,200).")
    assert "`ogaart retry --where true --dry-run`" in line


def test_no_line_where_nothing_failed() -> None:
    assert losses(Report(("asset", "failed"), rows=[{"asset": "raw_files", "failed": 0}])) == []
