"""Uploads are kept for a while, in memory, and forgotten."""

import numpy as np
import pytest

from ogaart.search.engine.uploads import Uploads
from ogaart.search.errors import UploadGone
from ogaart.search.query import Box, QueryPicture


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class UploadReader:
    """Sees the length of the content, and whether it is a part; counts the thumbnails it makes."""

    made = 0

    def read_image(self, content: bytes, box: Box | None = None) -> QueryPicture:
        signature = np.zeros((32, 32, 4), np.uint8)
        return QueryPicture("00", signature, None, "space", len(content), 1 if box is None else 2)

    def thumbnail(self, content: bytes, box: Box | None = None) -> bytes:
        self.made += 1
        return content[:1] if box is None else content[:2]


def test_a_picture_lives_for_its_time() -> None:
    clock = Clock()
    uploads = Uploads(UploadReader(), lifetime=60, clock=clock)
    token = uploads.add(b"abc")

    clock.now = 59
    assert uploads.picture(token).width == 3
    assert uploads.picture(token, Box(0, 0, 0.5, 0.5)).height == 2
    clock.now = 61
    with pytest.raises(UploadGone, match="for an hour only"):
        uploads.picture(token)
    assert len(uploads) == 0


def test_a_thumbnail_is_made_once_when_somebody_wants_it() -> None:
    looks = UploadReader()
    uploads = Uploads(looks)
    token = uploads.add(b"abc")
    assert looks.made == 0

    part = Box(0, 0, 0.5, 0.5)
    shown = [uploads.thumbnail(token), uploads.thumbnail(token, part), uploads.thumbnail(token)]

    assert shown == [b"a", b"ab", b"a"]
    assert looks.made == 2
    with pytest.raises(UploadGone):
        uploads.thumbnail("unknown")


def test_the_oldest_go_first_when_there_are_too_many_bytes() -> None:
    uploads = Uploads(UploadReader(), capacity=10)
    tokens = [uploads.add(b"x" * 4) for _ in range(4)]

    assert [uploads.has(token) for token in tokens] == [False, False, True, True]


def test_tokens_cannot_be_guessed_from_each_other() -> None:
    uploads = Uploads(UploadReader())

    assert len({uploads.add(b"x") for _ in range(20)}) == 20
