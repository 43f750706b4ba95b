"""What every embedding back end declares: the packages it needs, how it converts a model, and how it opens one.

A converter takes the model's backbone, the part before its fully connected layers; those are computed for a whole
batch at a time by ``converted``, from weights that are mapped.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn


class ConversionUnusable(RuntimeError):
    """A converted model is missing, damaged, or computes something else than the model; the message says why."""


class DeviceUnusable(RuntimeError):
    """A device is missing, or computes other vectors than the processor; the message says why."""


class Backbone(Protocol):
    """A model's backbone, opened; threads may share it."""

    def compute(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """One picture, (3, S, S) float32 of 0 to 255, C-contiguous, to (K,) float32."""


class Backend(ABC):
    """One library that computes converted models.

    Attributes:
        name: its name in reports and in the folder of conversions.
        packages: the packages of ``ogaart[fast]`` that it needs.
        exact: whether its vectors are the model's own; others belong to the space of ``OGAART_PRECISION=fast``.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    exact: ClassVar[bool] = True

    def versions(self) -> Mapping[str, str | None]:
        """The installed version of each package; None where it is not installed."""
        return {package: _version(package) for package in self.packages}

    def installed(self) -> bool:
        """Whether all packages are installed."""
        return None not in self.versions().values()

    @abstractmethod
    def convert(self, backbone: "nn.Module", size: int, folder: Path, pictures: NDArray[np.uint8]) -> None:
        """Write a model's backbone.

        Args:
            backbone: from (N, 3, size, size) float32 of 0 to 255 to (N, K) float32.
            size: side of the pictures.
            folder: where to; it exists and is empty.
            pictures: (N, size, size, 3) uint8, of the kind that will be embedded, for what is fitted to them.

        Raises:
            ConversionUnusable: the library does not convert this model.
        """

    @abstractmethod
    def open(self, folder: Path, threads: int) -> Backbone:
        """Open what ``convert`` has written.

        Args:
            folder: of the conversion.
            threads: how many threads will share it.

        Raises:
            ConversionUnusable: a file is missing or damaged, or the package is not installed.
        """


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
