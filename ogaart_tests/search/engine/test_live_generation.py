"""What a host answers that has nothing to search yet."""

from contextlib import closing
from pathlib import Path

import pytest

from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.objects.store import ObjectsRefused
from ogaart.search.engine.live_generation import LiveGeneration, OpenGeneration
from ogaart.search.errors import NothingPublished
from ogaart_tests.ui import wait_until


def open_nothing(generation: Generation) -> OpenGeneration:
    """There is no generation."""
    raise AssertionError(generation.number)


def test_a_host_that_cannot_copy_the_publication_does_not_say_that_there_is_none(tmp_path: Path) -> None:
    causes, pulled = [ObjectsRefused("access denied")], 0

    def pull() -> None:
        nonlocal pulled
        pulled += 1
        if causes:
            raise causes[0]

    def is_said_to_be_copied() -> bool:
        with pytest.raises(NothingPublished) as refused, live.lease():
            pass
        return refused.value.copied

    with closing(LiveGeneration(Generations(tmp_path), open_nothing, 0.01, pull)) as live:
        assert not is_said_to_be_copied()  # it was not looked for yet
        live.start()

        wait_until(lambda: pulled > 1, 60, "the refusal is known")
        assert not is_said_to_be_copied()
        causes.clear()
        wait_until(is_said_to_be_copied, 60, "the bucket can be read again")
