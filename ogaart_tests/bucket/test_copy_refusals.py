"""While a data root is being copied into a bucket, and once that is in use, nothing else may change what is there."""

import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from ogaart.core.errors import BadChoice
from ogaart.core.exit_codes import EXIT_DAMAGED
from ogaart.operations.copy_to_bucket import copy_root
from ogaart.operations.takedown import block, listing
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.objects.bucket import Bucket
from ogaart.resources.objects.store import ObjectsRefused
from ogaart.resources.publications.publications import Publications
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.locks import hold_everywhere
from ogaart.resources.state.pointers import Pointers
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.locks import Locked
from ogaart.resources.storage.objects import Key
from ogaart.resources.storage.schema import STEPS
from ogaart.resources.storage.tables import Tables
from ogaart.settings import Settings
from ogaart_tests.bucket.test_publications import SOME, full_at
from ogaart_tests.object_servers import BUCKET, S3Server, s3_server
from ogaart_tests.postgres import Postgres
from ogaart_tests.search.tiny_generation import publish

NOW = datetime(2026, 10, 2, tzinfo=UTC)
STAGE, PARTITION = "raw_files", "2d-art/0000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server("rclone", tmp_path_factory.mktemp("s3")) as started:
        yield started


@pytest.fixture
def source(tmp_path: Path) -> DataRoot:
    """A data root with a table and a publication."""
    settings = Settings(data=tmp_path / "source")
    commit(Tables(settings.data, Pointers(StateDatabase(settings))), "first")
    publish(settings, SOME)
    return DataRoot.of(settings)


@pytest.fixture
def hosts(
    server: S3Server, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Settings, Settings]:
    """The settings of two hosts that share a bucket and a database."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    url, database = f"s3://{BUCKET}/{tmp_path.name}", SecretStr(postgres.fresh("copies"))
    one, two = (Settings(data=tmp_path / name, objects=url, database_url=database) for name in ("one", "two"))
    return one, two


def commit(tables: Tables, run: str) -> None:
    """Replace the rows of a step."""
    row: dict[str, object] = dict.fromkeys(("new", "stale", "unchanged", "orphaned", "failed", "pending"), 0)
    row |= {"stage": STAGE, "partition": PARTITION, "run_id": run, "fingerprint": ""}
    tables.commit(STAGE, PARTITION, {STEPS.name: [row | dict.fromkeys(("written_at", "started_at", "ended_at"), NOW)]})


def copy(source: DataRoot, settings: Settings) -> int:
    """Copy into the bucket as the command does; returns the exit code."""
    with closing(StateDatabase(settings, copying=True)) as state:
        return copy_root(source, state, bucket_of(settings)).exit_code


def bucket_of(settings: Settings) -> Bucket:
    """The bucket, with copies in the host's own folder."""
    assert settings.objects is not None
    return Bucket(settings.objects, settings.data)


def runs_in(settings: Settings) -> list[str]:
    """The runs that the bucket's current rows name."""
    with closing(StateDatabase(settings)) as state:
        tables = Tables(settings.data, Pointers(state), bucket_of(settings))
        return [row["run_id"] for row in tables.read(STEPS, PARTITION, STAGE)]


@pytest.mark.slow
def test_no_process_uses_a_bucket_before_the_copy_is_complete(
    source: DataRoot, hosts: tuple[Settings, Settings]
) -> None:
    one, two = hosts
    for point in ("state_drafted:2:full", "publication_uploaded:1:full"):
        with full_at(point):
            copy(source, one)
        for host in hosts:
            with pytest.raises(ObjectsRefused, match=r"incomplete copy of .*source: run `ogaart copy"):
                runs_in(host)

    assert copy(source, two) == 0
    assert runs_in(one) == runs_in(two) == ["first"]


@pytest.mark.slow
def test_two_copies_at_once_are_refused_and_a_copy_beside_a_commit_replaces_nothing(
    source: DataRoot, hosts: tuple[Settings, Settings]
) -> None:
    one, two = hosts
    with closing(StateDatabase(two)) as state:  # opened before the copy begins
        with hold_everywhere(state, two.data / "locks" / "copy-to-bucket.lock"), pytest.raises(Locked, match="bucket"):
            copy(source, one)
        remake = Pointers.remake

        def commit_first(pointers: Pointers, *args: object, **options: object) -> None:
            if "before" in options:
                patched.undo()
                commit(Tables(two.data, Pointers(state), bucket_of(two)), "meanwhile")
            remake(pointers, *args, **options)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Pointers, "remake", commit_first)
            with pytest.raises(Locked, match="meanwhile"):
                copy(source, one)

        assert Pointers(state).one(Key(STEPS.name, STAGE, PARTITION)) is not None


@pytest.mark.slow
def test_what_was_made_in_the_bucket_since_is_not_replaced_by_another_copy(
    source: DataRoot, hosts: tuple[Settings, Settings]
) -> None:
    one, _ = hosts
    assert copy(source, one) == 0
    assert copy(source, one) == 0
    of_source = Tables(source.root, Pointers(StateDatabase(Settings(data=source.root))))
    commit(of_source, "second")
    assert copy(source, one) == 0
    assert runs_in(one) == ["second"]

    with closing(StateDatabase(one)) as state:
        publish(one, SOME)
        number = publish(one, SOME[:1])
        Publications(state, bucket_of(one)).publish(Generations(one.data / "generations").get(number))
        with pytest.raises(BadChoice, match=f"has publication {number} made there since the last copy"):
            copy(source, one)
        assert Publications(state, bucket_of(one)).number_in_service() == number
        commit(Tables(one.data, Pointers(state), bucket_of(one)), "in the bucket")
    for run in ("third", "fourth"):  # the folder goes on as well, and has more commits than the bucket
        commit(of_source, run)

    with pytest.raises(BadChoice, match="has tables made there since the last copy"):
        copy(source, one)
    assert runs_in(one) == ["in the bucket"]


@pytest.mark.slow
def test_vectors_of_the_first_version_are_copied_where_the_hash_in_their_name_confirms_them(
    source: DataRoot, hosts: tuple[Settings, Settings], tmp_path: Path
) -> None:
    with tarfile.open(Path(__file__).parents[1] / "data_v1.tar.xz") as archive:
        archive.extractall(tmp_path / "first", filter="data")
    shutil.copytree(tmp_path / "first" / "data" / "vectors", source.vectors)
    segment = next(source.vectors.glob("*/segment-*"))
    segment.chmod(0o644)
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-200] + bytes([whole[-200] ^ 1]) + whole[-199:])
    assert copy(source, hosts[0]) == EXIT_DAMAGED

    segment.write_bytes(whole)

    assert copy(source, hosts[0]) == 0
    stored = {file.path.name for file in bucket_of(hosts[0]).files(hosts[0].data / "vectors")}
    assert stored == {path.name for path in source.vectors.glob("*/segment-*")}


@pytest.mark.slow
def test_a_host_without_a_copy_of_the_publication_blocks_nothing_by_name(
    source: DataRoot, hosts: tuple[Settings, Settings]
) -> None:
    """It cannot tell how an author is spelled, or what an entry is called now: its decision would hide nothing."""
    one, two = hosts
    assert copy(source, one) == 0

    for what, value in (("author", "kenney"), ("entry", "tanks")):
        with pytest.raises(BadChoice, match="no copy of the publication in service"):
            block(two, what, value, "asked for", lift=False)  # type: ignore[arg-type]
    block(two, "pixels", "a" * 64, "asked for", lift=False)

    assert [row["value"] for row in listing(one)] == ["a" * 64]
