"""A command whose database does not respond ends with one sentence and the way out."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.demo_command import free_port
from ogaart.cli.main import main
from ogaart.core.exit_codes import EXIT_REFUSED

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def test_a_database_that_does_not_respond_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("OGAART_DATA", str(tmp_path))
    monkeypatch.setenv(
        "OGAART_DAGSTER_DATABASE", f"postgresql+psycopg2://ogaart:secret@127.0.0.1:{free_port(0)}/dagster"
    )

    done = CliRunner().invoke(main, ["metrics"])

    assert done.exit_code == EXIT_REFUSED
    assert done.output.startswith("ogaart: the database of Dagster's instance does not respond (")
    assert "OGAART_DAGSTER_DATABASE" in done.output
    assert "secret" not in done.output
