"""What every embedding model declares: facts known without torch, and layers that only the worker makes."""

import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.error import URLError

if TYPE_CHECKING:
    import torch
    from torch import nn


_DOWNLOAD_SECONDS = 30.0
"""Seconds without a byte."""


class WeightsMissing(RuntimeError):
    """The weights of the chosen model are missing or not what they should be; the message names the way out."""


@dataclass(frozen=True)
class LikenessThresholds:
    """How far a model's cosines can be trusted; measured by ``make quality``.

    Attributes:
        typical_cosine: below it the nearest picture is not even similar, where a publication holds too few pictures
            to measure what is typical of its pairs.
        closeness_share: weight, 0 to 1, of the signatures' closeness in the likeness of two pictures that are no
            copies of each other; the rest is the cosine's.
    """

    typical_cosine: float = 0.35
    closeness_share: float = 0.3


class EmbeddingModel(ABC):
    """One embedding model. Its module assigns an instance to ``MODEL``; torch is imported inside methods only.

    Attributes:
        name: its name in ``OGAART_MODEL`` and at the start of its vector space: letters, digits and ``_``.
        label: its name for people.
        dimension: numbers in a vector.
        input_size: side in pixels of the square that pictures are prepared to.
        sha256: how the sha256 of its published weights begins.
        source: where those come from: the URL of a state dict that torch's own folder of downloads keeps, its name
            ending in the beginning of its hash; or words, for messages.
        way_out: what to do where they are missing, for messages.
        thresholds: how its cosines are read.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    dimension: ClassVar[int]
    input_size: ClassVar[int] = 224
    sha256: ClassVar[str]
    source: ClassVar[str]
    way_out: ClassVar[str]
    thresholds: ClassVar[LikenessThresholds] = LikenessThresholds()

    def published_weights(self) -> Path | None:
        """The file of the published weights on this machine; None where it has to be downloaded first.

        Raises:
            WeightsMissing: they are missing and cannot be downloaded.
        """
        path = downloads() / self.source.rpartition("/")[2]
        return path if path.is_file() else None

    def download(self) -> "dict[str, torch.Tensor]":
        """The published state dict, downloaded from ``source`` and checked against the hash in its file's name.

        Raises:
            WeightsMissing: it cannot be downloaded.
        """
        if not self.source.startswith("https://"):
            raise WeightsMissing(self.not_available("it is not the URL of a file"))
        from torch.hub import load_state_dict_from_url

        socket.setdefaulttimeout(_DOWNLOAD_SECONDS)
        try:
            return dict(load_state_dict_from_url(self.source, str(downloads()), progress=False, check_hash=True))
        except (URLError, OSError, RuntimeError) as error:  # RuntimeError: the hash is wrong
            raise WeightsMissing(self.not_available(str(error))) from error

    @abstractmethod
    def build(self) -> "nn.Module":
        """The layers up to the vector, without weights."""

    @abstractmethod
    def normalise(self, rgb: "torch.Tensor") -> "torch.Tensor":
        """Values 0 to 255 as float32 (N, 3, H, W), to the range that the model was trained on."""

    @abstractmethod
    def forward(self, body: "nn.Module", pixels: "torch.Tensor") -> "torch.Tensor":
        """Normalised pictures (N, 3, H, W) through the layers of ``build`` to vectors (N, dimension)."""

    def backbone(self, body: "nn.Module", pixels: "torch.Tensor") -> "torch.Tensor":
        """Normalised pictures (N, 3, H, W) to what the layers of ``dense`` start from, (N, K).

        Other back ends than PyTorch convert this part. A model without such layers leaves it as it is.
        """
        return self.forward(body, pixels)

    def dense(self, body: "nn.Module") -> "Sequence[nn.Linear]":
        """The fully connected layers from ``backbone`` to the vector, with a ReLU after each.

        Their weights are read once for a whole batch, which is what they cost where they are large.
        """
        del body
        return ()

    def not_available(self, cause: str) -> str:
        """The message where the published weights are not available."""
        return f"the weights of {self.name} are missing and not available from {self.source} ({cause}): {self.way_out}"


def downloads() -> Path:
    """The folder in which torch keeps the weights that it downloads, by the same variables as torch's."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", str(Path(cache) / "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints"
