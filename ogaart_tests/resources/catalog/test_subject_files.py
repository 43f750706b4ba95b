"""The subjects of published pictures are written as arrays and found by image."""

from pathlib import Path

import duckdb
import numpy as np

from ogaart.likeness import parts
from ogaart.likeness.subjects import SPACE, Subject
from ogaart.resources.catalog.subject_files import SubjectFiles, write_subjects
from ogaart.resources.storage.derived import DerivedBytes


def subject(seed: int, side: int) -> bytes:
    chance = np.random.default_rng(seed)
    miniature = chance.integers(0, 255, (32, 32, 4), np.uint8)
    return Subject(side + 5, side, miniature, chance.integers(0, 255, parts.RAW_BYTES, np.uint8)).to_bytes()


def catalog(*images: tuple[int, str, bool]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("CREATE TABLE images (image_id BIGINT, pixel_sha256 VARCHAR, indexed BOOLEAN)")
    con.executemany("INSERT INTO images VALUES (?, ?, ?)", images)
    return con


def test_subjects_of_published_images_are_found(tmp_path: Path) -> None:
    store = DerivedBytes(tmp_path / "derived", SPACE)
    store.add({"aa": subject(1, 16), "bb": b"", "cc": subject(3, 40), "dd": subject(4, 8)})
    con = catalog((7, "aa", True), (3, "aa", True), (5, "bb", True), (9, "cc", True), (4, "dd", False))

    assert write_subjects(con, store, tmp_path) == 3
    places, rows, sides = SubjectFiles(tmp_path).find(np.array([9, 5, 3, 100], np.int64))

    assert places.tolist() == [0, 2]
    assert sides.tolist() == [40, 16]
    expected = Subject.from_bytes(subject(3, 40))
    assert expected is not None
    assert (rows[0] == expected.signature).all()


def test_a_publication_may_have_none(tmp_path: Path) -> None:
    store = DerivedBytes(tmp_path / "derived", SPACE)

    assert write_subjects(catalog((7, "aa", True)), store, tmp_path) == 0

    assert len(SubjectFiles(tmp_path).find(np.array([7], np.int64))[0]) == 0
    assert len(SubjectFiles(tmp_path / "older").find(np.array([7], np.int64))[0]) == 0
