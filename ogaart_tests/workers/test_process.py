"""Messages of a child arrive whole, however the pipe cuts them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ogaart.workers import child
from ogaart.workers.process import Child, ChildLost, clean_environment
from ogaart_tests.workers.chatty import content

MESSAGES = [[], [0], [1, 2, 3], [65_536], [70_000, 5, 0, 200_000], [9], [], [65_530, 12], [3]]


@pytest.fixture
def chatty(tmp_path: Path) -> Iterator[Child]:
    found = Child("ogaart_tests.workers.chatty", "the chatty process", clean_environment(), tmp_path)
    yield found
    found.kill()


@pytest.mark.parametrize("piece", [1 << 20, 65_536, 65_535, 9_973, 1_000])
def test_messages_are_the_same_however_they_are_cut(chatty: Child, piece: int) -> None:
    chatty.send({"messages": MESSAGES, "piece": piece, "pause": 0}, seconds=30)
    received = [chatty.receive(30) for _ in MESSAGES]

    assert [message.fields for message in received] == [{"number": number} for number in range(len(MESSAGES))]
    assert [[bytes(blob) for blob in message.blobs] for message in received] == [
        [content(number, length) for length in lengths] for number, lengths in enumerate(MESSAGES)
    ]


def test_messages_in_single_bytes(chatty: Child) -> None:
    chatty.send({"messages": [[3], [], [1]], "piece": 1, "pause": 0.001}, seconds=30)

    assert [[bytes(blob) for blob in chatty.receive(30).blobs] for _ in range(3)] == [[b"\0\1\2"], [], [b"\2"]]


def test_long_blobs_go_to_files_and_what_follows_them_is_the_next_message(chatty: Child) -> None:
    chatty.send({"messages": [[3_000_000, 4], [5]], "piece": 1 << 20, "pause": 0}, seconds=30)

    long, short = chatty.receive(30, spool=True).blobs

    assert long.read() == content(0, 3_000_000)
    assert bytes(short) == content(0, 4)
    assert bytes(chatty.receive(30).blobs[0]) == content(1, 5)


def test_what_came_with_an_answer_does_not_hide_that_none_follows(chatty: Child) -> None:
    chatty.send({"messages": [[5], [6]], "piece": 1 << 20, "pause": 0}, seconds=30)
    for _ in range(2):
        chatty.receive(30)

    with pytest.raises(ChildLost) as caught:
        chatty.receive(0.1)

    assert caught.value.timed_out


def test_memory_is_that_of_the_kernel() -> None:
    found = child.memory()

    assert found["peak"] >= found["rss"] > 1 << 20
    assert found["rss"] % 1024 == 0
