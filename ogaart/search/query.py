"""The query model: one frozen search, the same for page, API and command line."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.cells import TrimmedPicture
from ogaart.likeness.fusion import USUAL, Weights
from ogaart.likeness.query_patches import QueryPatches
from ogaart.search.errors import InvalidParameter
from ogaart.search.filters import Filters

PAGE_SIZE = 24
MAX_PAGE_SIZE = 100
MAX_DEPTH = 1_000  # hits that paging reaches: each page costs a walk to it


class Sort(StrEnum):
    """The order of hits; pictures always rank by similarity."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    FAVOURITES = "favourites"
    LARGEST = "largest"
    SMALLEST = "smallest"


@dataclass(frozen=True)
class Box:
    """A crop, in shares of the picture's width and height: 0 <= left, left + width <= 1, and so down."""

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        sides = (self.left, self.top, self.width, self.height)
        if not (
            all(0.0 <= side <= 1.0 for side in sides)
            and self.width >= 0.01
            and self.height >= 0.01
            and self.left + self.width <= 1.001
            and self.top + self.height <= 1.001
        ):
            raise ValueError(
                f"crop {sides}: expected left,top,width,height as shares from 0 to 1 within the picture, "
                "width and height 0.01 at least; smaller parts are given in pixels, as pixel:left,top,width,height"
            )

    @classmethod
    def of(cls, sides: tuple[int, int, int, int] | None, width: int, height: int) -> "Box | None":
        """The box that cuts out left, top, right, bottom in pixels; None for none, or where it would be too thin."""
        if sides is None:
            return None
        left, top, right, bottom = sides
        # A hundredth of a pixel inwards, so that rounding never includes a row of the background.
        x, y = (left + 0.01) / width, (top + 0.01) / height
        try:
            return cls(x, y, right / width - x, bottom / height - y)
        except ValueError:
            return None

    def cut(self, rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut an (H, W, 4) array; at least one pixel remains."""
        height, width = rgba.shape[:2]
        x0, y0 = min(int(self.left * width), width - 1), min(int(self.top * height), height - 1)
        x1 = max(x0 + 1, round((self.left + self.width) * width))
        y1 = max(y0 + 1, round((self.top + self.height) * height))
        return np.ascontiguousarray(rgba[y0:y1, x0:x1])


@dataclass(frozen=True)
class PixelBox(Box):
    """A crop in whole pixels of the picture, from one pixel up."""

    def __post_init__(self) -> None:
        if self.left < 0 or self.top < 0 or self.width < 1 or self.height < 1:
            raise ValueError(
                f"crop pixel:{','.join(f'{side:.0f}' for side in self.sides)}: expected left and top from 0, "
                "width and height from 1 pixel"
            )

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """Left, top, width, height."""
        return self.left, self.top, self.width, self.height

    def cut(self, rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut an (H, W, 4) array.

        Raises:
            InvalidParameter: it reaches beyond the picture.
        """
        height, width = rgba.shape[:2]
        left, top, right, bottom = (
            int(side) for side in (self.left, self.top, self.left + self.width, self.top + self.height)
        )
        if right > width or bottom > height:
            raise InvalidParameter(
                f"crop: pixel:{left},{top},{right - left},{bottom - top} reaches to {right} × {bottom}; "
                f"the picture is {width} × {height} pixels"
            )
        return np.ascontiguousarray(rgba[top:bottom, left:right])


@dataclass(frozen=True, eq=False)
class QueryPicture:
    """A visitor's picture, read once: all that a search needs of it.

    Attributes:
        pixel_sha256: hex hash of its canonical pixels.
        signature: (32, 32, 4) uint8, alpha-premultiplied.
        vector: (D,) float32 of length 1; None without an embedding model, then only exact copies are found.
        space: the vector space of that model.
        width: pixels.
        height: pixels.
        note: why there is no vector, as a sentence.
        part: whether it is known to be a part of a larger picture: a visitor drew the frame.
        palette: its main colours as 0xRRGGBB with their shares, see ``likeness.features``.
        subject: it without its flat ground, where it has one: see ``likeness.grounds``.
        thumbnail: it as a small WebP; empty where none was made.
        patches: for what it is an exact part of, and for what it contains; None: not read.
        parts: (3512,) uint8, its raw parts; see ``likeness.parts``.
        noise: whether its pixels know nothing of their neighbours.
        trimmed: it without its margins, and without its ground too where it has one, as cells of sheets are compared
            with it; empty: not read.
        cuts: (32, 32, 4) uint8 signatures of it cut to its subject, the ground left in: see ``likeness.grounds``.
    """

    pixel_sha256: str
    signature: NDArray[np.uint8]
    vector: NDArray[np.float32] | None
    space: str
    width: int
    height: int
    note: str = ""
    part: bool = False
    palette: tuple[tuple[int, float], ...] = ()
    subject: "QueryPicture | None" = None
    thumbnail: bytes = b""
    patches: QueryPatches | None = None
    parts: NDArray[np.uint8] | None = None
    noise: bool = False
    trimmed: tuple[TrimmedPicture, ...] = ()
    cuts: tuple[NDArray[np.uint8], ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of memory, about; without the thumbnail, which is kept by itself."""
        arrays = (self.signature, self.vector, self.parts, *self.cuts)
        own = sum(array.nbytes for array in arrays if array is not None)
        patches = self.patches.nbytes if self.patches is not None else 0
        own += sum(form.nbytes for form in self.trimmed)
        return own + patches + (self.subject.nbytes if self.subject is not None else 0)

    @property
    def blank(self) -> bool:
        """Whether nothing of it can be seen."""
        return not self.signature[..., 3].any()


@dataclass(frozen=True)
class SearchQuery:
    """One search. All parts combine: pictures rank, words and filters narrow; words alone rank by relevance.

    Attributes:
        words: free text; ``"a phrase"`` and ``-not`` are understood.
        picture: the visitor's own picture (or a crop of any).
        likes: images of the catalog that hits should be like.
        dislikes: images of the catalog that hits should be unlike.
        like_pictures: more of the visitor's pictures that hits should be like.
        unlike_pictures: the visitor's pictures that hits should be unlike.
        filters: what a hit must be.
        without_entries: entries whose pictures are not hits.
        fold: near-identical hits under one.
        group: one hit an entry.
        sort: the order of a search without pictures.
        weights: how much each side of a likeness counts in a search with pictures.
        limit: hits wanted, at most ``MAX_PAGE_SIZE``.
        offset: hits to skip.
    """

    words: str = ""
    picture: QueryPicture | None = None
    positive: tuple[int, ...] = ()
    negative: tuple[int, ...] = ()
    positive_pictures: tuple[QueryPicture, ...] = ()
    negative_pictures: tuple[QueryPicture, ...] = ()
    filters: Filters = field(default_factory=Filters)
    without_entries: tuple[str, ...] = ()
    fold: bool = True
    group: bool = False
    sort: Sort = Sort.RELEVANCE
    weights: Weights = USUAL
    limit: int = PAGE_SIZE
    offset: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_PAGE_SIZE:
            raise ValueError(f"limit {self.limit}: expected 1 to {MAX_PAGE_SIZE}")
        if not 0 <= self.offset <= MAX_DEPTH:
            raise ValueError(
                f"offset {self.offset}: expected 0 to {MAX_DEPTH}; narrow the search instead of paging further"
            )

    @property
    def visual(self) -> bool:
        """Whether any picture takes part."""
        return bool(self.positives or self.negatives)

    @property
    def own(self) -> tuple[QueryPicture, ...]:
        """The visitor's positive pictures, the first one first."""
        return (*((self.picture,) if self.picture is not None else ()), *self.positive_pictures)

    @property
    def positives(self) -> int:
        """Number of positive pictures, the visitor's and the catalog's."""
        return len(self.own) + len(self.positive)

    @property
    def negatives(self) -> int:
        """Number of negative pictures, the visitor's and the catalog's."""
        return len(self.negative_pictures) + len(self.negative)
