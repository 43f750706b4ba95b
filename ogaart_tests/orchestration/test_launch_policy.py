"""What scheduled runs do next."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ogaart.core.stages import OFFLINE_STAGES, PARTITION_STAGES, SITE_STAGES, Stage
from ogaart.orchestration.launch_policy import TOGETHER, batches, decide
from ogaart.orchestration.launch_types import KnownEntry, Launch, LaunchReason, PartitionStatus, PastRun
from ogaart.orchestration.partition_status import partition_statuses
from ogaart.pipeline.step import open_step
from ogaart.resources.platform import Stores
from ogaart.resources.site.sweeps import SweepPage
from ogaart.settings import Settings

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
SWEPT = NOW - timedelta(minutes=20)
READ = NOW - timedelta(days=2)
OLD = NOW - timedelta(days=400)


def status(
    key: str, listed: str = "", swept: str | None = None, query: str | None = None, **held: KnownEntry
) -> PartitionStatus:
    """A partition whose rows list the letters of ``listed``; the sweep saw those of ``swept``."""
    entries = {slug: KnownEntry("ok", READ, files=2) for slug in listed} | held
    seen = listed if swept is None else swept
    return PartitionStatus(
        key,
        swept=SweepPage(SWEPT, frozenset(seen)),
        query=frozenset(seen if query is None else query),
        listed=frozenset(listed),
        listed_at=READ,
        entries=entries,
    )


def fresh(key: str, swept: str) -> PartitionStatus:
    return PartitionStatus(key, swept=SweepPage(SWEPT, frozenset(swept)), query=frozenset(swept))


def choose(
    *found: PartitionStatus, budget: int = 1000, spent: int = 0, **more: object
) -> list[tuple[str, LaunchReason]]:
    return [(launch.key, launch.reason) for launch in launches(*found, budget=budget, spent=spent, **more)]


def launches(*found: PartitionStatus, budget: int = 1000, spent: int = 0, **more: object) -> list[Launch]:
    options: dict[str, object] = {
        "now": NOW,
        "entry_refresh": timedelta(days=14),
        "file_refresh": timedelta(days=90),
        **more,
    }
    return decide(found, budget=budget, spent=spent, **options)  # type: ignore[arg-type]


def test_nothing_is_launched_where_rows_and_sweep_agree() -> None:
    assert choose(status("q/0000", "abc")) == []


def test_a_new_partition_is_launched_with_its_expected_requests() -> None:
    assert launches(fresh("q/0001", "ab"), status("q/0000", "cd")) == [Launch("q/0001", LaunchReason.NEW, 6)]


def test_urgent_things_come_first() -> None:
    changed = status("q/0001", "cd", swept="ce", query="abcdefz")
    due = PartitionStatus(**{**vars(status("q/0002", "f")), "due": 3})
    behind = PartitionStatus(**{**vars(status("q/0003", "z")), "behind": True})

    found = choose(due, changed, fresh("q/0009", "x"), behind, status("q/0000", "ab"))

    assert found == [
        ("q/0003", LaunchReason.PROCESS),
        ("q/0009", LaunchReason.NEW),
        ("q/0001", LaunchReason.MEMBERS),
        ("q/0002", LaunchReason.FAILURES),
    ]


def test_a_partition_whose_run_broke_off_is_taken_up_again() -> None:
    broken = PartitionStatus(**{**vars(status("q/0000", "abc")), "entries": {}, "unread": True})

    assert launches(broken) == [Launch("q/0000", LaunchReason.UNREAD, 10)]  # three entries with 2.5 files each


def test_stages_that_did_not_follow_are_seen_in_the_history_of_steps(tmp_path: Path) -> None:
    (tmp_path / "queries.toml").write_text('[[query]]\nname = "q"\n')
    stores = Stores(Settings(data=tmp_path, queries=tmp_path / "queries.toml", min_free_bytes=0))

    def seen() -> tuple[bool, bool]:
        [found] = partition_statuses(stores, ["q/0000"], datetime.now(UTC))
        return found.unread, found.behind

    ran = {}
    for stage in PARTITION_STAGES:
        with open_step(stores, stage, "q/0000", "run"):
            pass
        ran[stage] = seen()
    with open_step(stores, Stage.SEARCH_PAGES, "q/0000", "again"):
        pass

    assert ran.pop(Stage.SEARCH_PAGES) == (True, False)
    assert ran == {
        stage: (stage in SITE_STAGES[:-1], stage is not OFFLINE_STAGES[-1]) for stage in PARTITION_STAGES[1:]
    }
    assert seen() == (True, True)


def test_what_was_given_up_is_read_again_at_the_age_of_any_other() -> None:
    def page(given_up_at: datetime) -> PartitionStatus:
        return status("q/0000", "a", a=KnownEntry("ok", OLD, posted_at=OLD, given_up_at=given_up_at))

    assert choose(page(NOW - timedelta(days=13))) == []
    assert choose(page(NOW - timedelta(days=15))) == [("q/0000", LaunchReason.REFRESH)]


def test_a_file_that_fails_is_not_due_before_its_next_try(tmp_path: Path) -> None:
    (tmp_path / "queries.toml").write_text('[[query]]\nname = "q"\n')
    stores = Stores(Settings(data=tmp_path, queries=tmp_path / "queries.toml", min_free_bytes=0))
    lineage = {"partition": "q/0000", "fingerprint": "f", "run_id": "run", "written_at": OLD}
    urls = {"fine": None, "retried": NOW + timedelta(days=2), "given-up": None}
    files = [
        {"slug": "a", "fid": n, "url": url, "status": "ok", "checked_at": OLD, "fetched_at": OLD, **lineage}
        for n, url in enumerate(urls)
    ]
    failed = [
        {"stage": "raw_files", "key": url, "slug": "a", "error_class": "HttpStatus", "message": "503", "attempts": 3,
         "first_at": OLD, "last_at": READ, "next_try": due, **lineage}
        for url, due in urls.items()
        if url != "fine"
    ]  # fmt: skip
    entry = {"slug": "a", "url": "a", "status": "ok", "fetched_at": READ, **lineage}
    stores.tables.commit("content_pages", "q/0000", {"entries": [entry]})
    stores.tables.commit("raw_files", "q/0000", {"raw_files": files, "failures": failed})

    [found] = partition_statuses(stores, ["q/0000"], NOW)

    assert sorted(found.entries["a"].files_checked_at) == [OLD, READ]


def test_what_runs_already_is_left_alone() -> None:
    assert choose(fresh("q/0000", "ab"), fresh("q/0001", "c"), busy=["q/0000"]) == [("q/0001", LaunchReason.NEW)]


def test_a_listing_read_after_the_sweep_is_not_a_change() -> None:
    newer = PartitionStatus(**{**vars(status("q/0000", "ab", swept="bc")), "listed_at": NOW})

    assert choose(newer) == []


def test_a_page_past_the_end_by_now_is_a_change() -> None:
    assert choose(status("q/0001", "z", swept="", query="ab")) == [("q/0001", LaunchReason.MEMBERS)]


def test_the_budget_ends_the_day() -> None:
    pages = [fresh(f"q/{n:04d}", f"{n}ab") for n in range(9)]  # each expected to make some 10 requests

    assert len(choose(*pages, budget=35)) == 3
    assert len(choose(*pages, budget=35, spent=20)) == 1
    assert choose(*pages, budget=35, spent=35) == []


def test_the_first_partition_of_a_day_may_exceed_the_budget() -> None:
    pages = [fresh("q/0000", "abcdefgh"), fresh("q/0001", "xyz")]
    hours = [
        PastRun("q/0009", LaunchReason.NEW, True, NOW - timedelta(hours=n + 1), NOW - timedelta(hours=n))
        for n in (23, 25)
    ]
    sweep = 3

    assert choose(*pages, budget=5, spent=sweep) == [("q/0000", LaunchReason.NEW)]
    assert choose(*pages, budget=5, spent=sweep, past=hours[1:]) == [("q/0000", LaunchReason.NEW)]
    assert choose(*pages, budget=5, spent=sweep, past=hours[:1]) == []
    assert choose(*pages, budget=5, spent=sweep, busy=["q/0009"]) == []
    assert choose(*pages, budget=5, spent=5) == []


def test_entries_that_moved_are_no_requests() -> None:
    shifted = status("q/0000", "ab", swept="bc", query="bcd")
    after = status("q/0001", "cd", swept="d", query="bcd")

    found = {launch.key: launch.requests for launch in launches(shifted, after)}

    assert found == {"q/0000": 2, "q/0001": 1}  # one for the entry that is gone, one for each listing


def test_a_partition_drops_what_another_one_has_processed() -> None:
    left = status("q/0001", "d", query="cd", c=KnownEntry("ok", READ))
    home = status("q/0000", "c", query="cd")
    behind = PartitionStatus(**{**vars(home), "behind": True})

    assert choose(left, home) == [("q/0001", LaunchReason.LEFT)]
    assert choose(left, behind) == [("q/0000", LaunchReason.PROCESS)]


def test_an_entry_that_the_sweep_lacks_is_looked_at_once_a_sweep() -> None:
    suspect = status("q/0000", "a", query="a", gone=KnownEntry("ok", READ))
    looked_at = status("q/0000", "a", query="a", gone=KnownEntry("ok", SWEPT))
    tombstone = status("q/0000", "a", query="a", gone=KnownEntry("deleted", READ))

    assert choose(suspect) == [("q/0000", LaunchReason.LEFT)]
    assert choose(looked_at) == choose(tombstone) == []


def test_what_is_longest_due_is_read_again_with_what_is_left_of_the_budget() -> None:
    older = status("q/0000", "a", a=KnownEntry("ok", OLD, files=2, files_checked_at=(OLD, OLD)))
    old = status("q/0001", "b", b=KnownEntry("ok", OLD + timedelta(days=30), files=4, files_checked_at=(READ,)))
    recent = status("q/0002", "c")

    both = launches(old, recent, older, budget=100)
    one = launches(old, recent, older, budget=102, spent=100)

    # Each page costs its request and a twentieth of its files'.
    assert both == [Launch("q/0000", LaunchReason.REFRESH, 4, NOW), Launch("q/0001", LaunchReason.REFRESH, 2, NOW)]
    assert one == [
        Launch("q/0000", LaunchReason.REFRESH, 2, OLD + timedelta(days=43, hours=18))
    ]  # until the other is due


def test_a_refresh_never_exceeds_the_budget() -> None:
    entry = KnownEntry("ok", OLD)
    old = status("q/0000", "abc", a=entry, b=entry, c=entry)

    assert choose(old, budget=100, spent=100) == []
    assert launches(old, budget=102, spent=100) == []  # three entries are due at the same time, only two may be read


def test_the_files_of_pages_that_change_are_part_of_the_budget() -> None:
    """Where every page had changed at its last reading, each is expected to cost its files too."""
    read = NOW - timedelta(days=20)
    changing = KnownEntry("ok", read, files=3, changed_at=read, files_checked_at=(read, read, read))
    steady = dataclasses.replace(changing, changed_at=None)

    assert launches(status("q/0000", "ab", a=changing, b=changing), budget=8)[0].requests == 8
    assert launches(status("q/0000", "ab", a=changing, b=changing), budget=7) == []  # both are due at the same time
    assert launches(status("q/0000", "ab", a=changing, b=steady), budget=8)[0].requests == 5
    assert launches(status("q/0000", "ab", a=steady, b=steady), budget=3)[0].requests == 3


def test_files_whose_page_has_changed_since_are_due_at_once() -> None:
    """The day's requests were spent when their page turned out to have changed."""
    changed = NOW - timedelta(hours=1)
    page = status("q/0000", "a", a=KnownEntry("ok", changed, changed_at=changed, files_checked_at=(READ, changed)))

    assert [launch.requests for launch in launches(page)] == [1]


