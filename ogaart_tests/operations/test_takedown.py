"""What is taken down is gone at once, and stays on record."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.resources.moderation.takedowns import DecisionsLost, decide, read_decisions, require_decisions
from ogaart.search.engine.service import SearchService
from ogaart.settings import Settings
from ogaart_tests.logs import decisions_of
from ogaart_tests.search.tiny_generation import ENTRIES, SITE, GridImageReader, image_id, publish

SOME = tuple(entry for entry in ENTRIES if entry.slug in ("tanks", "planets-set-n°1"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("takedown")
    publish(Settings(data=root), SOME)
    return root


def run(data: Path, *words: str) -> dict[str, object]:
    done = CliRunner().invoke(main, ["block", *words, "--json"], env={"OGAART_DATA": str(data)})
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_an_entry_by_its_link_an_author_and_a_picture_by_its_id(data: Path) -> None:
    picked = image_id("tanks", 0)
    with SearchService(Settings(data=data), GridImageReader()) as service:
        before = service.hit(picked)
        assert before is not None

        by_id = run(data, "pixels", str(picked), "--reason", "not his to give")
        by_link = run(data, "entry", f"{SITE}/content/planets-set-n%C2%B01", "--reason", "asked by the author")
        by_name = run(data, "author", "kenney", "--reason", "test")
        assert service.hit(picked) is None
        assert service.hit(image_id("planets-set-n°1", 0)) is None

        assert [rows[0]["value"] for rows in (by_id["rows"], by_link["rows"], by_name["rows"])] == [  # type: ignore[index]
            before.pixel_sha256, "planets-set-n°1", "Kenney",
        ]  # fmt: skip
        listed = run(data)["rows"]
        assert [(row["what"], row["reason"]) for row in listed] == [  # type: ignore[attr-defined]
            ("entry", "asked by the author"), ("author", "test"), ("pixels", "not his to give"),
        ]  # fmt: skip

        for what, value in (("pixels", before.pixel_sha256), ("author", "KENNEY"), ("entry", "planets-set-n°1")):
            run(data, what, value, "--lift", "--reason", "settled")
        assert service.hit(picked) is not None
        assert run(data)["rows"] == []


@pytest.mark.parametrize("text", ["12", "²", "1_000", "9" * 30, ""])
def test_a_picture_that_nothing_names_is_refused(data: Path, text: str) -> None:
    done = CliRunner().invoke(main, ["block", "pixels", text, "--reason", "x"], env={"OGAART_DATA": str(data)})

    assert done.exit_code == 2
    assert "neither a published image_id nor a pixel_sha256" in done.output


def test_a_name_that_no_published_picture_has_is_told(data: Path) -> None:
    """It may be misspelled: then it would hide nothing, and nobody would know."""
    misspelled = run(data, "author", "Kenny", "--reason", "x")
    known = run(data, "author", "kenney", "--reason", "x")
    lifted = [run(data, "author", name, "--lift", "--reason", "x") for name in ("Kenny", "Kenney")]

    assert "check how 'Kenny' is written" in str(misspelled["notes"])
    assert [found["notes"] for found in (known, *lifted)] == [[], [], []]


def test_a_decision_needs_a_reason(data: Path) -> None:
    done = CliRunner().invoke(main, ["block", "author", "Kenney"], env={"OGAART_DATA": str(data)})

    assert done.exit_code == 2
    assert "--reason" in done.output


@pytest.mark.parametrize("kept", [0, 1])
def test_a_log_that_lost_lines_is_refused(tmp_path: Path, kept: int) -> None:
    log = decisions_of(tmp_path)
    decide(log, "entry", "tanks", "asked by the author")
    decide(log, "author", "Kenney", "test")
    before = read_decisions(log).named()
    (tmp_path / "state.db").unlink()
    for path in sorted((tmp_path / "decisions").iterdir())[kept:]:
        path.unlink()

    log = decisions_of(tmp_path)
    with pytest.raises(DecisionsLost, match=r"decisions lacks \d of the decisions .* restore them from a backup"):
        require_decisions(log, before)

    for what, value in before:
        decide(log, what, value, "they were lost", lift=True)  # type: ignore[arg-type]
    require_decisions(log, before)
    assert read_decisions(log).named() == []


@pytest.mark.parametrize("name", ["manifest.json", "words.sqlite"])
def test_a_damaged_publication_keeps_nothing_from_being_taken_down(tmp_path: Path, name: str) -> None:
    """A search page that was started before still shows it."""
    publish(Settings(data=tmp_path), SOME)
    with SearchService(Settings(data=tmp_path), GridImageReader()) as service:
        hit = service.hit(image_id("tanks", 0))
        assert hit is not None
        path = tmp_path / "generations" / "current" / name
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[: len(content) // 2])

        told = run(tmp_path, "entry", f"{SITE}/content/tanks", "--reason", "asked by the author")

        assert service.hit(image_id("tanks", 0)) is None
    assert [row["value"] for row in told["rows"]] == ["tanks"]  # type: ignore[attr-defined]
    run(tmp_path, "pixels", hit.pixel_sha256, "--reason", "test")
    refused = CliRunner().invoke(
        main, ["block", "pixels", str(image_id("tanks", 0)), "--reason", "test"], env={"OGAART_DATA": str(tmp_path)}
    )
    assert refused.exit_code == 2
    assert "name the picture by its pixel_sha256" in refused.output
    assert [row["what"] for row in run(tmp_path)["rows"]] == ["entry", "pixels"]  # type: ignore[attr-defined]
