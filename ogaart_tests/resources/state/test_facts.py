"""Small facts: read as they were written last; damaged ones are named, and deleted without the others."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import Facts, damaged_facts, delete_damaged_facts, intact_facts, put_back
from ogaart.resources.state.schema import FACTS
from ogaart.resources.storage.sealed_json import SealBroken
from ogaart.settings import Settings

ODD = "https://\ud800.example\x00"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDatabase]:
    with closing(StateDatabase(Settings(data=tmp_path))) as found:
        yield found


def test_a_fact_is_read_as_it_was_written_last(state: StateDatabase) -> None:
    facts = Facts(state, "robots")
    facts.write(ODD, {"text": ODD})
    facts.write(ODD, {"text": "new"})
    facts.add([(ODD, {"text": "from a file"}), ("other", {"text": "from a file"})])

    assert (facts.read(ODD), facts.read("other")) == ({"text": "new"}, {"text": "from a file"})
    assert (facts.read("missing"), Facts(state, "sweep").read(ODD)) == (None, None)


@pytest.mark.parametrize(
    ("column", "spoiled"), [("content", b'{"a": 1}'), ("content", b"{"), ("name", "x"), ("kind", "x")]
)
def test_a_damaged_one_is_named_and_deleted_alone(state: StateDatabase, column: str, spoiled: object) -> None:
    facts = Facts(state, "robots")
    facts.write("a", 1)
    facts.write("b", 2)
    with state.writing() as connection:
        connection.execute(sa.update(FACTS).where(FACTS.c.name == "a").values({column: spoiled}))

    [(kind, name)] = damaged_facts(state)
    if column == "content":
        with pytest.raises((SealBroken, ValueError, KeyError)):
            facts.read("a")
    delete_damaged_facts(state)

    assert column == "content" or spoiled in (kind, name)
    assert damaged_facts(state) == []
    assert (facts.read("a"), facts.read("b")) == (None, 2)


def test_intact_ones_are_put_back_into_a_new_database(state: StateDatabase) -> None:
    facts = Facts(state, "robots")
    facts.write("a", 1)
    kept = intact_facts(state)
    state.discard()
    assert facts.read("a") is None

    put_back(state, kept)

    assert facts.read("a") == 1
