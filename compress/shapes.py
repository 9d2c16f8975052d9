"""The networks that can be compressed, as plain data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ConvolutionShape:
    """One convolution with a square kernel; height and width are its input's, in pixels."""

    name: str
    channels: int
    kernels: int
    height: int
    width: int
    stride: int
    size: int = 3
    padding: int = 1

    @property
    def out_side(self) -> int:
        """Output height, and width: the networks' images are square."""
        return (self.height + 2 * self.padding - self.size) // self.stride + 1


@dataclass(frozen=True)
class NetworkShape:
    """A chain of convolutions, each with batch norm and ReLU, then average pooling and a linear classifier."""

    name: str
    convolutions: tuple[ConvolutionShape, ...]
    classes: int


def _chain(side: int, channels: int, layers: tuple[tuple[int, int], ...]) -> tuple[ConvolutionShape, ...]:
    """Convolutions from (output channels, stride), each on the output of the one before."""
    shapes = []
    for number, (kernels, stride) in enumerate(layers, start=1):
        shapes.append(ConvolutionShape(f"conv{number}", channels, kernels, side, side, stride))
        channels, side = kernels, shapes[-1].out_side
    return tuple(shapes)


NETWORKS = {
    "digits": NetworkShape(
        name="digits",
        convolutions=_chain(28, 1, ((16, 1), (32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 1))),
        classes=10,
    )
}
