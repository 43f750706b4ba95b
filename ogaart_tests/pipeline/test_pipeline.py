"""The whole graph over the demo's site, through real Dagster runs: exactly what is there, and nothing twice."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from ogaart.core.stages import Stage
from ogaart.demo.http import Request
from ogaart.resources.storage.lock_names import step_lock
from ogaart.resources.storage.locks import hold
from ogaart_tests.world import World


def test_every_picture_is_in_the_catalog_exactly_once_for_each_entry(demo_world: World) -> None:
    expected = {(image["slug"], image["pixel_sha256"]) for image in demo_world.site.truth()["images"]}

    found = demo_world.sql("SELECT slug, pixel_sha256 FROM images")

    assert len(found) == len(expected)
    assert set(found) == expected


def test_every_image_is_embedded_and_indexed(demo_world: World) -> None:
    assert demo_world.sql("SELECT count(*) FROM images WHERE NOT (embedded AND indexed)") == [(0,)]


def test_occurrences_name_file_and_member(demo_world: World) -> None:
    expected = Counter(
        (image["slug"], image["pixel_sha256"], place["fid"], place["member_path"] or "")
        for image in demo_world.site.truth()["images"]
        for place in image["occurrences"]
    )

    found = Counter(
        demo_world.sql(
            "SELECT o.slug, i.pixel_sha256, o.fid, o.member_path FROM occurrences o JOIN images i USING (image_id)"
        )
    )

    assert found == expected


def test_entries_are_read_field_by_field(demo_world: World) -> None:
    names = (
        "slug",
        "nid",
        "title",
        "author",
        "collaborators",
        "submitter",
        "art_type",
        "tags",
        "licences",
        "notice",
        "status",
    )
    expected = {
        entry["slug"]: tuple(entry[name] for name in names)
        for entry in demo_world.site.truth()["entries"]
        if entry["status"] in {"ok", "withheld"}
    }

    found = {row[0]: row for row in demo_world.sql(f"SELECT {', '.join(names)} FROM entries")}

    for slug, entry in expected.items():
        assert found[slug] == entry


def test_withheld_deleted_private_and_other_pages_are_statuses(demo_world: World) -> None:
    expected = Counter(entry["status"] for entry in demo_world.site.truth()["entries"])

    assert Counter(status for (status,) in demo_world.sql("SELECT status FROM entries")) == expected


def test_every_failure_is_one_of_those_planted(demo_world: World) -> None:
    planted = demo_world.site.truth()["failures"]
    found = demo_world.sql("SELECT stage, key, slug, error_class, next_try FROM failures")

    wanted = {(f["stage"], f["url"]) for f in planted if f["required"]}
    allowed = {(f["stage"], f["url"]) for f in planted}
    seen = {(str(stage), str(key).split("#")[0]) for stage, key, *_ in found}
    assert wanted <= seen <= allowed
    soon = datetime.now(UTC) + timedelta(hours=12)
    assert all(
        next_try is None or (isinstance(next_try, datetime) and next_try > soon) for *_, next_try in found
    )  # none is worth another request now


def test_nothing_but_listings_pages_and_files_was_requested(
    demo_world: World, first_requests: tuple[Request, ...]
) -> None:
    originals = {
        f["url"].removeprefix(demo_world.site.base) for f in demo_world.site.truth()["files"] if f["role"] == "file"
    }

    paths = {request.path for request in first_requests}
    asked = Counter(request.target for request in first_requests)

    unexpected = [
        p for p in paths if not re.match(r"/(robots\.txt|art-search-advanced|content/|node/)", p) and p not in originals
    ]
    assert unexpected == []
    cut = {entry.listed_path for entry in demo_world.site.site.entries if entry.cut_once}
    assert {path: count for path, count in asked.items() if count != 1} == dict.fromkeys(cut, 2)


def test_lineage_leads_from_an_image_to_its_page_and_run(demo_world: World) -> None:
    ((image_id, slug),) = demo_world.sql("SELECT image_id, slug FROM images ORDER BY image_id LIMIT 1")

    rows = demo_world.sql(f"SELECT * FROM lineage({image_id})")

    text = " ".join(str(value) for row in rows for value in row)
    assert str(slug) in text
    assert "2d-art/" in text


def test_a_second_materialization_does_nothing_and_says_so(copied: World) -> None:
    before = len(copied.site.requests)
    generation = copied.generation.number

    report = copied.materialize()
    published = copied.publish()

    assert report.errors == []
    assert len(copied.site.requests) == before
    for row in report.rows:
        assert (row["new"], row["stale"], row["orphaned"]) == (0, 0, 0), row
        assert (row.get("requests", 0), row.get("embedded", 0), row.get("upserted", 0)) == (0, 0, 0), row
    assert sum(row["unchanged"] for row in report.rows if row["asset"] == "embeddings") == 441
    assert [row["state"] for row in published.rows] == ["unchanged", "unchanged"]
    assert copied.generation.number == generation


def test_the_funnel_counts_rows_by_stage_and_status(demo_world: World) -> None:
    found = {
        (str(stage), str(status)): rows
        for stage, status, rows in demo_world.sql("SELECT stage, status, rows FROM funnel")
    }

    assert found["content_pages", "withheld"] == 1
    assert found["raw_files", "missing"] == 1


def test_two_runs_on_one_partition_do_not_meet(copied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_LOCK_SECONDS", "0")

    with hold(step_lock(copied.stores.root, Stage.SEARCH_PAGES, "2d-art/0000")):
        report = copied.materialize(["2d-art/0000"], ("search_pages",))

    assert report.exit_code == 3
    assert "search_pages of 2d-art/0000 is held by another process" in report.errors[0]
