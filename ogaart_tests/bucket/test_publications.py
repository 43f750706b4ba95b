"""Publications in a bucket, as hosts with folders of their own publish and follow them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from ogaart.core.fault_injection import passed
from ogaart.operations.metrics import publication_figures
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.objects.bucket import Bucket
from ogaart.resources.publications.mirror import FileDamaged, PublicationMirror
from ogaart.resources.publications.publications import Publications
from ogaart.resources.publications.record import PublicationRecord
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.schema import JOURNALS, PUBLICATIONS
from ogaart.resources.storage.sparse_copy import sparse_hash
from ogaart.search.engine.service import SearchService
from ogaart.search.query import SearchQuery
from ogaart.settings import Settings
from ogaart_tests.object_servers import BUCKET, S3Server, s3_server
from ogaart_tests.search.tiny_generation import ENTRIES, GridImageReader, publish

SOME = tuple(entry for entry in ENTRIES if entry.slug in ("tanks", "robot-animated"))
FEWER = SOME[:1]
PULL = """
import sys
from ogaart.resources.objects.bucket import Bucket
from ogaart.resources.publications.mirror import PublicationMirror
from ogaart.resources.state.database import StateDatabase
from ogaart.settings import Settings

settings = Settings()
PublicationMirror(settings, StateDatabase(settings), Bucket(sys.argv[1], settings.data)).pull()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server("moto", tmp_path_factory.mktemp("s3")) as started:
        yield started


@dataclass(frozen=True)
class Host:
    """A host's folder, and what it sees of the publications that all share."""

    settings: Settings
    bucket: Bucket
    state: StateDatabase

    @property
    def root(self) -> Path:
        """Its folder."""
        return self.settings.data

    @property
    def publications(self) -> Publications:
        """The publications, opened again; their folder is the database's."""
        return Publications(self.state, self.bucket)

    @property
    def current(self) -> Generation:
        """What is in service in its folder."""
        found = Generations(self.root / "generations").current()
        assert found is not None
        return found

    def pull(self) -> bool:
        """Follow once."""
        return PublicationMirror(self.settings, self.state, self.bucket).pull()

    def publish(self, entries: tuple[object, ...]) -> Generation:
        """Build a publication, and put it in service for all."""
        number = publish(self.settings, entries)  # type: ignore[arg-type]
        generation = Generations(self.root / "generations").get(number)
        self.publications.publish(generation)
        return generation


