"""Small files of state that a bad disk tore: noticed, and never the end of all runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from ogaart.orchestration.instance import ON_POSTGRES, instance_config, prepare_home
from ogaart.resources.catalog.audits import Audit
from ogaart.resources.catalog.generations import Generation, GenerationMissing, Generations
from ogaart.resources.catalog.publishing import inputs_of
from ogaart.resources.catalog.quality import outcome
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.collection import Collection
from ogaart.resources.platform import Stores
from ogaart.resources.storage.data_root import DataRoot, DataRootRefused
from ogaart.settings import Settings


def test_a_collection_whose_name_is_torn_gets_another_one(tmp_path: Path) -> None:
    collection = Collection(Stores(Settings(data=tmp_path)), VectorSpace("space", "vgg16", 4))
    with collection.writer():
        before = collection.identity
    (tmp_path / "index/space/identity.json").write_text('{"identity": "')

    with collection.writer():
        assert collection.identity not in {before, "edge#None"}


def test_a_torn_owner_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    root.claim("here")
    (tmp_path / "owner.json").write_text("{")

    with pytest.raises(DataRootRefused, match=r"owner\.json does not name the host that owns .* delete it"):
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


DATABASE = SecretStr("postgresql+psycopg2://ogaart@db.example/dagster")


def test_a_database_and_a_number_of_runs_change_the_shipped_configuration_of_the_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    config = tmp_path / "dagster" / "dagster.yaml"
    prepare_home(Settings(data=tmp_path))

    prepare_home(Settings(data=tmp_path, dagster_database=DATABASE, concurrent_runs=12))

    found = yaml.safe_load(config.read_text())
    assert found["storage"] == {"postgres": {"postgres_url": {"env": "OGAART_DAGSTER_DATABASE"}}}
    assert found["concurrency"]["runs"] == {"max_concurrent_runs": 12}


WORKERS = {"dagster_database": DATABASE, "concurrent_runs": 12}


@pytest.mark.parametrize("settings", [WORKERS, {"dagster_database": DATABASE}, {"concurrent_runs": 12}])
def test_the_shipped_configuration_comes_back_with_the_settings(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    config = tmp_path / "dagster" / "dagster.yaml"
    prepare_home(Settings(data=tmp_path, **settings))
    assert config.read_bytes() != instance_config().read_bytes()

    prepare_home(Settings(data=tmp_path))

    assert config.read_bytes() == instance_config().read_bytes()


def test_a_number_of_runs_of_the_operators_stays_with_and_without_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    config = tmp_path / "dagster" / "dagster.yaml"
    own = instance_config().read_bytes().replace(b"max_concurrent_runs: 3", b"max_concurrent_runs: 5")
    config.parent.mkdir()
    config.write_bytes(own)

    prepare_home(Settings(data=tmp_path, dagster_database=DATABASE))
    on_postgres = config.read_bytes()
    prepare_home(Settings(data=tmp_path))

    assert on_postgres == own + ON_POSTGRES
    assert config.read_bytes() == own


def test_an_own_configuration_without_the_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    config = tmp_path / "dagster" / "dagster.yaml"
    config.parent.mkdir()
    config.write_text("telemetry:\n  enabled: false\n")

    with pytest.raises(DataRootRefused, match=r"dagster\.yaml is your own .* delete the file, or add"):
        prepare_home(Settings(data=tmp_path, dagster_database=DATABASE))

    assert config.read_text() == "telemetry:\n  enabled: false\n"


@pytest.mark.parametrize("text", ["", '[{"name": "a', "nonsense"])
def test_torn_results_of_audits_and_checks_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "audits.json").write_text(text)
    (tmp_path / "checks.json").write_text(text)
    generation = Generation(1, tmp_path, {})

    assert generation.audits == []
    assert outcome(generation) is None


MANIFEST = {
    "number": 1,
    "space": "vgg16-397923af-grey-squash-1",
    "model": "vgg16",
    "counts": {"images": 3, "points_in_collection": 3},
    "files": {"ogaart.duckdb": 9},
    "dimension": 4096,
}


def rotten(text: str) -> Iterator[bytes]:
    """The text with one byte rotten, once for each byte and each of three ways to rot."""
    whole = text.encode()
    for place in range(len(whole)):
        for bit in (0x01, 0x10, 0x80):
            yield whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]


def test_one_rotten_byte_in_the_inputs_means_a_rebuild_and_no_more(tmp_path: Path) -> None:
    whole = json.dumps({"inputs": "a" * 64})
    generation = Generation(1, tmp_path, {})
    (tmp_path / "inputs.json").write_text(whole)
    assert inputs_of(generation) == "a" * 64

    for content in rotten(whole):
        (tmp_path / "inputs.json").write_bytes(content)
        assert inputs_of(generation) != "a" * 64


def test_one_rotten_byte_in_a_manifest_is_a_generation_that_is_missing_or_one_that_can_be_read(tmp_path: Path) -> None:
    generations = Generations(tmp_path)
    (tmp_path / "000001").mkdir()
    refused = 0

    for content in rotten(json.dumps(MANIFEST)):
        (tmp_path / "000001" / "manifest.json").write_bytes(content)
        readable = generations.all()
        if readable:
            manifest = readable[0].manifest
            assert sum(manifest["counts"].values()) + len(manifest["space"] + manifest["model"]) > 0
        else:
            refused += 1
            with pytest.raises(GenerationMissing, match="publish again"):
                generations.get(1)
    assert refused > 300


@pytest.mark.parametrize("name", ["audits.json", "checks.json"])
def test_one_rotten_byte_in_results_never_ends_a_reader(name: str, tmp_path: Path) -> None:
    generation = Generation(1, tmp_path, {})

    for content in rotten(json.dumps([Audit("rights", True, "fine", {"entries": 0}).row()])):
        (tmp_path / name).write_bytes(content)
        found = [row["name"] for row in generation.audits] if name == "audits.json" else outcome(generation)
        assert found is None or len(found) <= 1
