"""A dagster.yaml that Dagster does not accept is one sentence with the way out, for every command that opens it."""

from pathlib import Path

import pytest

from ogaart.cli.failures import describe
from ogaart.core.errors import InstanceConfigInvalid
from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart.orchestration.instance import EMBEDDER_POOL, open_instance, prepare_home
from ogaart.settings import Settings


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"nonsense: true\n", 'unexpected config entry "nonsense" at the root'),
        (b"run_monitoring: 7\n", "root:run_monitoring must be dict"),
        (b"storage:\n  sqlite:\n    base_dir: [1]\n", "root:storage:sqlite:base_dir must be a dict"),
        (b"concurrency:\n  pools: many\n", "Dagster does not accept"),
        (b"- a\n- b\n- c\n" * 400, "not a YAML mapping"),
        (b"hello " * 1000, "not a YAML mapping"),
        (b"a: [" + b" " * 5000, "while parsing a flow node"),
        (b"\xff\0nonsense\n" * 500, "codec can't decode"),
    ],
)
def test_what_dagster_does_not_accept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, reason: str
) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / "dagster"))
    settings = Settings()
    config = prepare_home(settings) / "dagster.yaml"
    config.write_bytes(text)

    with pytest.raises(InstanceConfigInvalid, match=reason) as caught, open_instance(settings):
        pass

    code, sentence = describe(caught.value)
    assert code == EXIT_DAMAGED
    assert str(config) in sentence
    assert sentence.endswith("or delete it and dagster.yaml.sha256 beside it: the shipped file takes its place")
    assert len(sentence.splitlines()) == 1


def test_a_config_of_the_operator_s_own_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / "dagster"))
    settings = Settings()
    config = prepare_home(settings) / "dagster.yaml"
    config.write_text(own := "run_monitoring:\n  enabled: false\n")

    with open_instance(settings) as instance:
        assert not instance.run_monitoring_enabled

    assert config.read_text() == own


def test_the_slots_of_the_embedding_steps_follow_their_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / "dagster"))

    def slots(steps: int | None) -> int:
        with open_instance(Settings(data=tmp_path / "data", embedding_steps=steps)) as instance:
            return instance.event_log_storage.get_concurrency_info(EMBEDDER_POOL).slot_count

    assert slots(4) == 4
    assert slots(None) == 4, "unset, what an operator chose stays"
    assert slots(2) == 2
