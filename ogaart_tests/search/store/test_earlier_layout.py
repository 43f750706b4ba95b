"""A publication of before files and packs had tables of their own is served as one of today."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ogaart.resources.catalog.audits import audit_words
from ogaart.resources.catalog.generations import Generations
from ogaart.search.engine.listings import frames_of, pictures_of
from ogaart.search.engine.search import FULL
from ogaart.search.engine.service import SearchService
from ogaart.search.query import SearchQuery
from ogaart.search.web.schemas.results import ResultsRecord
from ogaart.settings import Settings
from ogaart.words.index_tables import INDEX_TABLES
from ogaart_tests.search.tiny_generation import ENTRIES, SITE, GridImageReader, image_id

EARLIER = """
CREATE TABLE before AS SELECT image_id, fid, file_url, shown_name, member_path, lower(hex(file_sha256)) AS file_sha256,
    lower(hex(sha256)) AS sha256, format, bytes, pack_offset, pack_length
    FROM places JOIN files USING (file) ORDER BY places.rowid;
DROP TABLE places;
ALTER TABLE before RENAME TO places;
CREATE INDEX places_by_image ON places(image_id);
CREATE INDEX places_by_file ON places(file_url);
UPDATE images SET pack = (SELECT path FROM packs WHERE packs.pack = images.pack);
DROP TABLE files;
DROP TABLE packs;
"""
"""Makes of a words.sqlite what version 11 of the catalog wrote."""
ALIEN, ENEMY = image_id("alien-platformer", 0), image_id("enemies", 0)


@pytest.fixture(scope="module")
def earlier_settings(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    data: Path = tmp_path_factory.mktemp("earlier") / "data"
    shutil.copytree(settings.data, data, symlinks=True)
    words = data / "generations" / "current" / "words.sqlite"
    words.chmod(0o644)
    with closing(sqlite3.connect(words)) as store:
        store.executescript(EARLIER)
    return settings.model_copy(update={"data": data})


@pytest.fixture(scope="module")
def earlier(earlier_settings: Settings) -> Iterator[SearchService]:
    with SearchService(earlier_settings, GridImageReader()) as service:
        yield service


def _found(service: SearchService, query: SearchQuery) -> bytes:
    results = replace(service.search(query, FULL), milliseconds=0.0)
    return ResultsRecord.json_of(results, following=None, upload=None, base="http://h")


def _bytes_of_originals(service: SearchService) -> list[object]:
    found = [service.original(number) for number in (ALIEN, ENEMY)]
    return [(one[0].name, one[0].format, one[0].blob_sha256, one[1]) for one in found if one is not None]


def _of_files(service: SearchService) -> list[list[int]]:
    with service.store() as (store, _):
        names = ("alien%20blue.zip", "no-such-file.zip")
        return [sorted(store.ids_of_file(f"{SITE}/sites/default/files/{name}")) for name in names]


def _thumbnails(service: SearchService) -> list[bytes | None]:
    with service.store() as (store, _):
        return [store.thumbnail(number) for number in (ALIEN, ENEMY)]


def _frames(service: SearchService) -> tuple[int, ...]:
    return frames_of(service, service.hits([ALIEN])[0])


ANSWERS: dict[str, Callable[[SearchService], object]] = {
    "a search by picture": lambda service: _found(service, SearchQuery(positive=(ENEMY,), limit=50)),
    "a search by words": lambda service: _found(service, SearchQuery(words="alien png", limit=50)),
    "a search with names": lambda service: _found(service, SearchQuery(positive=(ALIEN,), group=True)),
    "the pictures of an entry": lambda service: [pictures_of(service, entry.slug, 50) for entry in ENTRIES],
    "frames": _frames,
    "files": _of_files,
    "thumbnails": _thumbnails,
    "originals": _bytes_of_originals,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_earlier_publication_is_read_as_one_of_today(
    service: SearchService, earlier: SearchService, answer: Callable[[SearchService], object]
) -> None:
    wanted = answer(service)

    found = answer(earlier)

    assert wanted
    assert found == wanted


def test_an_earlier_publication_passes_its_audit(settings: Settings, earlier_settings: Settings) -> None:
    ids = np.sort([number for entry in ENTRIES for number in _ids_of(settings, entry.slug)])
    generations = [Generations(one.data / "generations").current() for one in (settings, earlier_settings)]

    audits = [audit_words(one, ids) for one in generations if one is not None]

    assert [audit.passed for audit in audits] == [True, True]
    assert audits[0] == audits[1]


def test_an_image_with_a_pack_that_is_not_there_fails_the_audit(settings: Settings, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(settings.data, data, symlinks=True)
    words = data / "generations" / "current" / "words.sqlite"
    words.chmod(0o644)
    with closing(sqlite3.connect(words)) as store:
        ids = np.array([row[0] for row in store.execute("SELECT image_id FROM images ORDER BY 1")], np.int64)
        store.execute("UPDATE images SET pack = 99 WHERE image_id = ?", (ALIEN,))
        store.execute("UPDATE images SET pack = NULL WHERE image_id = ?", (ENEMY,))
        store.commit()
    generation = Generations(data / "generations").current()
    assert generation is not None

    audit = audit_words(generation, ids)

    assert not audit.passed
    assert audit.counts["orphans"] == 2


def test_the_words_of_an_earlier_publication_are_indexed_in_memory(
    settings: Settings, earlier_settings: Settings, tmp_path: Path
) -> None:
    """As where its index of terms is of an earlier version as well."""
    data = tmp_path / "data"
    shutil.copytree(earlier_settings.data, data, symlinks=True)
    words = data / "generations" / "current" / "words.sqlite"
    with closing(sqlite3.connect(words)) as store:
        store.executescript("".join(f"DROP TABLE {name};" for name in INDEX_TABLES))
    query = SearchQuery(words="alien", limit=50)

    with (
        SearchService(settings.model_copy(update={"data": data}), GridImageReader()) as unindexed,
        SearchService(settings, GridImageReader()) as service,
    ):
        assert _found(unindexed, query) == _found(service, query)


def _ids_of(settings: Settings, slug: str) -> list[int]:
    with closing(sqlite3.connect(settings.data / "generations" / "current" / "words.sqlite")) as store:
        return [row[0] for row in store.execute("SELECT image_id FROM images WHERE slug = ?", (slug,))]
