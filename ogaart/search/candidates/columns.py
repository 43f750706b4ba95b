"""What candidates need of a publication's images: a view of ``store.image_columns``, which is built upon them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.index.filters import Condition

Mask = NDArray[np.bool_]


class Columns(Protocol):
    """The images of one publication; see ``store.image_columns.ImageColumns``."""

    @property
    def entry_of(self) -> NDArray[np.int64]:
        """The entry of each image, by number."""

    @property
    def values(self) -> Mapping[str, Any]:
        """Which values of a key the entries have."""

    @property
    def slugs(self) -> tuple[str, ...]:
        """The entries."""

    def rows(self, ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of images, -1 for those that are not here."""

    def nothing(self) -> Mask:
        """A mask without any image."""

    def of_ids(self, ids: Iterable[int]) -> Mask:
        """A mask of some images."""

    def mask(self, condition: Condition) -> Mask:
        """The images that a condition of the index lets through."""
