"""A data root in a folder is copied into a bucket, with kills on the way, and used there."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.core.errors import BadChoice
from ogaart.core.exit_codes import EXIT_DAMAGED, EXIT_REFUSED
from ogaart.core.report import Report
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.operations.copy_to_bucket import copy_root
from ogaart.operations.verify import verify
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.moderation.line_log import LineLog
from ogaart.resources.moderation.takedowns import decide, read_decisions
from ogaart.resources.objects.bucket import Bucket
from ogaart.resources.publications.mirror import PublicationMirror
from ogaart.resources.publications.publications import Publications
from ogaart.resources.site.bucket_fetch_records import BucketFetchRecords
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.pointers import Pointers
from ogaart.resources.storage.locks import Locked, hold
from ogaart.settings import Settings
from ogaart_tests.bucket.test_publications import full_at
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.content_digest import content_digest
from ogaart_tests.object_servers import BUCKET, S3Server, s3_server
from ogaart_tests.postgres import Postgres
from ogaart_tests.ui import wait_until
from ogaart_tests.world import World, open_world


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server("moto", tmp_path_factory.mktemp("s3")) as started:
        yield started


def files_of(root: Path) -> dict[str, tuple[int, int]]:
    """Every file of a folder with its size and time, but those that show who holds a lock or reads the database."""
    passing = (".lock", ".holder", ".db-wal", ".db-shm")
    found = (path for path in root.rglob("*") if path.is_file() and path.suffix not in passing)
    return {str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def copied_files(report: Report) -> int:
    """How many files a call has copied."""
    return sum(row["files"] for row in report.rows if row["what"] != "takedowns and reports")


@pytest.mark.slow
def test_a_data_root_is_copied_whole_or_is_not_current_in_the_bucket(
    copied: World, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    source, root = copied.stores.root, tmp_path / "new"
    decide(copied.stores.decisions, "entry", "tanks", "asked for")
    next(source.decisions.glob("*.json")).unlink()  # its row is left
    with closing(copied.stores) as stores:
        pointers = sorted(stores.tables.objects._pointers.all(), key=str)
        records = sorted(stores.fetch_records.all(), key=str)
    before = files_of(source.root)
    bucket = Bucket(f"s3://{BUCKET}/copied", root)
    with closing(StateDatabase(Settings(data=root))) as state:

        def copy(*, dry_run: bool = False) -> Report:
            return copy_root(source, state, bucket, dry_run=dry_run)

        with hold(source.locks / "runs" / "one.lock"), pytest.raises(Locked, match=r"one of .*data is held"):
            copy()
        planned = copy(dry_run=True)
        assert not list(bucket.files(root / "blobs"))
        damaged = [
            next(source.blobs.glob("*/*/*")),
            next((source.root / "objects").glob("*/*/*.packs.zip")),
            next((source.root / "objects").glob("*/*/*.entries.parquet")),
            next(source.vectors.glob("*/segment-*")),
        ]
        for path in damaged:
            flip(path)
        report = copy()
        assert report.exit_code == EXIT_DAMAGED
        assert f"4 files are damaged, such as {min(damaged)}" in report.errors[-1]
        assert not any(bucket.size(root / path.relative_to(source.root)) for path in damaged)
        assert not Pointers(state).made()
        for path in damaged:
            flip(path)
        for point in ("state_drafted:1:full", "publication_uploaded:1:full"):
            with full_at(point):
                copy()
            assert Publications(state, bucket).number_in_service() == 0
        copy()

        assert files_of(source.root).keys() == before.keys()
        assert copied_files(planned) > 500
        assert copied_files(copy()) == 0
        assert sorted(Pointers(state).all(), key=str) == pointers
        assert sorted(BucketFetchRecords(state, root / "site", bucket).all(), key=str) == records
        log = LineLog(state, bucket, root / "decisions")
        assert read_decisions(log).entries == ("tanks",)
        assert len(log.lines()) == 1
        assert PublicationMirror(Settings(data=root), state, bucket).pull()
        current = Generations(root / "generations").current()
        assert current is not None
        assert content_digest(current) == content_digest(copied.generation)

        later = damaged[2].with_name("0000-9999999999-ab.entries.parquet").relative_to(source.root)
        bucket.upload(damaged[2], root / later)
        with pytest.raises(BadChoice, match="in use already"):
            copy()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    """A platform of six entries in a folder."""
    with open_world(tmp_path, ChangingSite(site=DemoContent(plan.load().by_age()[:6]))) as opened:
        opened.all()
        yield opened


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_a_copied_data_root_publishes_and_searches_the_same(
    small: World, server: S3Server, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, query = small.settings.data, ["search", "tank", "--json"]
    found, digest, sent = CliRunner().invoke(main, query).stdout, content_digest(small.generation), small.site.requests
    values = {
        "OGAART_DATA": str(tmp_path / "new"),
        "DAGSTER_HOME": str(tmp_path / "new" / "dagster"),
        "OGAART_OBJECTS": f"s3://{BUCKET}/whole",
        "OGAART_DATABASE_URL": postgres.fresh("copied"),
        **server.environment,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    world, requests = World(small.site, Settings()), len(sent)
    bucket = Bucket(f"s3://{BUCKET}/whole", world.settings.data)

    def has_files(folder: str) -> bool:
        return any(True for _ in bucket.files(world.settings.data / folder))

    call = ["copy-to-bucket", str(source)]
    command = [sys.executable, "-W", "ignore", "-c", "from ogaart.cli.main import main; main()", *call]
    for folder in ("blobs", "objects", "fetches"):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(partial(has_files, folder), 120, f"a file of {folder}")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert CliRunner().invoke(main, ["discover"]).exit_code == EXIT_REFUSED  # no request before all is there
    done = CliRunner().invoke(main, [*call, "--json"])

    assert done.exit_code == 0, done.output
    assert world.publish().errors == []
    assert world.materialize().errors == []
    assert len(small.site.requests) == requests
    assert content_digest(world.generation) == digest
    assert CliRunner().invoke(main, query).stdout == found
    assert verify(world.settings, world.quiet()).rows == []


def flip(path: Path) -> None:
    """Flip a bit of a file; doing it again takes it back."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
