"""A publication that was built and never put in service, since its run was killed before the switch."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ogaart.core.fault_injection import passed
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.operations.verify import verify
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.moderation.takedowns import decide
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.world import World, open_world


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[World]:
    """An entry was taken down, and the publication without it is not in service."""
    with open_world(tmp_path, ChangingSite(site=DemoContent(plan.load().by_age()[:3]))) as world:
        world.all()
        [(slug,)] = world.sql("SELECT any_value(slug) FROM entries JOIN images USING (slug) WHERE indexed")
        decide(world.stores.decisions, "entry", str(slug), "asked for")
        passed.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OGAART_FAULT", "generation_renamed:1:full")
            assert world.publish().exit_code != 0
        assert world.generation.number == 1
        assert Generations(world.stores.root.generations).numbers() == [1, 2]
        yield world


@pytest.mark.slow
def test_what_it_left_out_of_the_collection_is_not_taken_for_lost(interrupted: World) -> None:
    assert verify(interrupted.settings, interrupted.quiet(), quick=True).rows == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["words.sqlite", "ogaart.duckdb", "hashes.json"])
def test_where_a_file_of_it_is_damaged_it_is_made_again(interrupted: World, name: str) -> None:
    path = Generations(interrupted.stores.root.generations).get(2).path / name
    flipped = bytearray(path.read_bytes())
    flipped[len(flipped) // 2] ^= 0xFF
    path.unlink()  # the publication in service may have the same file
    path.write_bytes(flipped)

    published = interrupted.publish()

    assert (published.errors, published.exit_code) == ([], 0)
    assert interrupted.generation.number > 2
    named = verify(interrupted.settings, interrupted.quiet()).rows
    assert {Path(row["where"]).parent.name for row in named} == {"000002"}  # that which was made again
