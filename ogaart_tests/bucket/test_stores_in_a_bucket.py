"""Tables, packs and segments in a bucket, as two workers with folders of their own see them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from ogaart.core.fault_injection import passed
from ogaart.resources.moderation.line_log import LineLog
from ogaart.resources.moderation.takedowns import Decisions, DecisionsUnreadable, decide, read_decisions
from ogaart.resources.moderation.visitor_reports import VisitorReports
from ogaart.resources.objects.bucket import Bucket
from ogaart.resources.objects.segments_mirror import SegmentsMirror
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.pointers import Pointers
from ogaart.resources.state.schema import JOURNALS, LINES
from ogaart.resources.storage.packs import PackWriter
from ogaart.resources.storage.schema import STEPS
from ogaart.resources.storage.tables import Tables
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings
from ogaart_tests.object_servers import BUCKET, S3Server, s3_server
from ogaart_tests.ui import wait_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAGE, PARTITION = "raw_files", "art/0001"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server("moto", tmp_path_factory.mktemp("s3")) as started:
        yield started


@dataclass(frozen=True)
class Worker:
    """A worker's folder, and the stores over it."""

    root: Path
    bucket: Bucket
    tables: Tables
    segments: SegmentsMirror
    state: StateDatabase

    def lines(self, name: str) -> LineLog:
        """A log that it shares, opened again."""
        return LineLog(self.state, self.bucket, self.root / name)

    @property
    def vectors(self) -> Vectors:
        """The vectors of a space, opened again."""
        return Vectors(self.root / "vectors", "space", 2)

    def commit(self, run: str, thumbnail: bytes) -> None:
        """Replace the rows and the pack of the partition."""
        draft = self.tables.pack_draft(STAGE, PARTITION)
        with PackWriter(draft) as pack:
            pack.add("thumbnail", thumbnail)
        row = {"stage": STAGE, "partition": PARTITION, "run_id": run, "fingerprint": "", "written_at": NOW}
        row |= {"started_at": NOW, "ended_at": NOW, "new": 0, "stale": 0, "unchanged": 0, "orphaned": 0}
        self.tables.commit(STAGE, PARTITION, {STEPS.name: [row | {"failed": 0, "pending": 0}]}, draft)

    def runs(self) -> list[str]:
        """The runs that the rows name."""
        return [row["run_id"] for row in self.tables.read(STEPS, PARTITION, STAGE)]


@pytest.fixture
def workers(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Worker, Worker]]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with closing(StateDatabase(Settings(data=tmp_path / "shared"))) as state:

        def worker(name: str) -> Worker:
            root = tmp_path / name
            bucket = Bucket(f"s3://{BUCKET}/{tmp_path.name}", root)
            mirror = SegmentsMirror(bucket, root / "vectors", root / "derived")
            return Worker(root, bucket, Tables(root, Pointers(state), bucket), mirror, state)

        yield worker("one"), worker("two")


def test_what_one_worker_commits_the_other_reads(workers: tuple[Worker, Worker]) -> None:
    one, two = workers
    one.commit("first", b"thumbnail of the first")
    assert two.runs() == ["first"]

    two.commit("second", b"thumbnail of the second")

    assert one.runs() == two.runs() == ["second"]
    pack = one.tables.pack_path(STAGE, PARTITION)
    offset = pack.read_bytes().index(b"thumbnail of the second")
    assert two.tables.read_pack(STAGE, PARTITION, offset, 9) == b"thumbnail"
    assert not (one.root / "tables").exists()  # no fixed names: they would be of one worker alone
    assert {path.name for path in one.tables.cut().files.values()} == {
        path.name for path in two.tables.cut().files.values()
    }


def test_superseded_objects_have_their_grace(workers: tuple[Worker, Worker]) -> None:
    one, two = workers
    for run in ("first", "second", "third"):
        one.commit(run, run.encode())

    assert two.tables.objects.garbage(3600.0) == []
    garbage = two.tables.objects.garbage(-60.0)  # as it is in an hour

    assert len(garbage) == 4  # a table and a pack of each of the first two
    for file in garbage:
        two.bucket.delete(file.path)
    assert one.runs() == ["third"]
    assert one.tables.objects.lost() == []


def test_pointers_are_made_again_from_the_bucket(workers: tuple[Worker, Worker]) -> None:
    one, two = workers
    one.commit("first", b"1")
    one.commit("second", b"2")
    before = sorted(one.tables.objects.versions(STEPS.name))

    two.tables.objects.remake()

    assert sorted(two.tables.objects.versions(STEPS.name)) == before
    assert two.runs() == ["second"]


def test_segments_of_one_worker_reach_the_other(workers: tuple[Worker, Worker]) -> None:
    one, two = workers
    keys = [f"{number:064x}" for number in range(3)]
    one.vectors.add(keys[:2], np.eye(2, dtype=np.float32))
    two.segments.pull()
    assert two.vectors.keys() == set()

    one.segments.push()
    two.segments.pull()

    assert two.vectors.keys() == set(keys[:2])
    two.vectors.add(keys[2:], np.ones((1, 2), np.float32))
    two.segments.push()
    one.segments.pull()
    assert one.vectors.keys() == set(keys)
    one.vectors.gc(set(keys[1:]))
    one.segments.push_deletions()
    two.segments.pull()
    assert two.vectors.keys() == set(keys[1:])


