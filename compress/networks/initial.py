"""Initial weights of the networks that are trained from scratch."""

from torch import nn


def initialise_convolutions(module: nn.Module) -> None:
    """Draw every convolution's weights again, in place; biases become 0.

    He et al., "Delving deep into rectifiers" (2015), section 2.2, in the backward form: PyTorch's own
    default is sqrt(6) times too small for a chain of ReLUs, and a deep network without it starts slowly.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
