"""A backup is a data root: what was left out is made again from it, without the site."""

from pathlib import Path

import pytest

from ogaart.core.errors import BadChoice
from ogaart.operations.backup import backup
from ogaart.resources.moderation.takedowns import Takedowns, decide, read_decisions
from ogaart.settings import Settings
from ogaart_tests.content_digest import content_digest
from ogaart_tests.logs import decisions_of
from ogaart_tests.world import World


@pytest.mark.slow
def test_everything_comes_back_from_a_backup_without_the_site(
    demo_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backup"
    backup(demo_world.settings, folder)
    before = content_digest(demo_world.generation)
    requests = len(demo_world.site.requests)
    monkeypatch.setenv("OGAART_DATA", str(folder))
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "dagster"))
    monkeypatch.setenv("OGAART_QUERIES", str(folder / "queries.toml"))
    restored = World(demo_world.site, Settings())

    made = restored.materialize()
    published = restored.publish()

    assert (made.errors, published.errors) == ([], [])
    assert sum(row.get("embedded", 0) for row in made.rows) == 0
    assert len(demo_world.site.requests) == requests
    # A failure states how often and in which run: its rows are history that the copy starts again.
    assert content_digest(restored.generation) == before


def test_a_second_backup_copies_only_what_is_new(copied: World, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    backup(copied.settings, folder)
    copied.stores.blobs.put(b"something new")

    report = backup(copied.settings, folder)

    found = {row["what"]: row["copied"] for row in report.rows}
    assert (found["blobs"], found["vectors"], found["fetch records"]) == (1, 0, 0)
    assert not (folder / "index").exists()
    assert not (folder / "generations").exists()
    assert not (folder / "packs").exists()


def test_what_was_taken_down_is_in_a_backup(copied: World, tmp_path: Path) -> None:
    """As the file of a version before, and as objects, also over a backup that has the file."""
    data, folder = copied.settings.data, tmp_path / "backup"
    (data / "decisions.jsonl").write_text('{"what": "author", "value": "Ann"}')
    backup(copied.settings, folder)
    assert read_decisions(decisions_of(folder)) == Takedowns(authors=("Ann",))
    decide(copied.stores.decisions, "entry", "tanks", "asked for")

    backup(copied.settings, folder)

    assert read_decisions(decisions_of(folder)) == Takedowns(entries=("tanks",), authors=("Ann",))


def test_a_data_root_in_use_is_never_overwritten_by_a_backup(copied: World, tmp_path: Path) -> None:
    data, other = copied.settings.data, tmp_path / "other"
    (other / "packs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(data)
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*.parquet")}

    for folder in (data, tmp_path / "link", data / "tables", data / "a" / "new" / "folder", other):
        with pytest.raises(BadChoice, match="data root"):
            backup(copied.settings, folder)

    assert {path: path.stat().st_mtime_ns for path in data.rglob("*.parquet")} == before
    assert list(other.iterdir()) == [other / "packs"]


def test_a_backup_deletes_no_file_of_others(copied: World, tmp_path: Path) -> None:
    foreign = tmp_path / "tables" / "sales" / "2024.parquet"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"not ours")
    gone = tmp_path / "tables" / "entries" / "content_pages" / "2d-art" / "0900.parquet"
    gone.parent.mkdir(parents=True)
    gone.write_bytes(b"of a partition that is gone")

    backup(copied.settings, tmp_path)

    assert (foreign.read_bytes(), gone.exists()) == (b"not ours", False)


def test_the_backup_of_another_data_root_stays_as_it_is(copied: World, tmp_path: Path) -> None:
    folder, other = tmp_path / "backup", Settings(data=tmp_path / "other")
    backup(copied.settings, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    with pytest.raises(BadChoice, match=rf"is the backup of {copied.settings.data} on .* delete {folder}/backup.json"):
        backup(other, folder)

    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    (folder / "backup.json").write_text("{")
    with pytest.raises(BadChoice, match="does not name"):
        backup(copied.settings, folder)
    (folder / "backup.json").unlink()
    assert backup(copied.settings, folder).errors == []
