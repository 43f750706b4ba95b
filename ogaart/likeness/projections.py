"""Projections: how a model's vector and a picture's raw parts become one short vector of unit blocks.

Each block is centred on the mean of a sample, turned to its principal components, of which the first few are kept and
partly whitened (divided by their deviation to a power), and brought to length 1. The blocks stay unweighted: a query
scales its own, so that one stored vector serves all weights, and the dot product is the weighted sum of the blocks'
cosines. A projection belongs to a model's vector space and to a version of the parts; it is named by its content.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ogaart.likeness import parts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

SUBJECT = "subject"
"""The block of the model's vector."""

KEPT: Mapping[str, tuple[int, float]] = {
    SUBJECT: (256, 0.75),
    "palette": (96, 0.25),
    "layout": (96, 0.25),
    "shape": (128, 0.25),
    "structure": (64, 0.25),
}
"""Numbers that are kept of each block, and the power of whitening: 0 none, 1 full."""

FORMAT = 1
_LEAST = 1e-6  # share of the largest variance below which a component is noise


class ProjectionInvalid(ValueError):
    """A file is not a projection, or is one of another format or of other parts."""


@dataclass(frozen=True)
class Block:
    """One block: ``normalised((x - mean) @ matrix)``.

    Attributes:
        name: ``subject`` or the part's.
        mean: (D,) float32.
        matrix: (D, d) float32, whitening included.
        scale: (d,) float32, what 127 stands for in each number as int8.
    """

    name: str
    mean: Matrix
    matrix: Matrix
    scale: Matrix

    def project(self, values: Matrix) -> Matrix:
        """(N, D) to (N, d) float32 of length 1; what has no direction stays 0."""
        turned = (values - self.mean) @ self.matrix
        lengths = np.linalg.norm(turned, axis=1, keepdims=True)
        return np.asarray(turned / np.maximum(lengths, 1e-9), np.float32)

    def quantise(self, projected: Matrix) -> NDArray[np.int8]:
        """Projected rows as int8, by ``scale``."""
        return np.asarray(np.clip(np.rint(projected * (127 / self.scale)), -127, 127), np.int8)


