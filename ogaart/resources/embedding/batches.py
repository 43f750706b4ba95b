"""What goes into the embedder and comes out of it: pictures, and batches of their vectors and derived bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EmbedderInput:
    """A picture to read.

    Attributes:
        key: names it in the results.
        source: its file, as bytes or as a path.
        embed: whether the model's vector is wanted.
        derive: names of the derived spaces that want its pixels; see ``derivations``.
        named: boxes (x, y, width, height) of the cells that an atlas names, by the key under which their likeness is
            kept; see ``likeness.cells``.
    """

    key: str
    source: bytes | Path
    embed: bool = True
    derive: tuple[str, ...] = ()
    named: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A picture without a vector: its key, the class of the cause, and the cause."""

    key: str
    error_class: str
    message: str


@dataclass(frozen=True)
class Batch:
    """What became of some pictures.

    Attributes:
        keys: the pictures that have a vector.
        vectors: (N, D) float32 of length 1, in the order of ``keys``.
        norms: (N,) float32, the lengths of the model's own vectors.
        failures: the pictures that have none although it was wanted, or that cannot be read.
        derived: by derived space and picture, what is kept.
        underived: by derived space, the pictures for which it failed.
        read: how many pictures these results are of.
    """

    keys: tuple[str, ...]
    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]
    failures: tuple[Failure, ...]
    derived: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    underived: Mapping[str, Sequence[Failure]] = field(default_factory=dict)
    read: int = 0


@dataclass
class Reading:
    """What was read of a picture, or of the pictures of the next batch."""

    prepared: list[tuple[str, NDArray[np.uint8]]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    derived: dict[str, dict[str, bytes]] = field(default_factory=dict)
    underived: dict[str, list[Failure]] = field(default_factory=dict)
    count: int = 0

    def add(self, other: "Reading") -> None:
        """Take another's results too."""
        self.prepared += other.prepared
        self.failures += other.failures
        for space, contents in other.derived.items():
            self.derived.setdefault(space, {}).update(contents)
        for space, failures in other.underived.items():
            self.underived.setdefault(space, []).extend(failures)
        self.count += other.count
