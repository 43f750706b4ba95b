"""``ogaart search`` answers alike in the process and at a server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.search.engine.service import SearchService
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
        (str(image_id("tanks", 0)),),
        ("png", "--where", "use=no-credit", "--where", "size=sprite", "--limit", "3"),
        ("https://opengameart.org/content/tanks",),
    ],
    ids=["words", "image_id", "filters", "link"],
)
def test_both_give_the_same_hits(data: Path, server: str, words: tuple[str, ...]) -> None:
    code, here = ask(data, *words, "--json")
    at_server = ask(data, *words, "--json", "--server", server)

    assert code == 0, here
    assert at_server == (0, here)
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
        assert "unknown parameter 'siez'; expected one of q, url" in said


def test_a_server_that_is_not_qdrant_is_reported(data: Path) -> None:
    code, said = ask(data, "robot", "--server", "http://127.0.0.1:1")

    assert code == 1
    assert "does not answer as a search page does" in said
