"""Small files of state that a bad disk tore: noticed, and never the end of all runs."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ogaart.orchestration.instance import instance_config, prepare_home
from ogaart.resources.catalog.generations import Generation
from ogaart.resources.catalog.quality import outcome
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.collection import Collection
from ogaart.resources.platform import Stores
from ogaart.resources.site.sweeps import Sweep, SweepPage, latest_sweep, store_sweep
from ogaart.resources.storage.data_root import DataRoot, DataRootRefused
from ogaart.settings import Settings


def test_a_collection_whose_name_is_torn_gets_another_one(tmp_path: Path) -> None:
    collection = Collection(Stores(Settings(data=tmp_path)), VectorSpace("space", "vgg16", 4))
    with collection.writer():
        before = collection.identity
    (tmp_path / "index/space/identity.json").write_text('{"identity": "')

    with collection.writer():
        assert collection.identity not in {before, "edge#None"}


def test_a_torn_sweep_is_no_sweep(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    store_sweep(tmp_path, Sweep("2d-art", now, 1, (SweepPage(now, frozenset({"a"})),)))
    (tmp_path / "sweeps/2d-art.json").write_text('{"at": "20')

    assert latest_sweep(tmp_path, "2d-art") is None


def test_a_torn_owner_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    root.claim("here")
    (tmp_path / "owner.json").write_text("{")

    with pytest.raises(DataRootRefused, match=r"owner\.json does not say who owns .* delete it"):
        root.claim("here")


@pytest.mark.parametrize("left", [b"", b"half"])
def test_a_torn_configuration_of_the_instance_is_written_again(
    left: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    shipped = instance_config().read_bytes()
    config = tmp_path / "dagster" / "dagster.yaml"
    config.parent.mkdir()
    config.write_bytes(shipped[: len(shipped) // 2] if left else b"")

    prepare_home(Settings(data=tmp_path))

    assert config.read_bytes() == shipped


def test_an_operators_own_configuration_of_the_instance_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    config = tmp_path / "dagster" / "dagster.yaml"
    config.parent.mkdir()
    config.write_text("telemetry:\n  enabled: false\n")

    prepare_home(Settings(data=tmp_path))

    assert config.read_text() == "telemetry:\n  enabled: false\n"


@pytest.mark.parametrize("text", ["", '[{"name": "a', "nonsense"])
def test_torn_results_of_audits_and_checks_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "audits.json").write_text(text)
    (tmp_path / "checks.json").write_text(text)
    generation = Generation(1, tmp_path, {})

    assert generation.audits == []
    assert outcome(generation) is None
