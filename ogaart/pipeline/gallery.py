"""The thumbnails that a step shows in its contact sheet: a few of each entry, more while there is room."""

from collections import Counter

from ogaart.imaging.contact_sheet import MOST as MOST_SHOWN

SHOWN_PER_ENTRY = 3


class Gallery:
    """Thumbnails of new pictures, at most as many as a contact sheet holds."""

    def __init__(self) -> None:
        self._first: list[bytes] = []
        self._spare: list[bytes] = []
        self._shown: Counter[str] = Counter()

    def add(self, slug: str, thumbnail: bytes) -> None:
        """Add a new picture of the entry ``slug``: a WebP thumbnail."""
        self._shown[slug] += 1
        kept = self._first if self._shown[slug] <= SHOWN_PER_ENTRY else self._spare
        if len(kept) < MOST_SHOWN:
            kept.append(thumbnail)

    @property
    def thumbnails(self) -> list[bytes]:
        """The chosen thumbnails."""
        return (self._first + self._spare)[:MOST_SHOWN]
