"""Reports at a terminal: nothing cut off, and no thousand lines that say the same."""

from collections.abc import Sequence
from typing import Any

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.cli.terminal import finish
from ogaart.core.report import Report


def printed(rows: Sequence[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit):
        finish(Report(("what", "where", "problem", "requests"), rows=list(rows)), as_json=False)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_a_message_of_many_items_names_a_few(capsys: pytest.CaptureFixture[str]) -> None:
    alike = [{"what": "rows", "where": str(n), "problem": "gone", "requests": 1} for n in range(1200)]
    one = {"what": "blob", "where": "x", "problem": "gone", "requests": 1}

    lines = printed([*alike, one, *alike[:4]], capsys)

    assert lines[1:5] == [
        "rows 0 gone 1",
        "rows 1 gone 1",
        "rows 2 gone 1",
        "rows and 1,197 more (--json names all) gone 1",
    ]
    assert lines[5:] == ["blob x gone 1", "rows 0 gone 1", "rows 1 gone 1", "rows 2 gone 1", "rows 3 gone 1"]


def test_sentences_wrap_in_a_pipe_and_paths_stay_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    where = "/a/long/path/" * 12

    lines = printed([{"what": "[b]table[/b]", "where": where, "problem": "torn " * 30, "requests": 0}], capsys)

    assert lines[1].startswith(f"[b]table[/b] {where} torn torn ")
    assert lines[1].endswith(" 0")
    assert len(lines) == 4
    assert " ".join(lines[1:]).count("torn") == 30


def test_a_setting_that_cannot_be_meant_is_named_as_it_is_set() -> None:
    wrong = {"OGAART_MAX_PIXELS": "many", "OGAART_SITE": "nonsense"}

    said = CliRunner().invoke(main, ["discover"], env=wrong)

    assert said.exit_code == 2
    assert "OGAART_MAX_PIXELS='many': Input should be a valid integer" in said.output
    assert "OGAART_SITE='nonsense': expected a base URL" in said.output
    assert "pydantic" not in said.output