def test_files_are_due_by_their_own_age() -> None:
    checked = NOW - timedelta(days=91)
    page = status("q/0000", "a", a=KnownEntry("ok", READ, files=2, files_checked_at=(checked, READ)))

    assert launches(page) == [Launch("q/0000", LaunchReason.REFRESH, 1, NOW)]


def test_a_partition_is_refreshed_every_six_hours_at_most() -> None:
    page = dataclasses.replace(status("q/0000", "a", a=KnownEntry("ok", OLD)), swept=None)

    def ran(hours: int) -> list[PastRun]:
        end = NOW - timedelta(hours=hours)
        return [PastRun("q/0000", LaunchReason.REFRESH, True, end, end)]

    assert choose(page, past=ran(5)) == []
    assert choose(page, past=ran(6)) == [("q/0000", LaunchReason.REFRESH)]


def test_tombstones_and_failing_pages_are_not_read_again_for_their_age() -> None:
    dead = status("q/0000", "", a=KnownEntry("deleted", OLD), b=KnownEntry("ok", OLD, fails=True))

    assert choose(dead) == []


def test_failed_runs_in_a_row_wait_ever_longer() -> None:
    def failed(minutes: int) -> PastRun:
        end = NOW - timedelta(minutes=minutes)
        return PastRun("q/0000", LaunchReason.NEW, False, end, end)

    page = fresh("q/0000", "a")

    assert choose(page, past=[failed(10)]) == []
    assert choose(page, past=[failed(61)]) == [("q/0000", LaunchReason.NEW)]
    assert choose(page, past=[failed(61), failed(200)]) == []
    assert choose(page, past=[failed(121), failed(200)]) == [("q/0000", LaunchReason.NEW)]