def test_a_takedown_and_a_report_of_one_worker_are_seen_by_the_other(
    workers: tuple[Worker, Worker], caplog: pytest.LogCaptureFixture
) -> None:
    one, two = workers
    with closing(Decisions(two.lines("decisions"), interval=0.05)) as followed:
        followed.start()
        assert followed.current().entries == ()

        decide(one.lines("decisions"), "entry", "tanks", "asked for")
        decide(two.lines("decisions"), "author", "Ann", "asked for")
        wait_until(lambda: followed.current().authors == ("Ann",), 10, "both takedowns to be seen")
        assert followed.current().entries == ("tanks",)
        decide(two.lines("decisions"), "entry", "tanks", "settled", lift=True)
        wait_until(lambda: followed.current().entries == (), 10, "the lifted one to be seen")

    with closing(Decisions(two.lines("decisions"), interval=0.05)) as followed:
        followed.start()
        with one.state.writing() as connection:
            deep = {"log": "decisions", "number": 99, "id": "deep", "content": b"[" * 100_000}
            connection.execute(sa.insert(LINES).values(deep))  # an error of no kind that readers expect
        wait_until(lambda: "reading the takedowns failed" in caplog.text, 60, "the line to be read")
        with one.state.writing() as connection:
            connection.execute(sa.delete(LINES).where(LINES.c.id == "deep"))
        decide(one.lines("decisions"), "entry", "knight", "asked for")
        wait_until(lambda: followed.current().entries == ("knight",), 60, "a takedown after that to be seen")

    report = VisitorReports(two.lines("reports")).add(1, "tanks", "mine", "note")
    assert VisitorReports(one.lines("reports")).open() == [report]
    assert VisitorReports(one.lines("reports")).close(report.id, "blocked")
    assert VisitorReports(two.lines("reports")).open() == []


def test_takedowns_survive_the_database_and_damage_to_either_copy(workers: tuple[Worker, Worker]) -> None:
    one, two = workers
    for number in range(3):
        decide(one.lines("decisions"), "entry", f"entry-{number}", "asked for")
    expected = read_decisions(one.lines("decisions"))
    with one.state.writing() as connection:
        connection.execute(sa.delete(LINES))
        connection.execute(sa.delete(JOURNALS))
    assert read_decisions(two.lines("decisions")) == expected
    assert list(two.lines("decisions").damage()) == []

    with one.state.writing() as connection:
        connection.execute(sa.delete(LINES).where(LINES.c.number == 1))
        connection.execute(sa.update(LINES).where(LINES.c.number == 2).values(content=b"torn"))
    one.bucket.delete(next(f.path for f in one.bucket.files(one.root / "decisions") if "+0000000003-" in f.path.name))
    with pytest.raises(DecisionsUnreadable, match="number 2"):
        read_decisions(two.lines("decisions"))

    problems = [problem for _, problem in two.lines("decisions").damage()]
    assert [problem.rpartition(", ")[0] for problem in problems] == [
        "1 lines of decisions are not as they were written",
        "1 lines of decisions are missing",
        "1 lines of decisions are missing",
    ]
    two.lines("decisions").repair()
    assert list(two.lines("decisions").damage()) == []
    assert read_decisions(one.lines("decisions")) == expected


def test_a_takedown_that_was_killed_before_its_row_keeps_its_place(workers: tuple[Worker, Worker]) -> None:
    one, two = workers
    decide(one.lines("decisions"), "entry", "first", "asked for")
    with full_at("state_drafted:1:full"):
        decide(one.lines("decisions"), "entry", "killed", "asked for")
    assert read_decisions(two.lines("decisions")).entries == ("first",)  # a look lists no bucket

    decide(two.lines("decisions"), "entry", "second", "asked for")
    decide(two.lines("decisions"), "entry", "killed", "settled", lift=True)

    assert read_decisions(one.lines("decisions")).entries == ("first", "second")
    with one.state.writing() as connection:
        connection.execute(sa.delete(LINES))
        connection.execute(sa.delete(JOURNALS))
    assert read_decisions(two.lines("decisions")).entries == ("first", "second")
    assert list(two.lines("decisions").damage()) == []


def test_the_file_of_before_is_read_until_it_is_adopted(workers: tuple[Worker, Worker]) -> None:
    one, two = workers
    file = one.root / "decisions.jsonl"
    one.root.mkdir(exist_ok=True)
    file.write_text('{"what": "author", "value": "Ann"}\n{"what": "entry", "value": "by-hand"}')
    decide(two.lines("decisions"), "author", "Ann", "settled", lift=True)
    log = one.lines("decisions")
    assert read_decisions(log).entries == ("by-hand",)
    assert read_decisions(log).authors == ()  # lifted later, elsewhere

    kept = file.read_bytes()
    with full_at("state_drafted:1:full"):
        log.adopt()
    log.adopt()
    file.unlink()
    file.write_bytes(kept)  # as a kill before the link takes its place leaves it
    log.adopt()

    assert log.file_before is None
    assert len(log.lines()) == 3
    for worker in (one, two):
        assert read_decisions(worker.lines("decisions")).entries == ("by-hand",)
        assert read_decisions(worker.lines("decisions")).authors == ()


@contextmanager
def full_at(point: str) -> Iterator[None]:
    """A process that fails at a fault point, after which another one goes on."""
    passed.clear()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="No space left"):  # noqa: PT012
        patch.setenv("OGAART_FAULT", point)
        yield
