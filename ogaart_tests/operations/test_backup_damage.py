"""A backup copies no damaged file, and keeps what it has of one: it may be the last good copy. Folder and bucket."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart.operations.backup import backup
from ogaart.operations.garbage_collection import collect
from ogaart.resources.moderation.takedowns import decide
from ogaart.resources.platform import Stores
from ogaart.resources.storage.lock_names import backup_lock
from ogaart.resources.storage.locks import Locked
from ogaart.resources.storage.schema import STEPS
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings
from ogaart_tests.object_servers import BUCKET, s3_server
from ogaart_tests.postgres import Postgres, postgres

__all__ = ["postgres"]

NOW = datetime(2026, 10, 2, tzinfo=UTC)
STAGE, PARTITION = "raw_files", "2d-art/0000"


@dataclass(frozen=True)
class Source:
    """A small data root, and where the files lie that a backup reads."""

    settings: Settings
    files: Path

    def one(self, pattern: str) -> Path:
        """A file, such as ``blobs/*/*/*``."""
        return min(self.files.glob(pattern))


@pytest.fixture(params=["folder", "bucket"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """A data root with a blob, a vector, the rows of a step and a decision."""
    data = tmp_path / "data"
    monkeypatch.setenv("DAGSTER_HOME", str(data / "dagster"))
    if request.param == "folder":
        settings = Settings(data=data, objects=None, database_url=None)
        _fill(settings)
        yield Source(settings, data)
        return
    server: Postgres = request.getfixturevalue("postgres")
    with s3_server("rclone", tmp_path / "s3") as started:
        for name, value in started.environment.items():
            monkeypatch.setenv(name, value)
        database = SecretStr(server.fresh("backups"))
        settings = Settings(data=data, objects=f"{started.bucket}/root", database_url=database)
        _fill(settings)
        yield Source(settings, tmp_path / "s3" / BUCKET / "root")


def _fill(settings: Settings) -> None:
    with closing(Stores(settings)) as stores:
        stores.blobs.put(b"the bytes of a picture")
        Vectors(stores.root.vectors, "space", 2).add(["a" * 64], np.ones((1, 2), np.float32))
        stores.segments.push()
        row: dict[str, object] = dict.fromkeys(("new", "stale", "unchanged", "orphaned", "failed", "pending"), 0)
        row |= {"stage": STAGE, "partition": PARTITION, "run_id": "first", "fingerprint": ""}
        row |= dict.fromkeys(("written_at", "started_at", "ended_at"), NOW)
        stores.tables.commit(STAGE, PARTITION, {STEPS.name: [row]})
        decide(stores.decisions, "author", "Ann", "asked for")


def damage(path: Path, how: str) -> bytes:
    """Cut a file, or flip a bit of it; returns what it was."""
    before = path.read_bytes()
    path.chmod(0o644)
    flipped = bytearray(before)
    flipped[len(before) // 2] ^= 1
    path.write_bytes(before[: len(before) // 2] if how == "cut" else bytes(flipped))
    return before


@pytest.mark.parametrize("pattern", ["blobs/*/*/*", "vectors/*/segment-*"])
def test_a_good_copy_is_not_replaced_by_a_damaged_file(source: Source, tmp_path: Path, pattern: str) -> None:
    folder, file = tmp_path / "backup", source.one(pattern)
    assert backup(source.settings, folder).exit_code == 0
    before = damage(file, "cut")

    report = backup(source.settings, folder)

    assert (folder / file.relative_to(source.files)).read_bytes() == before
    assert report.exit_code == EXIT_DAMAGED
    assert file.name in report.errors[0]


@pytest.mark.parametrize("how", ["cut", "flip"])
@pytest.mark.parametrize("pattern", ["blobs/*/*/*", "vectors/*/segment-*"])
def test_a_damaged_file_is_named_and_copied_once_it_is_repaired(
    source: Source, tmp_path: Path, pattern: str, how: str
) -> None:
    folder, file = tmp_path / "backup", source.one(pattern)
    copy = folder / file.relative_to(source.files)
    before = damage(file, how)

    first, copied = backup(source.settings, folder), copy.exists()
    file.write_bytes(before)
    second = backup(source.settings, folder)

    assert (first.exit_code, copied, second.exit_code) == (EXIT_DAMAGED, False, 0)
    assert copy.read_bytes() == before
    assert not list(folder.glob(".tmp-*"))


def test_a_damaged_table_does_not_replace_that_of_the_backup(source: Source, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    backup(source.settings, folder)
    copy = next((folder / "tables").rglob("*.parquet"))
    before = copy.read_bytes()
    with closing(Stores(source.settings)) as stores:
        [table] = [path for key, path in stores.tables.cut({STAGE}).files.items() if key.kind == STEPS.name]
    damage(table, "flip")

    report = backup(source.settings, folder)

    assert (copy.read_bytes(), report.exit_code) == (before, EXIT_DAMAGED)


def test_a_damaged_decision_is_in_the_backup_so_that_nothing_it_hides_comes_back(
    source: Source, tmp_path: Path
) -> None:
    """Its row is damaged as well; a restored data root then refuses to publish, and does not forget the decision."""
    folder, line = tmp_path / "backup", source.one("decisions/*.json")
    cut = line.read_bytes()[:20]
    with closing(Stores(source.settings)) as stores, stores.state.writing() as connection:
        connection.exec_driver_sql("DELETE FROM lines")
    line.chmod(0o644)
    line.write_bytes(cut)

    report = backup(source.settings, folder)

    assert (folder / line.relative_to(source.files)).read_bytes() == cut
    assert report.exit_code == EXIT_DAMAGED


def test_nothing_is_cleaned_up_during_a_backup(source: Source, tmp_path: Path) -> None:
    """What a run has made unused meanwhile is in the rows that the backup began with."""
    with closing(Stores(source.settings)) as stores, stores.hold(backup_lock(stores.root)):
        with pytest.raises(Locked, match="backups and clean-up"):
            collect(source.settings, delete=True)
        with pytest.raises(Locked, match="backups and clean-up"):
            backup(source.settings, tmp_path / "backup")


def test_a_backup_goes_on_after_a_kill(source: Source, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    environment = {**os.environ, "OGAART_DATA": str(source.settings.data), "OGAART_FAULT": "copy_drafted:1"}
    if source.settings.objects is not None and source.settings.database_url is not None:
        environment["OGAART_OBJECTS"] = source.settings.objects
        environment["OGAART_DATABASE_URL"] = source.settings.database_url.get_secret_value()
    words = [sys.executable, "-c", "from ogaart.cli.main import main; main()", "backup", str(folder)]
    ended = subprocess.run(words, env=environment, start_new_session=True, capture_output=True, check=False)
    assert ended.returncode < 0, ended.stderr.decode()

    report = backup(source.settings, folder)

    assert report.exit_code == 0
    assert source.one("blobs/*/*/*").name in {path.name for path in folder.rglob("*")}
    assert not list(folder.glob(".tmp-*"))
