"""Uploads are kept for a while, in memory, and forgotten."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from ogaart.search.engine.uploads import Uploads
from ogaart.search.engine.visitors import LOCAL, Visitor
from ogaart.search.errors import UploadGone
from ogaart.search.query import Box, QueryPicture


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Reader:
    """Reads the length of the content, and whether it is a part; counts what it does."""

    read, made = 0, 0

    def read_image(self, content: bytes, box: Box | None, visitor: Visitor) -> QueryPicture:
        self.read += 1
        signature = np.zeros((32, 32, 4), np.uint8)
        small = b"t" if box is None else b""
        return QueryPicture("00", signature, None, "space", len(content), 1 if box is None else 2, thumbnail=small)

    def thumbnail(self, content: bytes, box: Box | None, visitor: Visitor) -> bytes:
        self.made += 1
        return content[:1] if box is None else content[:2]


@dataclass
class Purse:
    """Counts what a visitor is charged."""

    charged: int = 0

    def take(self) -> None:
        self.charged += 1


def test_a_picture_lives_for_its_time() -> None:
    clock = Clock()
    uploads = Uploads(Reader(), lifetime=60, clock=clock)
    token = uploads.add(b"abc", LOCAL)

    clock.now = 59
    assert uploads.picture(token, LOCAL).width == 3
    assert uploads.picture(token, LOCAL, Box(0, 0, 0.5, 0.5)).height == 2
    clock.now = 61
    with pytest.raises(UploadGone, match="for one hour"):
        uploads.picture(token, LOCAL)
    assert len(uploads) == 0


def test_all_that_decodes_or_embeds_is_charged_and_what_is_remembered_is_free() -> None:
    reader, purse = Reader(), Purse()
    visitor = Visitor("192.0.2.1", purse.take)
    uploads = Uploads(reader)
    token = uploads.add(b"abc", visitor)
    assert purse.charged == 1

    part = Box(0, 0, 0.5, 0.5)
    shown = [uploads.thumbnail(token, visitor), uploads.thumbnail(token, visitor, part)]
    shown += [uploads.thumbnail(token, visitor), uploads.thumbnail(token, visitor, part)]
    assert shown == [b"t", b"ab", b"t", b"ab"]
    assert (reader.made, purse.charged) == (1, 2)

    uploads.picture(token, visitor)
    assert purse.charged == 2
    uploads.picture(token, visitor, part)
    uploads.picture(token, visitor, part)
    uploads.picture(token, visitor, space="another")  # looked at again for another model
    assert (reader.read, purse.charged) == (3, 4)
    with pytest.raises(UploadGone):
        uploads.thumbnail("unknown", visitor)


def test_the_oldest_go_first_when_there_are_too_many_bytes() -> None:
    uploads = Uploads(Reader(), capacity=100_000)
    tokens = [uploads.add(b"x" * 40_000, LOCAL) for _ in range(4)]
    assert [uploads.has(token) for token in tokens] == [False, False, True, True]

    uploads.picture(tokens[2], LOCAL)
    tokens.append(uploads.add(b"x" * 40_000, LOCAL))
    assert [uploads.has(token) for token in tokens[2:]] == [True, False, True]  # the least used


def test_one_client_that_fills_the_memory_loses_its_own_pictures() -> None:
    uploads = Uploads(Reader(), capacity=100_000)
    modest, greedy = Visitor("192.0.2.1"), Visitor("192.0.2.2")
    one = uploads.add(b"x" * 10_000, modest)

    many = [uploads.add(b"x" * 20_000, greedy) for _ in range(20)]
    assert uploads.has(one)
    assert [uploads.has(token) for token in many].count(True) == 3

    late = uploads.add(b"x" * 10_000, Visitor("192.0.2.3"))
    assert uploads.has(one)
    assert uploads.has(late)


class ReaderOfLargeParts(Reader):
    """What it reads of a crop takes far more memory than the file: the exact parts of the crop and of its subject."""

    def read_image(self, content: bytes, box: Box | None, visitor: Visitor) -> QueryPicture:
        seen = super().read_image(content, box, visitor)
        return replace(seen, subject=replace(seen, parts=np.zeros(20_000, np.uint8)))


@pytest.mark.parametrize("read", ["crops", "thumbnails"])
def test_what_was_read_of_crops_takes_room_too(read: str) -> None:
    uploads = Uploads(ReaderOfLargeParts(), capacity=300_000)
    modest, greedy = Visitor("192.0.2.1"), Visitor("192.0.2.2")
    one = uploads.add(b"x", modest)
    content = b"x" * (1 if read == "crops" else 30_000)

    for _ in range(10):
        token = uploads.add(content, greedy)
        for n in range(10):
            box = Box(n / 20, 0, 0.5, 0.5)
            if read == "crops":
                uploads.picture(token, greedy, box)
            else:
                uploads.thumbnail(token, greedy, box)

    assert uploads.has(one)
    assert uploads.nbytes <= 300_000


def test_moving_the_frame_forgets_the_oldest_crops_and_never_the_whole() -> None:
    reader = Reader()
    uploads = Uploads(reader)
    token = uploads.add(b"abc", LOCAL)
    for n in range(40):
        uploads.picture(token, LOCAL, Box(n / 100, 0, 0.5, 0.5))
    assert reader.read == 41

    uploads.picture(token, LOCAL)
    uploads.picture(token, LOCAL, Box(0.39, 0, 0.5, 0.5))
    assert reader.read == 41
    uploads.picture(token, LOCAL, Box(0, 0, 0.5, 0.5))
    assert reader.read == 42


def test_tokens_cannot_be_guessed_from_each_other() -> None:
    uploads = Uploads(Reader())

    assert len({uploads.add(b"x", LOCAL) for _ in range(20)}) == 20
