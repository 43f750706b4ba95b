"""Rows and Dagster's history are under one data root, or Dagster does not load the project."""

from pathlib import Path

import pytest

from ogaart.definitions import defs
from ogaart.orchestration.instance import prepare_home
from ogaart.resources.storage.data_root import DataRootRefused
from ogaart.settings import Settings


def test_a_data_root_that_is_set_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "project" / "data" / "dagster"))
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "elsewhere"))

    with pytest.raises(DataRootRefused, match=rf"set DAGSTER_HOME={tmp_path}/elsewhere/dagster"):
        defs()

    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_set_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))

    with pytest.raises(DataRootRefused, match="in two places"):
        defs()


def test_one_root_loads_however_its_path_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / "dagster").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "link"))
    monkeypatch.setenv("DAGSTER_HOME", f"{tmp_path}/data/../data/dagster")

    assert defs().resolve_job_def("publish").name == "publish"


def test_commands_bring_their_own_home_whatever_was_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "data"))

    home = prepare_home(Settings())

    assert home == tmp_path / "data" / "dagster"
    assert defs().resolve_job_def("publish").name == "publish"
