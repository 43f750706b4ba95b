"""Pointers to current tables and packs, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.pointers import Pointers
from ogaart.resources.state.schema import POINTERS
from ogaart.resources.storage.objects import PointersUnavailable
from ogaart.resources.storage.schema import IMAGES, OCCURRENCES
from ogaart.resources.storage.tables import Tables
from ogaart.settings import Settings
from ogaart_tests.postgres import Postgres, postgres

__all__ = ["postgres"]

STAGE, KEY = "extracted_images", "2d-art/0000"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    url = None
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = SecretStr(server.fresh("pointers"))
    with closing(StateDatabase(Settings(data=tmp_path, database_url=url))) as database:
        yield database


def test_a_commit_replaces_pointers_and_a_lost_database_is_made_again(state: StateDatabase, tmp_path: Path) -> None:
    tables = Tables(tmp_path, Pointers(state))
    for number in (1, 2):
        tables.commit(STAGE, KEY, {"images": [{"image_id": number}], "occurrences": [{"image_id": number}]})
    tables.commit(STAGE, KEY, {"images": [{"image_id": 3}]})
    before = tables.cut()
    state.discard()

    again = Tables(tmp_path, Pointers(state))

    assert again.cut() == before
    assert [row["image_id"] for row in again.read(IMAGES, KEY)] == [3]
    assert [row["image_id"] for row in again.read(OCCURRENCES, KEY)] == [2]
    assert list(Pointers(state).damage()) == []


def test_a_pointer_that_rots_is_noticed_and_not_followed(state: StateDatabase, tmp_path: Path) -> None:
    tables = Tables(tmp_path, Pointers(state))
    tables.commit(STAGE, KEY, {"images": [{"image_id": 1}]})
    with state.writing() as connection:
        connection.execute(sa.update(POINTERS).values(object="objects/elsewhere"))

    [(where, problem)] = Pointers(state).damage()

    assert (where, "objects/elsewhere" in problem) == (state.where, True)
    with pytest.raises(PointersUnavailable):
        Pointers(state).all()
    assert [row["image_id"] for row in tables.read(IMAGES, KEY)] == [1]  # by the fixed name
    tables.objects.remake()
    assert [row["image_id"] for row in tables.read(IMAGES, KEY)] == [1]
