"""``ogaart search`` answers alike in the process and at a server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.search.engine.service import SearchService
from ogaart.search.search_url import PARAMETERS
from ogaart.settings import Settings
from ogaart_tests.search.serving import serving
from ogaart_tests.search.tiny_generation import ENTRIES, GridImageReader, image_id, publish

SOME = tuple(entry for entry in ENTRIES if entry.slug in ("tanks", "robot-animated", "textures"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("asking")
    publish(Settings(data=root), SOME)
    return root


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[str]:
    settings = Settings(data=data)
    with SearchService(settings, GridImageReader()) as service, serving(settings, service) as base:
        yield base


def ask(data: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["search", *words], env={"OGAART_DATA": str(data)})
    return done.exit_code, done.output


@pytest.mark.parametrize(
    "words",
    [
        ("robot",),
        ("animated", "robot", "-tank"),
        (str(image_id("tanks", 0)),),
        ("png", "--where", "use=no-credit", "--where", "size=sprite", "--limit", "3"),
        ("https://opengameart.org/content/tanks",),
    ],
    ids=["words", "several words", "image_id", "filters", "link"],
)
def test_both_give_the_same_hits(data: Path, server: str, words: tuple[str, ...]) -> None:
    code, here = ask(data, *words, "--json")
    at_server = ask(data, *words, "--json", "--server", server)

    assert code == 0, here
    assert (at_server[0], at_server[1].replace(server, "")) == (0, here)  # a server's URLs are whole
    hits = json.loads(here)
    assert hits
    assert all(isinstance(hit["image_id"], str) for hit in hits)


def test_links_are_whole_in_however_narrow_a_terminal(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    code, said = ask(data, "tank")

    assert code == 0
    assert "      https://opengameart.org/content/tanks" in said.splitlines()


def test_a_parameter_that_cannot_be_meant_is_named(data: Path, server: str) -> None:
    for more in ((), ("--server", server)):
        code, said = ask(data, "robot", "--where", "size=huge", *more)

        assert code == 2
        assert "size: 'huge'" in said
        code, said = ask(data, "robot", "--where", "siez=icon", *more)

        assert code == 2
        assert "siez: unknown parameter; did you mean 'size'?" in said
        assert "`ogaart search --help` lists all" in " ".join(said.split())


def test_a_server_that_is_not_qdrant_is_reported(data: Path) -> None:
    code, said = ask(data, "robot", "--server", "http://127.0.0.1:1")

    assert code == 1
    assert "does not answer as a search page does" in said


def test_words_after_a_minus_are_left_out_wherever_they_are(data: Path) -> None:
    code, said = ask(data, "-robot", "kenney", "-textures", "--limit", "5")

    assert code == 0, said
    assert "Top-down tanks" in said
    assert "Robot" not in said
    assert ask(data, "-h")[1].startswith("Usage:")


def test_a_file_that_is_not_there_is_an_error_with_the_nearest(data: Path, tmp_path: Path) -> None:
    (tmp_path / "robot.png").write_bytes(b"")

    code, said = ask(data, str(tmp_path / "robto.png"))

    assert code == 2
    assert "there is no file" in said
    assert "robot.png" in said.replace("\n", "")
    code, said = ask(data, "robot", "--like", "missing.png")
    assert code == 2
    assert "there is no file 'missing.png'" in said


@pytest.mark.parametrize("name", ["robot.pgn", "robot.jpgg", "robot.gfi", "robot.wepb"])
def test_a_misspelled_ending_is_a_files_too(data: Path, name: str) -> None:
    code, said = ask(data, name)

    assert code == 2
    assert f"there is no file '{name}'" in said


def test_help_names_every_parameter(data: Path) -> None:
    said = ask(data, "--help")[1]

    for row in PARAMETERS:
        assert f"\n  {row.name} " in said or row.name == "upload", row.name


def test_parameters_and_their_values_complete() -> None:
    context = click.Context(main)
    where = next(one for one in main.commands["search"].params if one.name == "pairs")

    names = [one.value for one in where.shell_complete(context, "li")]
    values = [one.value for one in where.shell_complete(context, "size=s")]

    assert names == ["like=", "licence=", "limit="]
    assert values == ["size=sprite"]


def test_a_server_is_searched_without_the_engine(data: Path, server: str) -> None:
    """Starting it takes longer than the search: no numpy, no torch, no database."""
    code = (
        "import sys; from ogaart.cli.main import main\n"
        f"try: main(['search', 'red', 'robot', '--server', {server!r}])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'numpy', 'torch', 'duckdb', 'dagster', 'fastapi', 'pyarrow', 'PIL'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "Robot, animated" in done.stdout