@dataclass(frozen=True)
class Projection:
    """What makes fused vectors.

    Attributes:
        space: the model's vector space that the block ``subject`` was fitted for; empty where there is none.
        parts: the version of the parts.
        blocks: in the order in which they are stored.
        pictures: how many it was fitted on.
    """

    space: str
    parts: str
    blocks: tuple[Block, ...]
    pictures: int = 0

    @cached_property
    def places(self) -> dict[str, slice]:
        """Where each block is in a fused vector."""
        ends = np.cumsum([block.matrix.shape[1] for block in self.blocks])
        return {
            block.name: slice(int(end) - block.matrix.shape[1], int(end))
            for block, end in zip(self.blocks, ends, strict=True)
        }

    @cached_property
    def dimension(self) -> int:
        """Numbers of a fused vector."""
        return sum(block.matrix.shape[1] for block in self.blocks)

    @cached_property
    def scales(self) -> Matrix:
        """(d,) float32: what 127 stands for in each number of an int8 vector."""
        return np.concatenate([block.scale for block in self.blocks])

    @cached_property
    def steps(self) -> Matrix:
        """(d,) float32: what 1 stands for in each number of an int8 vector."""
        return np.asarray(self.scales / 127, np.float32)

    @cached_property
    def name(self) -> str:
        """``fused-`` and the hash of the content: vectors of one name are comparable."""
        digest = hashlib.sha256(f"{FORMAT} {self.space} {self.parts}".encode())
        for block in self.blocks:
            digest.update(block.name.encode())
            for array in (block.mean, block.matrix, block.scale):
                digest.update(np.ascontiguousarray(array, "<f2").tobytes())
        return f"fused-{digest.hexdigest()[:16]}"

    def without_subject(self) -> Projection:
        """The blocks of the parts alone, for a model that this projection was not fitted for."""
        return Projection("", self.parts, tuple(b for b in self.blocks if b.name != SUBJECT), self.pictures)

    def fuse(self, vectors: Matrix | None, raw: NDArray[np.uint8]) -> Matrix:
        """Project pictures.

        Args:
            vectors: (N, D) float32 unit vectors of the model's space; None where the projection has none of it.
            raw: (N, 3512) uint8 raw parts; a row of zeros: the picture's parts are unknown, and so are their blocks.

        Returns:
            (N, dimension) float32: unit blocks.
        """
        values = self.prepared(raw)
        known = np.asarray(raw.any(axis=1))[:, None]
        blocks = []
        for block in self.blocks:
            if block.name == SUBJECT:
                if vectors is None:
                    raise ValueError(f"{self.name} was fitted for {self.space}, whose vectors it needs")
                blocks.append(block.project(vectors))
            else:
                blocks.append(block.project(values[block.name]) * known)
        return np.concatenate(blocks, axis=1)

    @staticmethod
    def prepared(raw: NDArray[np.uint8]) -> dict[str, Matrix]:
        """Raw parts (N, 3512) as what blocks project: (N, D) float32 a part, ``palette`` and ``shape`` of length 1."""
        values = {name: part.astype(np.float32) / np.float32(255) for name, part in parts.split(raw).items()}
        for name in ("palette", "shape"):
            lengths = np.linalg.norm(values[name], axis=1, keepdims=True)
            values[name] = np.asarray(values[name] / np.maximum(lengths, 1e-9), np.float32)
        return values

    def restore(self, quantised: NDArray[np.int8]) -> Matrix:
        """Fused vectors from int8."""
        restored = quantised.astype(np.float32)
        restored *= self.steps
        return restored

    def to_bytes(self) -> bytes:
        """The file's content; the same for the same projection."""
        arrays: dict[str, NDArray[np.generic]] = {
            "format": np.array(FORMAT),
            "space": np.array(self.space),
            "parts": np.array(self.parts),
            "pictures": np.array(self.pictures),
            "blocks": np.array([block.name for block in self.blocks]),
        }
        for block in self.blocks:
            arrays[f"{block.name}_mean"] = block.mean.astype("<f2")
            arrays[f"{block.name}_matrix"] = block.matrix.astype("<f2")
            arrays[f"{block.name}_scale"] = block.scale.astype("<f2")
        out = io.BytesIO()
        np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
        return out.getvalue()

    @classmethod
    def read(cls, path: Path) -> Projection:
        """Read a file.

        Raises:
            ProjectionInvalid: as ``from_bytes``; the message names the file.
            OSError: it is missing, or cannot be read.
        """
        try:
            return cls.from_bytes(path.read_bytes())
        except ProjectionInvalid as cause:
            raise ProjectionInvalid(f"{path}: {cause}") from cause

    @classmethod
    def from_bytes(cls, content: bytes) -> Projection:
        """Read a file's content.

        Raises:
            ProjectionInvalid: it is not a projection of this format and these parts.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
            of = (int(arrays["format"]), str(arrays["parts"]))
            blocks = tuple(
                Block(
                    str(name),
                    arrays[f"{name}_mean"].astype(np.float32),
                    arrays[f"{name}_matrix"].astype(np.float32),
                    arrays[f"{name}_scale"].astype(np.float32),
                )
                for name in arrays["blocks"]
            )
            space, pictures = str(arrays["space"]), int(arrays["pictures"])
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as cause:
            raise ProjectionInvalid(f"not a projection: {type(cause).__name__}: {cause}") from cause
        if of != (FORMAT, parts.SPACE):
            raise ProjectionInvalid(
                f"a projection of format {of[0]} for {of[1]}; this version reads format {FORMAT} for {parts.SPACE}: "
                "fit it again"
            )
        return cls(space, parts.SPACE, blocks, pictures)


class Fitting:
    """Fits a projection to pictures that come in batches; holds a covariance of each block, and no picture.

    Args:
        space: the model's vector space; empty: only the parts are fitted.
    """

    def __init__(self, space: str) -> None:
        self._space = space
        self._count = 0
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._products: dict[str, NDArray[np.float64]] = {}

    def add(self, vectors: Matrix | None, raw: NDArray[np.uint8]) -> None:
        """Take a batch into account; arguments as of ``Projection.fuse``."""
        values = Projection.prepared(raw)
        if vectors is not None:
            values[SUBJECT] = vectors
        for name, rows in values.items():
            self._sums[name] = self._sums.get(name, 0) + rows.sum(axis=0, dtype=np.float64)
            self._products[name] = self._products.get(name, 0) + (rows.T @ rows).astype(np.float64)
        self._count += len(raw)

    def finish(self, kept: Mapping[str, tuple[int, float]] = KEPT) -> Projection:
        """The projection of everything added."""
        blocks = tuple(self._block(name, *kept[name]) for name in kept if name in self._sums)
        return Projection(self._space, parts.SPACE, blocks, self._count)

    def _block(self, name: str, most: int, power: float) -> Block:
        from scipy import linalg  # for fitting alone, and slow to load

        mean = self._sums[name] / self._count
        covariance = self._products[name] / self._count - np.outer(mean, mean)
        largest = [max(0, len(mean) - most), len(mean) - 1]
        variances, components = linalg.eigh(covariance, subset_by_index=largest)
        order = np.argsort(-variances)
        order = order[variances[order] > _LEAST * variances[order[0]]]
        chosen = components[:, order]
        chosen = chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(chosen.shape[1])])
        deviations = np.sqrt(variances[order])
        matrix = chosen * (deviations[0] / deviations) ** power
        # In a unit vector; what is beyond twelve deviations is cut off by int8.
        spread = deviations * (deviations[0] / deviations) ** power
        scale = np.minimum(1.0, 12.0 * spread / np.linalg.norm(spread))
        return Block(name, _halves(mean), _halves(matrix), _halves(scale))


def _halves(values: NDArray[np.float64]) -> Matrix:
    """Rounded to what float16 keeps, in which they are stored."""
    return values.astype(np.float16).astype(np.float32)