def test_what_a_person_canceled_rests_for_a_day_or_until_the_sweep_sees_something_new() -> None:
    new, changed, old = (
        fresh("q/0000", "a"),
        status("q/0001", "bc", swept="bd"),
        status("q/0002", e=KnownEntry("ok", OLD)),
    )
    pages = (new, changed, old, fresh("q/0003", "f"))
    everything = choose(*pages)
    assert {key for key, _ in everything} == {page.key for page in pages}

    def canceled(at: datetime) -> list[str]:
        return [key for key, _ in choose(*pages, canceled=dict.fromkeys(["q/0000", "q/0001", "q/0002"], at))]

    assert canceled(NOW - timedelta(minutes=1)) == ["q/0003"]
    assert canceled(SWEPT - timedelta(minutes=1)) == ["q/0003", "q/0001"]  # other entries were seen since
    assert canceled(NOW - timedelta(hours=25)) == [key for key, _ in everything]


def test_a_contradiction_does_not_loop() -> None:
    page = status("q/0000", "ab", swept="bc")

    def succeeded(at: datetime) -> PastRun:
        return PastRun("q/0000", LaunchReason.MEMBERS, True, at, at + timedelta(minutes=1))

    assert choose(page, past=[succeeded(NOW - timedelta(minutes=5))]) == []
    assert choose(page, past=[succeeded(SWEPT - timedelta(minutes=5))]) == [("q/0000", LaunchReason.MEMBERS)]


