"""What docs say is what the code says, and every command and query they show works."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import duckdb
import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.orchestration.jobs import JOBS
from ogaart.orchestration.schedules import SCHEDULES
from ogaart.orchestration.sensors import SENSORS
from ogaart.reference.__main__ import DOCS, pages
from ogaart.resources.catalog.generations import Generations
from ogaart_tests.world import World

REGENERATE = "run `python -m ogaart.reference` and look at the change"


def blocks(path: Path, language: str) -> Iterator[str]:
    """The fenced blocks of one language in a page."""
    yield from re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def manuals() -> list[Path]:
    return [DOCS / "analyst.md", DOCS / "dagster.md", *sorted((DOCS / "operator").glob("*.md"))]


@pytest.mark.parametrize("name", ["assets.md", "cli.md", "tables.md"])
def test_generated_pages_are_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], REGENERATE


def test_pictures_in_docs_are_there_and_small() -> None:
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).stat().st_size < 250_000, f"{page}: {target}"


def test_every_command_and_option_has_help() -> None:
    for name, command in main.commands.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"


@pytest.mark.parametrize("page", manuals(), ids=lambda page: page.stem)
def test_every_command_in_a_manual_is_one(page: Path) -> None:
    commands = [line for block in blocks(page, "sh") for line in block.splitlines() if line.startswith("ogaart ")]

    assert commands, page
    for line in commands:
        words = line.split(" #")[0].split()
        command = main.commands[words[1]]
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for word in words[2:]:
            if word.startswith("--"):
                assert word in options, line


@pytest.mark.parametrize("page", manuals(), ids=lambda page: page.stem)
def test_settings_in_a_manual_exist(page: Path) -> None:
    from ogaart.settings import Settings

    known = {f"OGAART_{name.upper()}" for name in Settings.model_fields} | {"OGAART_FAULT"}

    assert set(re.findall(r"OGAART_[A-Z_]+[A-Z]", page.read_text(encoding="utf-8"))) <= known


def test_the_data_engineer_s_manual_names_every_job_schedule_and_sensor() -> None:
    page = (DOCS / "dagster.md").read_text(encoding="utf-8")
    named = [thing.name for thing in (*JOBS, *SCHEDULES, *SENSORS)]

    assert [name for name in named if f"`{name}`" not in page and f"→ {name}*" not in page] == []


def test_every_query_of_the_analyst_s_manual_runs(demo_world: World) -> None:
    image = demo_world.sql("SELECT image_id FROM images WHERE indexed ORDER BY image_id LIMIT 1")[0][0]
    queries = list(blocks(DOCS / "analyst.md", "sql"))

    assert len(queries) >= 12
    for query in queries:
        with demo_world.catalog() as con:
            con.execute(f"SET VARIABLE image = {image}")
            for statement in con.extract_statements(query):
                con.execute(statement)


def test_parquet_is_read_without_ogaart(demo_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queries over the files themselves, from the data root, by DuckDB alone."""
    monkeypatch.chdir(demo_world.settings.data)
    queries = list(blocks(DOCS / "analyst.md", "sql files"))

    assert len(queries) >= 3
    for query in queries:
        assert duckdb.connect().execute(query).fetchall(), query


def test_sql_prints_in_every_format_and_refuses_to_write(demo_world: World, tmp_path: Path) -> None:
    run = CliRunner().invoke
    query = "SELECT image_id, slug FROM images ORDER BY image_id DESC LIMIT 1"
    [(image, slug)] = demo_world.sql(query)

    assert run(main, ["sql", query]).output == f"image_id,slug\n{image},{slug}\n"
    assert f'"image_id": "{image}"' in run(main, ["sql", query, "--format", "json"]).output
    assert f"| {image} | {slug} |" in run(main, ["sql", query, "--format", "markdown"]).output
    target = tmp_path / "out.parquet"
    assert run(main, ["sql", query, "--format", "parquet", "--output", str(target)]).exit_code == 0
    assert duckdb.read_parquet(str(target)).fetchall() == [(image, slug)]
    assert run(main, ["sql", query, "--format", "parquet"]).exit_code == 2
    for wrong in ("SELECT nothing FROM nowhere", "DELETE FROM images", "SELEC 1", "SELECT 'a'::INT"):
        failed = run(main, ["sql", wrong])
        assert failed.exit_code == 2, wrong
        assert failed.output.startswith("ogaart: "), wrong


def test_the_shell_answers_goes_on_after_an_error_and_writes_nothing(demo_world: World) -> None:
    typed = "SELECT count(*) AS images\nFROM images;\nSELECT wrong;\nDROP TABLE images;\nFROM funnel LIMIT 1;\n"
    typed += "FROM range(500);\nSELECT 'no semicolon' AS last\n"

    result = CliRunner().invoke(main, ["sql"], input=typed)

    assert result.exit_code == 0
    assert "| 441 |" in result.output
    assert "Binder Error" in result.output
    assert "read-only" in result.output
    assert "search_pages" in result.output
    assert "| 199 |" in result.output
    assert "| 200 |" not in result.output
    assert "only the first 200 rows are shown" in result.output
    assert "| no semicolon |" in result.output
    assert "sql>" not in result.output


def test_before_anything_is_published_sql_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path))

    assert CliRunner().invoke(main, ["sql", "SELECT 1"]).exit_code == 7
    assert Generations(tmp_path / "generations").current() is None
