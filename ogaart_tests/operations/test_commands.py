"""The operator's commands as typed: what they print, and their exit codes."""

import json

import duckdb
import pytest
from click.testing import CliRunner, Result

from ogaart.cli.main import main
from ogaart.resources.storage.schema import RAW_FILES
from ogaart_tests.world import World


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), catch_exceptions=False)


def test_verify_ends_with_its_own_code_where_something_is_damaged(copied: World) -> None:
    assert typed("verify", "--quick").exit_code == 0
    file = next(r for r in copied.stores.tables.read(RAW_FILES, "2d-art/0000") if r["status"] == "ok")
    copied.stores.blobs.path(str(file["sha256"])).unlink()

    result = typed("verify", "--quick", "--json")

    assert result.exit_code == 8
    [row] = json.loads(result.stdout)["rows"]
    assert (row["what"], row["problem"]) == ("blob", "the blob is missing")


def test_gc_prints_what_it_would_delete(copied: World) -> None:
    (copied.stores.root.tables / ".tmp-999999999-x.parquet").write_bytes(b"left behind")

    result = typed("gc")

    assert result.exit_code == 0
    assert "temporary files" in result.stdout
    assert "Nothing deleted (dry run). Run `ogaart gc --yes` to delete." in result.stderr
    assert typed("gc", "--yes").exit_code == 0
    assert json.loads(typed("gc", "--json").stdout)["rows"] == []
    assert "runs kept" in typed("gc", "--runs").stdout


def test_a_space_that_does_not_exist_is_refused(demo_world: World) -> None:
    result = typed("gc", "--space", "vgg16-0-none")

    assert result.exit_code == 5
    assert "unknown space 'vgg16-0-none'; existing spaces: efficientnet_lite0-" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("retry",), "select failures with --stage"),
        (("retry", "--where", "nonsense ="), "is not a valid condition on failures"),
        (("retry", "--stage", "catalog"), "choose from search_pages"),
        (("rebuild", "everything"), "'everything' is not one of"),
    ],
)
def test_wrong_usage_says_what_is_right(demo_world: World, words: tuple[str, ...], message: str) -> None:
    result = typed(*words)

    assert result.exit_code == 2
    assert message in result.stderr


def test_retry_shows_what_it_would_do(demo_world: World) -> None:
    result = typed("retry", "--error-class", "Missing", "--dry-run", "--json")

    assert result.exit_code == 0
    [row] = json.loads(result.stdout)["rows"]
    assert (row["asset"], row["failures"]) == ("raw_files", 1)


def test_similar_finds_the_vectors_after_the_data_root_was_moved(copied: World) -> None:
    moved = copied.settings.data.rename(copied.settings.data.with_name("moved"))
    [(image,)] = (
        duckdb.connect(str(moved / "ogaart.duckdb"), read_only=True).sql("SELECT max(image_id) FROM images").fetchall()
    )

    found = CliRunner().invoke(
        main, ["sql", f"SELECT slug FROM similar({image}, k := 3)"], env={"OGAART_DATA": str(moved)}
    )

    assert found.exit_code == 0, found.output
    assert len(found.output.splitlines()) == 4
