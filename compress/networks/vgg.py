"""VGG16 with batch norm for CIFAR (Simonyan and Zisserman, ICLR 2015, configuration D)."""

from torch import Tensor, nn

from penni_escalate.compress.networks.initial import initialise_convolutions

#: Output channels of the convolutions of each stage; a 2x2 max pooling ends a stage.
_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class Vgg16(nn.Module):
    """13 3x3 convolutions with bias, batch norm and ReLU; one linear classifier behind the last pooling.

    ``features`` is torchvision's vgg16_bn. Its classifier of three layers is for 224x224 images; on CIFAR the last
    pooling leaves one pixel, and the PENNI paper classifies that with one layer.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage in _STAGES:
            for kernels in stage:
                layers += [nn.Conv2d(channels, kernels, 3, padding=1), nn.BatchNorm2d(kernels), nn.ReLU()]
                channels = kernels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)
        initialise_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) from real images (N, 3, 32, 32)."""
        logits: Tensor = self.classifier(self.flatten(self.features(x)))
        return logits
