"""A converted model: its backbone by a back end, its fully connected layers by NumPy from weights that are mapped."""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.embedding.backends.base import Backbone, Backend, ConversionUnusable

LEAST_COSINE = 0.999999
"""Below it a vector is not the one that PyTorch computes, and would not belong into the same vector space."""
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
        """Open a conversion, and let it embed the picture whose vector is stored with it.

        Args:
            folder: of the model's conversions.
            backend: which of them.
            threads: how many threads will share it.

        Raises:
            ConversionUnusable: it is missing or damaged, its vector is another, or the back end is not installed.
        """
        model = cls(backend.open(folder / backend.name, threads), _dense(folder / DENSE))
        picture, expected = _probe(folder / PROBE)
        found = model.embed(picture[None], None)[0]
        cosine = cosines(found[None], expected[None])[0] if found.shape == expected.shape else 0.0
        if not cosine >= LEAST_COSINE:
            raise ConversionUnusable(
                f"{folder / backend.name} computes another vector than PyTorch did when it was converted "
                f"(cosine {cosine:.6f})"
            )
        return model

    def embed(self, prepared: NDArray[np.uint8], pool: Executor | None) -> NDArray[np.float32]:
        """Embed prepared pictures.

        Args:
            prepared: (N, S, S, 3) uint8 RGB, S the model's input size.
            pool: its threads take other pictures each; None: this thread alone.

        Returns:
            (N, D) float32, not normalised.
        """
        values = np.stack(list((pool.map if pool else map)(self._one, prepared)))
        for weight, bias in self._dense:
            values = np.maximum(values @ weight.T + bias, 0)
        return values

    def _one(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._backbone.compute(np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32))


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


def store_probe(picture: NDArray[np.uint8], vector: NDArray[np.float32], folder: Path) -> None:
    """Write a prepared picture and the vector that PyTorch computes of it."""
    with (folder / PROBE).open("wb") as out:
        np.savez(out, picture=picture, vector=vector)


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
            return stored["picture"], stored["vector"]
    except (OSError, ValueError, KeyError, EOFError) as cause:
        raise ConversionUnusable(f"{path} is missing or damaged: {cause}") from cause
