"""VGG16 of torchvision, IMAGENET1K_V1: the second fully connected layer after its ReLU, 4,096 numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from ogaart.resources.embedding.models.base import EmbeddingModel

if TYPE_CHECKING:
    import torch
    from torch import nn


class Vgg16(EmbeddingModel):
    """torchvision's VGG16 up to fc2."""

    name = "vgg16"
    label = "VGG16"
    dimension = 4096
    sha256 = "397923af"
    source = "https://download.pytorch.org/models/vgg16-397923af.pth"
    way_out = (
        f"fetch {source} (528 MB) on a machine that can reach it and set OGAART_WEIGHTS to the file (or put it into "
        "torch's folder hub/checkpoints), or set OGAART_MODEL=efficientnet_lite0, whose weights are installed"
    )

    def build(self) -> "nn.Module":
        """All layers before the classes."""
        from torchvision.models import vgg16

        body = cast("nn.Module", vgg16(weights=None))
        body.classifier = cast("nn.Sequential", body.classifier)[:5]
        return body

    def normalise(self, rgb: "torch.Tensor") -> "torch.Tensor":
        """As the weights' own transforms state: mean and deviation of ImageNet, for values 0 to 1."""
        import torch
        from torchvision.models import VGG16_Weights

        stated = VGG16_Weights.IMAGENET1K_V1.transforms()
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (stated.mean, stated.std))
        return (rgb / 255 - mean) / deviation

    def forward(self, body: "nn.Module", pixels: "torch.Tensor") -> "torch.Tensor":
        """Features, pooling, fc1, ReLU, fc2, ReLU (dropout does nothing in inference)."""
        return cast("torch.Tensor", body(pixels))

    def backbone(self, body: "nn.Module", pixels: "torch.Tensor") -> "torch.Tensor":
        """Features and pooling, (N, 25088)."""
        layers = cast("Any", body)
        return cast("torch.Tensor", layers.avgpool(layers.features(pixels)).flatten(1))

    def dense(self, body: "nn.Module") -> "Sequence[nn.Linear]":
        """fc1 and fc2."""
        classifier = cast("nn.Sequential", body.classifier)
        return cast("Sequence[nn.Linear]", (classifier[0], classifier[3]))


MODEL = Vgg16()
