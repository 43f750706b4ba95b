"""ogaart doctor: what is there, what is missing, how to get it, and its exit code."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main


def test_it_names_what_is_missing_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path))
    monkeypatch.setenv("OGAART_MODEL", "efficientnet_lite0")
    monkeypatch.setenv("OGAART_QUERIES", str(tmp_path / "none.toml"))

    result = CliRunner().invoke(main, ["doctor", "--json"])

    findings = {f["name"]: f for f in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert not findings["queries"]["ok"]
    assert "OGAART_QUERIES" in findings["queries"]["detail"]
    assert findings["libarchive"]["ok"]
    assert findings["data root"]["ok"]


def test_it_is_content_where_all_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path))
    monkeypatch.setenv("OGAART_MODEL", "efficientnet_lite0")
    monkeypatch.setenv("OGAART_QUERIES", str(Path(__file__).parents[2] / "queries.toml"))

    result = CliRunner().invoke(main, ["doctor"])

    assert result.exit_code == 0, result.output
    assert "ok      weights of efficientnet_lite0" in result.stdout
