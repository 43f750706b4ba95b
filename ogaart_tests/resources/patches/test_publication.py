"""Sorted runs of patches: merged, linked from one publication to the next, known by their content."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ogaart.likeness.patch_matching import match
from ogaart.likeness.patches import SPACE, packed, patches
from ogaart.likeness.query_patches import QueryPatches
from ogaart.resources.patches.build import build_patches
from ogaart.resources.patches.index import PatchRuns
from ogaart.resources.patches.runs import Run, merge_runs, runs_in, write_run
from ogaart.resources.storage.array_folders import as_keys
from ogaart.resources.storage.derived import DerivedBytes
from ogaart_tests.likeness.patch_art import MemoryIndex, Picture, ground, paste, sheet, sprite

FLAT = np.full((20, 20, 4), 200, np.uint8)


def key(picture: Picture) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


def store(root: Path, pictures: Iterable[Picture]) -> DerivedBytes:
    kept = DerivedBytes(root / "derived", SPACE)
    kept.add({key(picture): packed(patches(picture)) for picture in pictures})
    return kept


def build(root: Path, number: int, pictures: Iterable[Picture], before: int | None = None) -> pa.Table:
    previous = root / str(before) if before is not None else None
    published = as_keys((root / f"{before}.txt").read_text().split()) if before is not None else None
    keys = sorted(key(picture) for picture in pictures)
    (root / f"{number}.txt").write_text("\n".join(keys))
    return build_patches(root / str(number), previous, DerivedBytes(root / "derived", SPACE), as_keys(keys), published)


def opened(root: Path, number: int) -> PatchRuns:
    found = PatchRuns.open(root / str(number))
    assert found is not None
    return found


def found_in(index: PatchRuns, picture: Picture) -> set[str]:
    return {index.key(one.picture) for one in match(QueryPatches.of(picture), index) if one.claimed}


def test_a_merged_run_holds_what_one_of_all_would(tmp_path: Path) -> None:
    art = [(key(one), patches(one)) for one in (sprite(n, 20 + n, 30) for n in range(20))]
    parts = [write_run(tmp_path, art[:3]), write_run(tmp_path, art[3:11]), write_run(tmp_path, art[11:])]

    merged = merge_runs(tmp_path, parts, [np.ones(len(run.keys), np.bool_) for run in parts])

    whole = write_run(tmp_path / "whole", art)
    for name in ("keys", "pictures", "heads", "rest"):
        assert np.array_equal(getattr(merged, name), getattr(whole, name))
    assert sorted(merged.places.tolist()) == sorted(whole.places.tolist())


def test_runs_find_what_a_search_of_all_patches_finds(tmp_path: Path) -> None:
    art = [sprite(n) for n in range(8)]
    query = patches(sheet(art[2:6], 2, 32))
    runs = PatchRuns([write_run(tmp_path, [(key(one), patches(one)) for one in part]) for part in (art[:5], art[5:])])

    found = runs.find(query.hashes, 200, 10_000)

    expected = MemoryIndex(*art).find(query.hashes, 200, 10_000)
    names = [key(one) for one in art]
    assert len(found.query) == len(expected.query) > 20
    assert np.array_equal(found.counts, expected.counts)
    assert {(q, runs.key(p), x, y) for q, p, x, y in zip(*(c.tolist() for c in found[:4]), strict=True)} == {
        (q, names[p], x, y) for q, p, x, y in zip(*(c.tolist() for c in expected[:4]), strict=True)
    }


def test_what_is_common_is_left_out_and_the_rare_come_first(tmp_path: Path) -> None:
    common = [paste(ground(n, 40, 40), sprite(1), 8, 8) for n in range(6)]
    runs = PatchRuns([write_run(tmp_path, [(key(one), patches(one)) for one in [*common, sprite(2)]])])
    asked = np.concatenate([patches(sprite(1)).hashes, patches(sprite(2)).hashes])

    few, first = runs.find(asked, 3, 10_000), runs.find(asked, 200, 5)

    assert key(sprite(2)) in {runs.key(int(picture)) for picture in few.picture}
    assert set(few.counts[few.query].tolist()) <= {1, 2, 3}
    assert few.counts.max() == 6
    assert set(first.counts[first.query].tolist()) == {1}


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    run = write_run(tmp_path, [(key(sprite(1)), patches(sprite(1)))])
    content = bytearray((run.path / "places.npy").read_bytes())
    content[-3] ^= 1

    (run.path / "places.npy").write_bytes(bytes(content))

    assert not Run(run.path).intact()


def test_an_unchanged_run_is_the_same_file_in_the_next_publication(tmp_path: Path) -> None:
    large = [sprite(n, 60, 60) for n in range(12)]
    store(tmp_path, large)
    build(tmp_path, 1, large)
    store(tmp_path, [sprite(50)])

    build(tmp_path, 2, [*large, sprite(50)], before=1)

    [before] = runs_in(tmp_path / "1")
    after = {run.name: run for run in runs_in(tmp_path / "2")}
    assert len(after) == 2
    assert (after[before.name].path / "rest.npy").samefile(before.path / "rest.npy")
    assert found_in(opened(tmp_path, 2), sprite(50)[2:22, 2:22]) == {key(sprite(50))}


def test_small_runs_are_merged_so_that_there_are_few(tmp_path: Path) -> None:
    art = [sprite(n, 30, 30) for n in range(24)]
    for number in range(1, 25):
        store(tmp_path, [art[number - 1]])
        build(tmp_path, number, art[:number], before=number - 1 or None)

    assert [len(runs_in(tmp_path / str(number))) for number in (1, 2)] == [1, 1]
    assert max(len(runs_in(tmp_path / str(number))) for number in range(1, 25)) <= 4
    assert opened(tmp_path, 24).pictures == 24
    assert all(found_in(opened(tmp_path, 24), one[3:27, 3:27]) == {key(one)} for one in art[::5])


def test_pictures_that_are_gone_leave_their_run_when_they_are_many(tmp_path: Path) -> None:
    art = [sprite(n) for n in range(12)]
    store(tmp_path, art)
    build(tmp_path, 1, art)

    build(tmp_path, 2, art[1:], before=1)
    build(tmp_path, 3, art[6:], before=2)

    assert [opened(tmp_path, number).pictures for number in (1, 2, 3)] == [12, 12, 6]


def test_a_damaged_run_is_not_taken_over(tmp_path: Path) -> None:
    art = [sprite(n) for n in range(4)]
    store(tmp_path, art)
    build(tmp_path, 1, art)
    [run] = runs_in(tmp_path / "1")
    (run.path / "rest.npy").write_bytes((run.path / "rest.npy").read_bytes()[:-4])

    build(tmp_path, 2, art, before=1)

    assert [one.intact() for one in runs_in(tmp_path / "2")] == [True]
    assert opened(tmp_path, 2).pictures == 4


@pytest.mark.parametrize("first", ["parts", "sheet"])
def test_parts_are_linked_whichever_came_first(tmp_path: Path, first: str) -> None:
    parts = [sprite(n, 40, 40) for n in range(4)]
    whole = sheet(parts, 2, 48)
    start, rest = (parts, [whole]) if first == "parts" else ([whole], parts)
    store(tmp_path, [*start, FLAT])
    build(tmp_path, 1, [*start, FLAT])
    store(tmp_path, [*rest, sprite(99)])

    links = build(tmp_path, 2, [*parts, whole, FLAT, sprite(99)], before=1)

    assert {(row["part_pixel_sha256"], row["x"], row["y"], row["width"]) for row in links.to_pylist()} == {
        (key(one), n % 2 * 48, n // 2 * 48, 40) for n, one in enumerate(parts)
    }
    assert set(links["whole_pixel_sha256"].to_pylist()) == {key(whole)}


def test_links_of_what_is_withdrawn_go(tmp_path: Path) -> None:
    parts = [sprite(n, 40, 40) for n in range(4)]
    whole = sheet(parts, 2, 48)
    store(tmp_path, [*parts, whole])
    build(tmp_path, 1, [*parts, whole])

    links = build(tmp_path, 2, [*parts[1:], whole], before=1)

    assert {row["part_pixel_sha256"] for row in links.to_pylist()} == {key(one) for one in parts[1:]}


@pytest.mark.parametrize("came_meanwhile", [False, True])
def test_links_of_what_comes_back_come_back(tmp_path: Path, came_meanwhile: bool) -> None:
    parts = [sprite(n, 40, 40) for n in range(4)]
    whole, other = sheet(parts, 2, 48), sheet([*parts[:1], sprite(8, 40, 40)], 2, 48)
    store(tmp_path, [*parts, whole, other])
    first = [*parts, whole] if came_meanwhile else [*parts, whole, other]
    build(tmp_path, 1, first)
    build(tmp_path, 2, [*parts[1:], whole, other], before=1)
    assert any(key(parts[0]) in [bytes(one.tobytes()).hex() for one in run.keys] for run in runs_in(tmp_path / "2"))

    links = build(tmp_path, 3, [*parts, whole, other], before=2)

    found = sorted(zip(links["part_pixel_sha256"].to_pylist(), links["whole_pixel_sha256"].to_pylist(), strict=True))
    assert found == sorted([*((key(one), key(whole)) for one in parts), (key(parts[0]), key(other))])
