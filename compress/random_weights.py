"""Random weights and images, on which a network is compared with another form of it.

Trained or fresh weights could hide a difference: a new batch norm is nearly an identity, and a gain of zero disables a
whole branch. So every parameter and buffer is drawn, in a copy of the network in float64.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from penni_escalate.common.errors import UserError, first_line

#: Images at a time: a size of a batch that is written into the network shows with the second.
BATCHES = (1, 2)
#: Root mean square of the images, and of what each layer gives before its activation: ReLU6 clamps on both sides.
SPREAD = 6.0
SEED = 1
#: Times that weights and images are drawn until the result tells something.
_DRAWS = 32


class RandomCopy:
    """A copy of a network in float64, in evaluation mode, whose weights can be drawn."""

    def __init__(self, network: nn.Module, name: str) -> None:
        self.name = name
        try:
            self.module = copy.deepcopy(network).to("cpu", torch.float64).eval()
        except Exception as error:  # the user's own code
            raise UserError(f"Network '{name}' cannot be copied by copy.deepcopy: {first_line(error)}.") from None

    def results(self, images: Tensor) -> tuple[Any, ...]:
        """Of images (N, C, H, W), in order; raises UserError where the network fails on them."""
        try:
            given = self.module(images.clone())
        except Exception as error:  # the user's own code
            raise UserError(
                f"Network '{self.name}' fails on {len(images)} images in float64: {first_line(error)}; it must take "
                "batches of any size."
            ) from None
        return tuple(tree_leaves(given))

    def draw(self, images: Tensor, generator: torch.Generator) -> None:
        """Draw every parameter and buffer, no number of them near zero; layers give SPREAD for these images."""
        for key, tensor in (*self.module.named_parameters(), *self.module.named_buffers()):
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                size = 0.5 + values.abs()
                # A variance, and what else may stand below a root.
                held = not isinstance(tensor, nn.Parameter) and bool((tensor > 0).all())
                tensor.copy_(size if held or key.endswith("running_var") else size * values.sign())
        with _Scaling():
            self.results(images)

    def outputs(self, images: Tensor) -> dict[str, Iterator[Tensor]]:
        """What every module gave in each of its calls, by its path."""
        names = {module: name for name, module in self.module.named_modules()}
        held: dict[str, list[Tensor]] = defaultdict(list)

        def keep(module: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                # What follows may change it in place.
                held[names[module]].append(output.clone())

        with ExitStack() as hooks:
            for module in self.module.modules():
                hooks.enter_context(module.register_forward_hook(keep))
            self.results(images)
        return {name: iter(values) for name, values in held.items()}


def telling_batches(
    own: RandomCopy, shape: tuple[int, int, int], generator: torch.Generator
) -> list[tuple[Tensor, tuple[Any, ...]]]:
    """Images of every size of a batch, and the network's results of them with the weights that are drawn with them.

    A result that an activation at the end clamps everywhere is the same for many networks: it is drawn again.
    """

    def draw(count: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator, dtype=torch.float64) * SPREAD

    for _ in range(_DRAWS):
        own.draw(draw(1), generator)
        batches = [(images, own.results(images)) for images in map(draw, BATCHES)]
        if not any(_clamped(result) for _, wanted in batches for result in wanted):
            return batches
    raise UserError(
        f"Network '{own.name}' gives nothing but 0 or a limit of its last activation, with random weights and images "
        f"drawn {_DRAWS} times: its result must depend on them."
    )


def equal(found: object, wanted: object, tolerance: float) -> bool:
    """Whether these are two tensors (N, ...) of the same numbers; what is not a number equals nothing.

    Args:
        tolerance: largest difference, relative to the largest number of the tensor that is wanted.
    """
    if not isinstance(found, Tensor) or not isinstance(wanted, Tensor):
        return False
    if found.shape[:1] != wanted.shape[:1] or found.numel() != wanted.numel():
        return False
    difference = (found.flatten() - wanted.flatten()).abs().max()
    return bool(difference <= tolerance * wanted.abs().max())


def _clamped(result: object) -> bool:
    """Whether every number of a result is an end of a clamp, 0 or ReLU6's 6."""
    return isinstance(result, Tensor) and bool(((result == 0) | (result == 6)).all())


class _Weighted(NamedTuple):
    """Where a function has its weight and its bias: places among its arguments, and names."""

    weight: tuple[int, str]
    bias: tuple[int, str] | None


_LAYER = _Weighted((1, "weight"), (2, "bias"))
#: Functions whose result is proportional to a weight, but for a bias; the modules call them too.
_WEIGHTED: dict[Callable[..., Any], _Weighted] = {
    functional.conv2d: _LAYER,
    functional.linear: _LAYER,
    functional.batch_norm: _Weighted((3, "weight"), (4, "bias")),
    torch.matmul: _Weighted((1, "other"), None),
    torch.Tensor.matmul: _Weighted((1, "other"), None),
    torch.addmm: _Weighted((2, "mat2"), (0, "input")),
}


class _Scaling(TorchFunctionMode):
    """Scales every weight, when it is used, so that the result's root mean square is about SPREAD."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        places = _WEIGHTED.get(func)
        if places is None:
            return output

        def argument(place: tuple[int, str] | None) -> Any:
            if place is None:
                return None
            return args[place[0]] if place[0] < len(args) else kwargs.get(place[1])

        weight, bias = argument(places.weight), argument(places.bias)
        # A view of it, as transposed, is scaled with it.
        held = weight._base if isinstance(weight, Tensor) and weight._is_view() else weight
        if not isinstance(held, nn.Parameter):
            # None, or computed from others.
            return output
        size = output.square().mean().sqrt()
        if not size:
            # Its window reads nothing but zeros of the margin.
            return output
        factor = SPREAD / size
        held.mul_(factor)
        if not isinstance(bias, Tensor):
            return output * factor
        bias = bias.reshape(-1, *[1] * (output.dim() - 2))
        return (output - bias) * factor + bias
