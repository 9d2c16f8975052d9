"""Which layers and which held-out images of a package a command looks at."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from penni_escalate.common.caller import as_typed
from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.fit import core_form, unsupported_reason
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import Layer
from penni_escalate.golden.package import Package

#: Why a layer cannot run on a configuration; None where it can.
Reason = Callable[[Layer, Accelerator], str | None]


@dataclass(frozen=True)
class HostLayer:
    """A layer that the accelerator cannot run, so that golden/ computes it."""

    name: str
    kind: str
    reason: str


def split_layers(
    package: Package, config: Accelerator, reason: Reason = unsupported_reason
) -> tuple[tuple[Convolution, ...], tuple[HostLayer, ...]]:
    """The layers that can run, in the form that the stream core runs, and the others, each with its reason."""
    reasons = [(layer, reason(layer, config)) for layer in package.layers]
    forms = (core_form(layer) for layer, why in reasons if why is None)
    runs = tuple(form for form in forms if not isinstance(form, str))
    left = tuple(HostLayer(layer.name, layer.kind.value, why) for layer, why in reasons if why is not None)
    return runs, left


def select_layers(
    package: Package, config: Accelerator, name: str | None, reason: Reason = unsupported_reason
) -> tuple[tuple[Convolution, ...], tuple[HostLayer, ...]]:
    """The layers to run, and those that fall back to the host because the accelerator cannot run them.

    Args:
        name: one layer's name, or None for all.

    Raises UserError for a layer that is unknown or cannot run, and where no layer can.
    """
    network = package.manifest.network
    runs, left = split_layers(package, config, reason)
    if name is None:
        if not runs:
            raise UserError(
                f"No layer of network '{network}' can run on configuration '{config.name}': "
                f"layer '{left[0].name}': {left[0].reason}."
            )
        return runs, left
    for other in left:
        if other.name == name:
            raise UserError(f"Layer '{name}' does not fit configuration '{config.name}': {other.reason}.")
    chosen = tuple(layer for layer in runs if layer.name == name)
    if not chosen:
        known = ", ".join(layer.name for layer in package.layers)
        raise UserError(f"Layer '{name}' is not a layer of network '{network}': use one of {known}.")
    return chosen, ()


def select_images(package: Package, count: int, image: int | None, seed: int) -> tuple[int, ...]:
    """Numbers of the held-out images to use; raises UserError where there are not as many.

    Args:
        count: how many, drawn by the seed.
        image: one image by its number, instead of drawing.
    """
    held = len(package.images)
    if image is not None:
        if not 0 <= image < held:
            raise UserError(
                f"{as_typed('image')} is {image}: it must be in 0..{held - 1}, the package's held-out images."
            )
        return (image,)
    if not 1 <= count <= held:
        raise UserError(f"{as_typed('images')} is {count}: it must be in 1..{held}, the package's held-out images.")
    order = np.random.default_rng(seed).permutation(held)
    return tuple(int(number) for number in order[:count])