def grouped(wanted: Sequence[Launch], past: Sequence[PastRun] = ()) -> list[str]:
    keys = [f"q/{n:04d}" for n in range(30)]
    return [" ".join(launch.key[-2:] for launch in batch) for batch in batches(wanted, keys, past)]


def test_neighbours_are_processed_in_one_run_of_at_most_ten() -> None:
    process = [Launch(f"q/{n:04d}", LaunchReason.PROCESS) for n in (*range(12), 14, 15, 20)]

    assert TOGETHER == 10
    assert grouped(process) == ["00 01 02 03 04 05 06 07 08 09", "10 11", "14 15", "20"]


def test_partitions_are_read_one_a_run() -> None:
    read = [Launch(f"q/{n:04d}", LaunchReason.NEW, 100) for n in (2, 3)]

    assert grouped([Launch("q/0000", LaunchReason.PROCESS), Launch("q/0001", LaunchReason.PROCESS), *read]) == [
        "00 01",
        "02",
        "03",
    ]


def test_what_failed_together_is_tried_alone_at_once_and_rests_when_it_fails_alone() -> None:
    process = [Launch(f"q/{n:04d}", LaunchReason.PROCESS) for n in range(4)]
    end = NOW - timedelta(minutes=1)
    together = [PastRun(f"q/{n:04d}", LaunchReason.PROCESS, False, end, end, together=2) for n in (1, 2)]
    behind = [dataclasses.replace(status("q/0001", "a"), behind=True)]

    assert grouped(process, together) == ["00", "01", "02", "03"]
    assert choose(*behind, past=together) == [("q/0001", LaunchReason.PROCESS)]
    assert choose(*behind, past=[dataclasses.replace(together[0], together=1), *together]) == []
