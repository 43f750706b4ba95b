"""The demo's site: the same bytes every time, all art in its place, archives that free readers read."""

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import libarchive
import pytest

from ogaart.core.states import EntryStatus
from ogaart.demo import archives, build, pictures, plan, rar, sevenzip, truth
from ogaart.demo.model import DemoContent, DemoFile

MEMBERS = [("Größe 100%/キャラ #1.png", b"first" * 300), ("b+ c.png", bytes(70_000)), (" d ", b"1")]


def tree(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def of_fid(site: DemoContent, shown: str) -> DemoFile:
    return next(file for entry in site.entries for file in entry.files if file.shown_name == shown)


@pytest.mark.slow
def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    build.build(tmp_path / "one")
    build.build(tmp_path / "two")

    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert len(list((tmp_path / "one" / "listing").iterdir())) == 3
    told = json.loads((tmp_path / "one" / "truth.json").read_text("utf-8"))
    assert {name: len(rows) for name, rows in told.items()} == {
        "listing": 68,
        "entries": 68,
        "files": 162,
        "images": 441,
        "failures": 7,
    }


def test_every_picture_of_the_art_is_in_an_entry_of_its_author_and_licence(site: DemoContent) -> None:
    art = plan.Art()
    homes = {
        picture.pixel_sha256: entry
        for entry in site.entries
        if entry.status is EntryStatus.OK and entry.art_type == "2D Art"
        for file in entry.files
        for picture in file.pictures
    }

    assert len(art.manifest) == 432
    for path in art.manifest:
        data = art.read(path)
        if not pictures.shown(data):
            continue  # one is fully transparent
        entry = homes[pictures.expected(data).pixel_sha256]
        assert entry.licences == [art.licence(path)]
        assert art.author(path).startswith(entry.author)


def test_the_manifest_tells_the_art(site: DemoContent) -> None:
    art = plan.Art()
    with (art.root / "manifest.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            assert hashlib.sha256((art.root / row["file"]).read_bytes()).hexdigest() == row["sha256"]
            assert row["licence"] in {"CC0-1.0", "CC-BY-3.0", "CC-BY-4.0"}


def test_ids_names_and_times_are_distinct(site: DemoContent) -> None:
    files = [file for entry in site.entries for file in entry.files]

    for values in (
        [entry.slug for entry in site.entries],
        [entry.nid for entry in site.entries],
        [file.fid for file in files],
        [file.stored_name for file in files],
    ):
        assert [value for value, times in Counter(values).items() if times > 1] == []
    assert site.by_age() == site.entries
    assert any(file.stored_name != file.shown_name for file in files)


def test_a_pack_is_on_two_entries_and_a_picture_in_two_formats(site: DemoContent) -> None:
    told = truth.tell(site)
    twice = [row for row in told["images"] if len({place["fid"] for place in row["occurrences"]}) > 1]

    assert of_fid(site, "lava.gif").pictures[0].pixel_sha256 == of_fid(site, "lava.png").pictures[0].pixel_sha256
    assert {row["slug"] for row in twice} == {"lava-and-water", "stone-tiles"}
    packs = [file for entry in site.entries for file in entry.files if file.shown_name == "cardbacks.zip"]
    assert len(packs) == 2
    assert packs[0].data == packs[1].data


def test_the_truth_names_its_own_entries_and_files(site: DemoContent) -> None:
    told = truth.tell(site)
    slugs = {row["slug"] for row in told["entries"]}
    fids = {row["fid"] for row in told["files"] if row["role"] == "file"}

    assert {row["slug"] for row in told["images"] + told["files"] + told["failures"]} <= slugs
    assert {place["fid"] for row in told["images"] for place in row["occurrences"]} <= fids
    assert Counter(row["status"] for row in told["entries"]) == {
        "ok": 64,
        "withheld": 1,
        "deleted": 1,
        "private": 1,
        "not_art": 1,
    }
    assert sorted((row["stage"], row["error"]) for row in told["failures"] if row["required"]) == [
        ("extracted_images", "a PNG of 0 x 0 pixels"),
        ("extracted_images", "corrupt archive"),
        ("extracted_images", "corrupt archive"),
        ("raw_files", "missing"),
    ]


def test_decoys_are_no_files_of_the_truth(site: DemoContent) -> None:
    urls = {row["url"] for row in truth.tell(site, "")["files"]}

    assert len(site.decoys) > 100
    assert not urls & set(site.decoys)


@pytest.mark.parametrize("kind", ["zip", "7z", "tar.gz", "tar.bz2", "rar"])
def test_archives_read_back_with_libarchive(kind: str) -> None:
    with libarchive.memory_reader(archives.pack(kind, MEMBERS)) as found:
        assert [(member.pathname, b"".join(member.get_blocks())) for member in found] == MEMBERS


def test_a_7z_of_one_member_and_of_none() -> None:
    with libarchive.memory_reader(sevenzip.archive([("a", b"x" * 200)])) as found:
        assert [(member.pathname, b"".join(member.get_blocks())) for member in found] == [("a", b"x" * 200)]
    with pytest.raises(ValueError, match="members 0"):
        sevenzip.archive([])


def test_an_empty_rar_is_a_rar() -> None:
    with libarchive.memory_reader(rar.archive([])) as found:
        assert list(found) == []


def test_of_a_truncated_zip_the_early_members_survive() -> None:
    damaged = archives.truncated_zip([("a.png", b"first" * 99), ("b.png", b"other" * 99)], 1)
    read = []

    with pytest.raises(libarchive.exception.ArchiveError), libarchive.memory_reader(damaged) as found:
        read += [b"".join(member.get_blocks()) for member in found]

    assert read == []  # the list is made at the end; the first one alone is whole
    with libarchive.memory_reader(damaged) as found:
        assert b"".join(next(iter(found)).get_blocks()) == b"first" * 99


@pytest.mark.slow
def test_a_copy_of_the_site_has_other_pictures_in_as_many_places(site: DemoContent) -> None:
    small, large = truth.tell(site), truth.tell(plan.load(copies=2))

    assert len(large["entries"]) == 2 * len(small["entries"])
    before = {row["pixel_sha256"] for row in small["images"]}
    after = [row["pixel_sha256"] for row in large["images"] if row["slug"].endswith("-copy-1")]
    assert len(after) > 0.95 * len(small["images"])
    assert sum(pixels in before for pixels in after) <= 3  # the two drawings, and the one picture with nothing visible
