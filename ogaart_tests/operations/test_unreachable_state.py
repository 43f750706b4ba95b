"""Commands that make runs, where the database of state or the bucket does not respond: the cause is what is printed."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.demo_command import free_port
from ogaart.cli.main import main
from ogaart.core.exit_codes import EXIT_PARTLY, EXIT_REFUSED
from ogaart.core.partitions import PARTITION_SET
from ogaart.orchestration.instance import open_instance
from ogaart.resources.storage.data_root import DataRoot
from ogaart.settings import Settings

KEY = "2d-art/0000"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["discover"], EXIT_REFUSED),
        (["plan", "--offline"], EXIT_REFUSED),
        (["materialize", KEY], EXIT_PARTLY),
        (["publish"], EXIT_REFUSED),
        (["rebuild", "catalog"], EXIT_REFUSED),
    ],
)
@pytest.mark.parametrize("named", ["OGAART_DATABASE_URL", "OGAART_OBJECTS"])
def test_a_command_names_what_does_not_respond_and_holds_nothing(
    named: str, command: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("OGAART_DATA", str(tmp_path))
    with open_instance(Settings()) as instance:
        instance.add_dynamic_partitions(PARTITION_SET, [KEY])
    if named == "OGAART_DATABASE_URL":
        monkeypatch.setenv(named, f"postgresql://ogaart:secret@127.0.0.1:{free_port(0)}/state")
    else:  # it needs a database that all workers share
        monkeypatch.setenv(named, "s3://bucket")

    done = CliRunner().invoke(main, command)

    assert done.exit_code == code, done.output
    assert named in done.output
    assert "secret" not in done.output
    assert "An exception was thrown" not in done.output
    assert list(DataRoot(tmp_path).locks.glob("runs/*.lock")) == []  # a lock that is let go is deleted