@pytest.fixture
def hosts(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Host, Host]]:
    """One that publishes and one that follows; their databases are the same file under two names."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    roots = [tmp_path / "one", tmp_path / "two"]
    with closing(StateDatabase(Settings(data=roots[0]))) as first:
        with first.reading():
            pass
        roots[1].mkdir()
        (roots[1] / "state.db").symlink_to(roots[0] / "state.db")
        with closing(StateDatabase(Settings(data=roots[1]))) as second:
            url = f"s3://{BUCKET}/{tmp_path.name}"
            states = (first, second)
            one, two = (
                Host(Settings(data=root), Bucket(url, root), state) for root, state in zip(roots, states, strict=True)
            )
            yield one, two


def content(generation: Generation) -> dict[str, str]:
    """Every file of a generation by its hash."""
    files = (path for path in generation.path.rglob("*") if path.is_file())
    return {path.relative_to(generation.path).as_posix(): sparse_hash(path) for path in files}


@pytest.mark.slow
def test_every_host_tells_the_publication_in_service_in_its_metrics(hosts: tuple[Host, Host]) -> None:
    def told(host: Host) -> dict[str, float]:
        figures = publication_figures(Generations(host.root / "generations"), host.publications)
        return {sample.name: sample.value for family in figures for sample in family.samples}

    one, two = hosts
    assert told(one) == told(two) == {"ogaart_publication_generation": 0}

    first = one.publish(SOME)

    assert told(one) == told(two)
    assert told(two)["ogaart_publication_generation"] == first.number
    assert told(two)["ogaart_publication_timestamp_seconds"] > first.path.stat().st_mtime - 60


@pytest.mark.slow
def test_a_host_follows_what_another_publishes_and_a_kill_changes_nothing_for_it(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    assert not two.pull()
    first = one.publish(SOME)
    assert two.pull()
    assert not two.pull()
    assert content(two.current) == content(first)
    stored = {file.path.name for file in one.bucket.files(one.root / "publications")}
    second = Generations(one.root / "generations").get(publish(one.settings, FEWER))

    for point in ("publication_uploaded", "state_drafted"):
        with full_at(f"{point}:1:full"):
            one.publications.publish(second)
        assert not two.pull()
    one.publications.publish(second)
    with full_at("publication_copied:1:full"):
        two.pull()
    assert two.current.number == first.number
    assert two.pull()

    assert content(two.current) == content(second)
    assert Generations(two.root / "generations").numbers() == [first.number, second.number]
    assert list((two.root / "generations").glob(".tmp-*")) == []
    with SearchService(two.settings, GridImageReader()) as service:
        assert {hit.slug for hit in service.search(SearchQuery()).hits} == {FEWER[0].slug}
    assert stored & {file.path.name for file in one.bucket.files(one.root / "publications")}  # equal files are one
    one.publications.publish(second)  # once more changes nothing
    one.publications.keep([second.number])
    assert [record.number for record in two.publications.all()] == [second.number]
    assert one.publications.unused() == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["patches/links.parquet", "cells/images.npy"])
def test_a_file_of_the_same_name_and_size_is_the_newest_publications(hosts: tuple[Host, Host], name: str) -> None:
    one, two = hosts
    for byte in (b"1", b"2"):
        built = Generations(one.root / "generations").get(publish(one.settings, FEWER))
        path = built.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(byte * 100)
        one.publications.publish(built)
        assert two.pull()

    assert (two.current.path / name).read_bytes() == b"2" * 100


@pytest.mark.slow
def test_a_replica_that_is_killed_while_it_copies_serves_the_former_one_until_it_has_the_next(
    hosts: tuple[Host, Host],
) -> None:
    one, two = hosts
    first = one.publish(SOME)
    for point in ("copy_drafted:4", "publication_copied:1"):
        killed_while_it_pulls(two, point)
        assert Generations(two.root / "generations").current() is None
    assert two.pull()
    second = one.publish(FEWER)

    for point in ("copy_drafted:2", "publication_copied:1"):
        killed_while_it_pulls(two, point)
        assert content(two.current) == content(first)
    assert two.pull()

    assert content(two.current) == content(second)
    assert list(two.root.rglob(".tmp-*")) == []


def killed_while_it_pulls(host: Host, point: str) -> None:
    """Let another process of the host follow, and be killed at a fault point."""
    environment = {**os.environ, "OGAART_DATA": str(host.root), "OGAART_FAULT": point}
    done = subprocess.run([sys.executable, "-c", PULL, host.bucket.url], env=environment, start_new_session=True)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_what_is_lost_or_damaged_is_made_again_and_never_served(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    generation = one.publish(SOME)
    number, record = generation.number, one.publications.in_service()
    assert record is not None
    with one.state.writing() as connection:
        connection.execute(sa.delete(PUBLICATIONS))
        connection.execute(sa.delete(JOURNALS))
    assert list(two.publications.damaged_rows()) == []
    assert two.publications.in_service() == record
    one.bucket.delete(one.root / "publications" / "records" / f"{number:06d}.json")
    assert [problem for _, problem in one.publications.damaged_rows()] == [
        f"the record of publication {number} is missing"
    ]
    one.publications.repair()
    with one.state.writing() as connection:
        connection.execute(sa.update(PUBLICATIONS).values(content=b"torn"))
    assert [problem for _, problem in one.publications.damaged_rows()] == [
        f"the record of publication {number} is not as it was written"
    ]
    one.publications.repair()
    assert list(one.publications.damaged_rows()) == []
    assert one.publications.in_service() == record

    found = next(file for file in record.files if file.name == "words.sqlite")
    path, draft = one.root / found.object, one.root / "draft"
    flipped = bytearray((generation.path / found.name).read_bytes())
    flipped[len(flipped) // 2] ^= 1
    draft.write_bytes(flipped)
    one.bucket.upload(draft, path)
    with pytest.raises(FileDamaged, match="not as it was written"):
        two.pull()
    [(damaged, problem, _)] = one.publications.damage(quick=False)
    assert (damaged, problem) == (path, f"words.sqlite of publication {number}: not as it was written")
    one.bucket.delete(path)
    assert [problem for _, problem, _ in one.publications.damage(quick=True)] == [
        f"words.sqlite of publication {number}: missing"
    ]
    one.publications.publish(generation)  # which uploads what is missing
    assert two.pull()
    assert content(two.current) == content(generation)


@pytest.mark.parametrize("path", ["../escape", "/etc/passwd", "a/../../b"])
def test_a_record_never_leads_out_of_the_folder(path: str) -> None:
    files = [[path, "publications/files/ab/ab", 1, "ab"], ["a", path, 1, "ab"]]
    for file in files:
        record = PublicationRecord(1, ())
        data = record.to_bytes().replace(b'"files": []', f'"files": [{file}]'.replace("'", '"').encode())
        unsealed = data[data.index(b'"number"') :].replace(b', "sealed": true', b"")
        with pytest.raises(ValueError, match="leads out"):
            PublicationRecord.of(b"{" + unsealed)


@contextmanager
def full_at(point: str) -> Iterator[None]:
    """A process that fails at a fault point, after which another one goes on."""
    passed.clear()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match=os.strerror(28)):  # noqa: PT012
        patch.setenv("OGAART_FAULT", point)
        yield
