"""A converted model: its backbone by a back end, its fully connected layers by NumPy from weights that are mapped."""

import mmap
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.embedding.backends.base import Backbone, Backend, ConversionUnusable

LEAST_COSINE = 0.999999
"""Below it a vector is not the one that PyTorch computes, and would not belong into the same vector space."""
_SAME_COSINE = 0.9999
"""Below it a vector of fewer bits is not the one that the same conversion computed before, on the same processor."""
_RELEASED_FROM = 16
"""Pictures of a batch from which on the pages of mapped weights are released once they are multiplied: they are not
needed until the next one, and mapping them again takes some ten milliseconds. A visitor's picture does not wait."""
_ROWS = 512
"""Rows of a layer's weights that are multiplied at once: fastest of 32 to 4,096 for 32 pictures, by a third."""
PROBE = "probe.npz"
DENSE = "dense"


class ConvertedModel:
    """Embeds prepared pictures without PyTorch.

    Args:
        backbone: computes what the dense layers start from.
        dense: (weight (M, K), bias (M,)) float32 of each fully connected layer; a ReLU follows each.
    """

    def __init__(self, backbone: Backbone, dense: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
        self._backbone = backbone
        self._dense = dense

    @classmethod
    def open(cls, folder: Path, backend: Backend, threads: int) -> Self:
        """Open a conversion, and let it embed the pictures whose vectors are stored with it.

        Args:
            folder: of the model's conversions.
            backend: which of them.
            threads: how many threads will share it.

        Raises:
            ConversionUnusable: it is missing or damaged, a vector is another, or the back end is not installed.
        """
        model = cls.load(folder, backend, threads)
        pictures, expected = _probe((folder if backend.exact else folder / backend.name) / PROBE)
        found = model.embed(pictures, None, released_from=1)
        cosine = float(cosines(found, expected).min()) if found.shape == expected.shape else 0.0
        if not cosine >= (LEAST_COSINE if backend.exact else _SAME_COSINE):
            whose = "PyTorch" if backend.exact else "it"
            raise ConversionUnusable(
                f"{folder / backend.name} computes another vector than {whose} did when it was converted "
                f"(cosine {cosine:.6f})"
            )
        return model

    @classmethod
    def load(cls, folder: Path, backend: Backend, threads: int) -> Self:
        """Open a conversion whose vectors are compared by the caller; see ``open``."""
        return cls(backend.open(folder / backend.name, threads), _dense(folder / DENSE))

    def embed(
        self, prepared: NDArray[np.uint8], pool: Executor | None, *, released_from: int = _RELEASED_FROM
    ) -> NDArray[np.float32]:
        """Embed prepared pictures.

        Args:
            prepared: (N, S, S, 3) uint8 RGB, S the model's input size.
            pool: its threads take other pictures each; None: this thread alone.
            released_from: from how many pictures on the memory of weights is released.

        Returns:
            (N, D) float32, not normalised.
        """
        values = np.stack(list((pool.map if pool else map)(self._one, prepared)))
        for weight, bias in self._dense:
            values = np.maximum(_product(values, weight, released=len(prepared) >= released_from) + bias, 0)
        return values

    def _one(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._backbone.compute(np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32))


def _product(values: NDArray[np.float32], weight: NDArray[np.float32], *, released: bool) -> NDArray[np.float32]:
    """(N, K) times the transpose of (M, K), some rows of the latter at a time, each released if wanted: (N, M)."""
    columns, found = np.ascontiguousarray(values.T), []
    for start in range(0, len(weight), _ROWS):
        found.append(weight[start : start + _ROWS] @ columns)
        if released:
            _release(weight)
    return np.concatenate(found).T


def _release(weight: NDArray[np.float32]) -> None:
    """Let the system take back the memory of a mapped array, which is read from its file again."""
    mapping = weight.base
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosines of the rows of two (N, D) arrays, (N,) float64; 0 where a row has no direction."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / np.where(lengths > 0, lengths, np.inf))


def store_dense(layers: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], folder: Path) -> None:
    """Write the weights of fully connected layers so that they can be mapped."""
    folder.mkdir(parents=True)
    for number, (weight, bias) in enumerate(layers):
        np.save(folder / f"{number}.weight.npy", weight)
        np.save(folder / f"{number}.bias.npy", bias)


def store_probe(pictures: NDArray[np.uint8], vectors: NDArray[np.float32], folder: Path) -> None:
    """Write prepared pictures, (N, S, S, 3), and the vectors that a conversion must compute of them, (N, D)."""
    with (folder / PROBE).open("wb") as out:
        np.savez(out, picture=pictures, vector=vectors)


def _dense(folder: Path) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    if not folder.is_dir():
        raise ConversionUnusable(f"{folder} is missing")
    layers = []
    for number in range(sum(1 for _ in folder.glob("*.weight.npy"))):
        try:
            layers.append(
                (np.load(folder / f"{number}.weight.npy", mmap_mode="r"), np.load(folder / f"{number}.bias.npy"))
            )
        except (OSError, ValueError, EOFError) as cause:
            raise ConversionUnusable(f"layer {number} in {folder} is missing or damaged: {cause}") from cause
    return layers


def _probe(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    try:
        with np.load(path) as stored:
            picture, vector = stored["picture"], stored["vector"]
            return picture.reshape(-1, *picture.shape[-3:]), vector.reshape(-1, vector.shape[-1])
    except (OSError, ValueError, KeyError, EOFError) as cause:
        raise ConversionUnusable(f"{path} is missing or damaged: {cause}") from cause
