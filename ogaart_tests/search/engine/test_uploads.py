"""Uploads are kept for a while, in memory, and forgotten."""

from dataclasses import dataclass

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
    uploads = Uploads(Reader(), capacity=10)
    tokens = [uploads.add(b"x" * 4, LOCAL) for _ in range(4)]

    assert [uploads.has(token) for token in tokens] == [False, False, True, True]


def test_tokens_cannot_be_guessed_from_each_other() -> None:
    uploads = Uploads(Reader())

    assert len({uploads.add(b"x", LOCAL) for _ in range(20)}) == 20
