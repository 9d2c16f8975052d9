"""Networks that are put together at random from everything that docs/operators.md has, in its many spellings."""

import itertools
import random
from collections.abc import Callable
from math import gcd, inf
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

T = TypeVar("T")
#: A step's result, of the network and the results before it; the image is the first.
Function = Callable[["RandomNetwork", list[Tensor]], Tensor]


class RandomNetwork(nn.Module):
    """A list of steps; the last one's result is the network's, or several are.

    Attributes:
        lines: the steps as text, one a line.
        given: the steps whose results are the network's, where these are several.
    """

    def __init__(self) -> None:
        super().__init__()
        self.functions: list[Function] = []
        self.lines: list[str] = []
        self.given: list[int] = []

    def part(self, name: str) -> Any:
        """The module of this name."""
        return self.get_submodule(name)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The result of images (N, C, H, W); several are a tuple."""
        results = [x]
        for function in self.functions:
            results.append(function(self, results))
        return tuple(results[place] for place in self.given) if self.given else results[-1]


class Drawing:
    """A network while it is drawn: every step is carried out on an example, whose shapes the next ones are drawn for.

    Attributes:
        network: what has been drawn of it.
        shape: (channels, height, width) of an image.
    """

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)
        self.network = RandomNetwork()
        self.shape = (self.within(1, 7), self.within(7, 13), self.within(7, 13))
        self._results = [torch.ones(2, *self.shape)]

    def within(self, low: int, high: int) -> int:
        """A number from low to high, both included."""
        return self._random.randint(low, high)

    def pick(self, *options: Any) -> Any:
        """One of several."""
        return self._random.choice(options)

    def named(self, options: dict[str, T]) -> tuple[str, T]:
        """One of several, with its name."""
        return self._random.choice(list(options.items()))

    def order(self, count: int) -> list[int]:
        """The numbers below ``count`` in any order."""
        return self._random.sample(range(count), count)

    def size(self, place: int) -> tuple[int, int, int]:
        """(channels, height, width) of a result."""
        channels, height, width = self._results[place].shape[1:]
        return channels, height, width

    def row(self, place: int) -> int:
        """Numbers of a result that is a row for each image."""
        return self._results[place].shape[1]

    def module(self, module: nn.Module) -> str:
        """Gives the network a module; returns its name."""
        name = f"m{sum(1 for _ in self.network.children())}"
        self.network.add_module(name, module.eval())
        return name

    def step(self, text: str, function: Function) -> int:
        """A step more; returns the place of its result."""
        with torch.no_grad():
            # A step may change what it reads in place.
            result = function(self.network, [one.clone() for one in self._results])
        self._results.append(result)
        self.network.functions.append(function)
        shape = "x".join(str(side) for side in result.shape[1:])
        self.network.lines.append(f"{len(self._results) - 1}: {text} -> {shape}")
        return len(self._results) - 1

    def call(self, module: nn.Module, place: int) -> int:
        """A step that calls a module of its own."""
        name = self.module(module)
        return self.step(f"{module} of {place}", lambda net, results: net.part(name)(results[place]))

    def apply(self, text: str, function: Callable[[Tensor], Tensor], place: int) -> int:
        """A step that calls a function."""
        return self.step(f"{text} of {place}", lambda net, results: function(results[place]))


# ---- layers with weights ----------------------------------------------------------------------------------


def convolution(d: Drawing, x: int, kernels: int | None = None, *, keep: bool = False) -> int:
    """A convolution of any kernel, stride, margin, dilation and groups; ``keep``: of as many pixels as it reads."""
    channels, height, width = d.size(x)
    kernels = d.within(2, 12) if kernels is None else kernels
    rows, columns = d.pick((1, 1), (3, 3), (3, 3), (5, 5), (1, 3), (3, 1), (2, 2))
    dilation = d.pick(1, 1, 1, 2)
    divisors = [count for count in range(1, 13) if gcd(channels, kernels) % count == 0]
    groups = d.pick(1, 1, *divisors)
    bias = d.pick(True, False)
    stride = 1 if keep else d.pick(1, 1, 2, 3)
    half = (dilation * (rows // 2), dilation * (columns // 2))
    margin = "same" if keep else d.pick("none", "half", "one-sided", *(["same"] if stride == 1 else []))
    spans = (dilation * (rows - 1) + 1, dilation * (columns - 1) + 1)
    if margin == "none" and (spans[0] > height or spans[1] > width):
        margin = "half"
    padding: Any = {"same": "same", "half": half}.get(margin, 0)
    if margin == "half" and any(
        side + 2 * edge < span for side, edge, span in zip((height, width), half, spans, strict=True)
    ):
        rows = columns = 1
        padding = 0
    if margin == "one-sided":
        left, right, top, bottom = (d.within(0, 2) for _ in range(4))
        x = _padded(d, x, (left + spans[1] - 1, right, top + spans[0] - 1, bottom))
    made = nn.Conv2d(channels, kernels, (rows, columns), stride, padding, dilation, groups, bias)
    if d.pick(True, False) or padding == "same":
        return d.call(made, x)
    name = d.module(made)

    def function(net: RandomNetwork, results: list[Tensor]) -> Tensor:
        module = net.part(name)
        return functional.conv2d(results[x], module.weight, module.bias, stride, padding, dilation, groups)

    return d.step(f"functional.conv2d of {x}, {made}", function)


def norm(d: Drawing, x: int) -> int:
    """A batch norm."""
    channels = d.size(x)[0]
    made = d.pick(nn.BatchNorm2d(channels), nn.SyncBatchNorm(channels), nn.BatchNorm2d(channels, affine=False))
    if d.pick(True, True, False):
        return d.call(made, x)
    name = d.module(made)

    def function(net: RandomNetwork, results: list[Tensor]) -> Tensor:
        m = net.part(name)
        return functional.batch_norm(results[x], m.running_mean, m.running_var, m.weight, m.bias, False, 0.1, m.eps)

    return d.step(f"functional.batch_norm of {x}", function)


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "functional.relu": functional.relu,
    "torch.relu": torch.relu,
    "relu_": lambda x: x.relu_(),
    "clamp(min=0)": lambda x: x.clamp(min=0),
    "clamp_min": lambda x: x.clamp_min(0),
    "threshold": lambda x: functional.threshold(x, 0.0, 0.0),
    "relu6": functional.relu6,
    "hardtanh": lambda x: functional.hardtanh(x, 0.0, 6.0),
    "clamp(0, 6)": lambda x: x.clamp(0, 6),
}


def activation(d: Drawing, x: int) -> int:
    """A ReLU or ReLU6."""
    if d.pick(True, False):
        made = d.pick(nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.Hardtanh(0, 6))
        return d.call(made, x)
    return d.apply(*d.named(_ACTIVATIONS), x)


def block(d: Drawing, x: int, kernels: int | None = None, *, keep: bool = False) -> int:
    """A convolution with batch norm and activation, before it or behind it, or without some of them."""
    order = d.pick("conv", "conv norm", "conv norm act", "conv norm act", "norm act conv", "act conv", "norm conv")
    for part in order.split():
        match part:
            case "conv":
                x = convolution(d, x, kernels, keep=keep)
            case "norm":
                x = norm(d, x)
            case _:
                x = activation(d, x)
    if d.within(0, 5) == 0:
        x = d.call(d.pick(nn.Dropout(), nn.Dropout2d(), nn.Identity(), nn.Sequential()), x)
    return x


def separable(d: Drawing, x: int) -> int:
    """An expansion, a depthwise convolution that may multiply the channels, and a 1x1 convolution."""
    channels, wide = d.size(x)[0], d.within(3, 8)
    y = activation(d, norm(d, d.call(nn.Conv2d(channels, wide, 1, bias=False), x)))
    depth = d.call(nn.Conv2d(wide, wide * d.within(1, 2), 3, 1, 1, groups=wide, bias=False), y)
    y = activation(d, norm(d, depth))
    return added(d, x, norm(d, d.call(nn.Conv2d(d.size(y)[0], channels, 1), y)))


# ---- sums, scales -----------------------------------------------------------------------------------------

_SUMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": lambda x, y: x + y,
    "+=": lambda x, y: y.add_(x),
    "torch.add(alpha=0.5)": lambda x, y: torch.add(x, y, alpha=0.5),
    "-": lambda x, y: x - y,
    "- (rsub)": lambda x, y: torch.rsub(x, y),
    "+ 0.3 *": lambda x, y: x + 0.3 * y,
    "sum of three": lambda x, y: x + y + x,
}


def added(d: Drawing, x: int, y: int) -> int:
    """Two results, added in any form; sometimes with an activation."""
    text, function = d.named(_SUMS)
    made = d.step(f"{x} {text} {y}", lambda net, results: function(results[x], results[y]))
    return activation(d, made) if d.pick(True, False) else made


def residual(d: Drawing, x: int) -> int:
    """One or two convolutions, added to what they read."""
    channels = d.size(x)[0]
    y = block(d, x, keep=True) if d.pick(True, False) else x
    return added(d, x, block(d, y, channels, keep=True))


def padded_shortcut(d: Drawing, x: int) -> int:
    """The shortcut of CIFAR's ResNets without weights: every second pixel, and channels of zeros."""
    channels = d.size(x)[0]
    more = d.within(1, 3)
    y = norm(d, d.call(nn.Conv2d(channels, channels + 2 * more, 3, 2, 1), x))
    spellings: dict[str, Callable[[Tensor], Tensor]] = {
        "pad(x[:, :, ::2, ::2])": lambda x: functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, more, more)),
        "cat of new_zeros": lambda x: _with_zeros(x[:, :, ::2, ::2], more),
        "cat of zeros_like": lambda x: (
            torch.cat([x, torch.zeros_like(x)], 1)[:, : channels + 2 * more, ::2, ::2]
            if 2 * more <= channels
            else _with_zeros(x[..., ::2, ::2], more)
        ),
    }
    return added(d, d.apply(*d.named(spellings), x), y)


def _with_zeros(x: Tensor, more: int) -> Tensor:
    zeros = x.new_zeros(x.size(0), more, x.size(2), x.size(3))
    return torch.cat((zeros, x, zeros), dim=1)


def affine(d: Drawing, x: int) -> int:
    """A scale and an offset, constants or learned, for all channels or for each."""
    channels = d.size(x)[0]
    constant = torch.linspace(0.5, 1.5, channels)[:, None, None]
    spellings: dict[str, Callable[[Tensor], Tensor]] = {
        "2 * x - 1": lambda x: 2 * x - 1,
        "(x - mean) / deviation": lambda x: (x - 0.5 * constant) / constant,
        "neg": lambda x: -x,
        "1 - x": lambda x: 1 - x,
        "x / 3": lambda x: torch.div(x, 3.0),
    }
    if d.within(0, 2):
        return d.apply(*d.named(spellings), x)
    name = d.module(_Scale(channels))

    def function(net: RandomNetwork, results: list[Tensor]) -> Tensor:
        return results[x] * net.part(name).scale

    return d.step(f"learned scale of {x}", function)


class _Scale(nn.Module):
    """A number for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))


# ---- windows ----------------------------------------------------------------------------------------------


def max_pool(d: Drawing, x: int) -> int:
    """A max pool of any margins."""
    size = min(*d.size(x)[1:], d.within(2, 3))
    margin = d.within(0, size // 2)
    stride = d.within(1, 3)
    if d.pick(True, False):
        return d.call(nn.MaxPool2d(size, stride, margin), x)
    if d.pick(True, False):
        x = d.apply("functional.relu", functional.relu, x)
    lines = tuple(d.within(0, size - 1) for _ in range(4))
    spellings: dict[str, Callable[[Tensor], Tensor]] = {
        f"max_pool2d({size}, {stride}, {margin}, ceil_mode=True)": lambda x: functional.max_pool2d(
            x, size, stride, margin, ceil_mode=True
        ),
        f"max_pool2d({size}, {stride}) of pad {lines}": lambda x: functional.max_pool2d(
            functional.pad(x, lines, value=-inf), size, stride
        ),
    }
    return d.apply(*d.named(spellings), x)


def average_pool(d: Drawing, x: int) -> int:
    """An average over windows."""
    _, height, width = d.size(x)
    size = min(height, width, d.within(2, 3))
    stride, margin = d.within(1, 3), d.within(0, size // 2) if size > 2 else 0
    rounds_up = d.pick(True, False)
    divisors = [(height // a, width // a) for a in (1, 2, 3) if height % a == width % a == 0]
    spellings: dict[str, Callable[[Tensor], Tensor]] = {
        f"avg_pool2d({size}, {stride}, {margin})": lambda x: functional.avg_pool2d(x, size, stride, margin),
        f"avg_pool2d({size}, {stride}, divisor 3)": lambda x: functional.avg_pool2d(
            x, size, stride, ceil_mode=True, divisor_override=3
        ),
        f"avg_pool2d({size}, {stride}, {margin}, ceil_mode=True)": lambda x: functional.avg_pool2d(
            x, size, stride, margin, ceil_mode=True
        ),
        f"avg_pool2d({size}, {stride}, {margin}, count_include_pad=False)": lambda x: functional.avg_pool2d(
            x, size, stride, margin, ceil_mode=rounds_up, count_include_pad=False
        ),
        "adaptive_avg_pool2d": lambda x: functional.adaptive_avg_pool2d(x, divisors[-1]),
    }
    return d.apply(*d.named(spellings), x)


def upsample(d: Drawing, x: int) -> int:
    """An enlargement, of what is small."""
    if max(d.size(x)[1:]) > 8:
        return max_pool(d, x)
    if d.pick(True, False):
        return d.call(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), x)
    factor = d.within(2, 3)
    spellings: dict[str, Callable[[Tensor], Tensor]] = {
        "interpolate": lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
        f"interpolate, {factor}, nearest": lambda x: functional.interpolate(x, scale_factor=factor),
        "interpolate, nearest-exact": lambda x: functional.interpolate(x, scale_factor=2, mode="nearest-exact"),
    }
    return d.apply(*d.named(spellings), x)


# ---- numbers that move ------------------------------------------------------------------------------------


def branches(d: Drawing, x: int) -> int:
    """What several blocks make of a result, one after the other along the channels, perhaps with the result itself."""
    parts = [block(d, x, keep=True) for _ in range(d.within(1, 3))]
    if d.pick(True, False):
        average = nn.AvgPool2d(3, 1, 1)
        parts.append(d.call(d.pick(nn.MaxPool2d(3, 1, 1), average), x))
    if len(parts) == 1 or d.pick(True, False):
        parts.insert(d.within(0, len(parts)), x)
    return d.step(f"cat of {parts}", lambda net, results: torch.cat([results[place] for place in parts], 1))


def shuffled(d: Drawing, x: int) -> int:
    """The channels in another order."""
    channels, height, width = d.size(x)
    groups = d.pick(*[count for count in range(1, channels + 1) if channels % count == 0])
    order = d.order(channels)
    spellings: dict[str, Callable[[Tensor], Tensor]] = {
        "view, transpose, view": lambda x: (
            x.view(x.size(0), groups, channels // groups, height, width)
            .transpose(1, 2)
            .contiguous()
            .view(x.size(0), -1, height, width)
        ),
        "reshape, permute": lambda x: (
            x.reshape(-1, groups, channels // groups, height, width).permute(0, 2, 1, 3, 4).flatten(1, 2)
        ),
        "channel_shuffle": lambda x: functional.channel_shuffle(x, groups),
        "flip": lambda x: x.flip(1),
        "roll": lambda x: torch.roll(x, 1, 1),
        "index": lambda x: x[:, order],
    }
    return d.apply(*d.named(spellings), x)


def halved(d: Drawing, x: int) -> int:
    """A part of the channels goes through a block, and is joined with the rest."""
    channels = d.size(x)[0]
    if channels < 2:
        return block(d, x)
    first = d.within(1, channels - 1)
    spellings: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
        "slice": (lambda x: x[:, :first], lambda x: x[:, first:]),
        "split": (
            lambda x: x.split([first, channels - first], 1)[0],
            lambda x: torch.split(x, [first, channels - first], dim=1)[1],
        ),
        "chunk": (lambda x: x.chunk(2, dim=1)[0], lambda x: torch.chunk(x, 2, 1)[1]),
        "every second": (lambda x: x[:, ::2], lambda x: x[:, 1::2]),
        "narrow": (lambda x: x.narrow(1, 0, first), lambda x: x.narrow(1, first, channels - first)),
    }
    text, (one, other) = d.named(spellings)
    left, right = d.apply(f"{text}, first", one, x), d.apply(f"{text}, second", other, x)
    left = block(d, left, keep=True)
    return d.step(f"cat of {left} and {right}", lambda net, results: torch.cat((results[left], results[right]), dim=1))


def padded(d: Drawing, x: int) -> int:
    """A convolution of what has lines of zeros on any side: every n-th pixel of it no layer takes."""
    return convolution(d, _padded(d, x, (d.within(0, 2), d.within(0, 2), d.within(0, 2), d.within(0, 2))))


def _padded(d: Drawing, x: int, lines: tuple[int, int, int, int]) -> int:
    if d.pick(True, False):
        return d.call(nn.ZeroPad2d(lines), x)
    return d.apply(f"functional.pad {lines}", lambda x: functional.pad(x, lines), x)


# ---- the end ----------------------------------------------------------------------------------------------

_CLASSES = 5
_ENDINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "log_softmax": lambda x: functional.log_softmax(x, dim=1),
    "softmax": lambda x: x.softmax(-1),
    "sigmoid": torch.sigmoid,
}


def end(d: Drawing, x: int) -> int:
    """Logits, or now and then a map of a few channels."""
    made = _logits(d, x) if d.within(0, 7) else d.call(nn.Conv2d(d.size(x)[0], d.within(1, 3), 1), x)
    if len(d._results[made].shape) == 2:
        return d.apply(*d.named(_ENDINGS), made) if d.pick(True, False) else made
    return d.apply("sigmoid", torch.sigmoid, made) if d.pick(True, False) else made


def _logits(d: Drawing, x: int) -> int:
    # A fully connected layer reads all numbers of a tensor, without a margin.
    x = convolution(d, x)
    channels, height, width = d.size(x)
    spellings: dict[str, Callable[[Tensor], Tensor]] = {
        "adaptive_avg_pool2d(1).flatten(1)": lambda x: functional.adaptive_avg_pool2d(x, 1).flatten(1),
        "mean((2, 3))": lambda x: x.mean((2, 3)),
        "mean(3).mean(2)": lambda x: x.mean(3).mean(2),
        "view, mean(2)": lambda x: x.view(x.size(0), channels, -1).mean(2),
        "sum": lambda x: x.sum(dim=(2, 3), keepdim=True).squeeze(3).squeeze(2),
        "avg_pool2d": lambda x: functional.avg_pool2d(x, (height, width))[:, :, 0, 0],
        "flatten": lambda x: torch.flatten(x, 1),
        "view": lambda x: x.view(x.size(0), -1),
        "permute, reshape": lambda x: x.permute(0, 2, 3, 1).reshape(x.shape[0], -1),
        "1x1": lambda x: x,
    }
    text, function = d.named(spellings)
    if text == "1x1":
        x = d.call(nn.Conv2d(channels, _CLASSES, 1), x)
        return d.apply("mean([2, 3])", lambda x: x.mean([2, 3]), x)
    x = d.apply(text, function, x)
    if d.pick(True, False):
        hidden = d.within(3, 9)
        x = d.call(nn.Linear(d.row(x), hidden, bias=d.pick(True, False)), x)
        x = d.call(nn.BatchNorm1d(hidden), x) if d.pick(True, False) else x
        x = activation(d, x)
        x = d.call(nn.Dropout(), x) if d.pick(True, False) else x
    linear = nn.Linear(d.row(x), _CLASSES)
    if d.pick(True, False):
        return d.call(linear, x)
    name = d.module(linear)
    products: dict[str, Callable[[Tensor, nn.Linear], Tensor]] = {
        "functional.linear": lambda x, m: functional.linear(x, m.weight, m.bias),
        "@": lambda x, m: x @ m.weight.t() + m.bias,
        "mm": lambda x, m: torch.mm(x, m.weight.t()),
        "addmm": lambda x, m: torch.addmm(m.bias, x, m.weight.t()),
    }
    kind, product = d.named(products)
    return d.step(
        f"{kind} of {x}",
        lambda net, results: product(results[x], net.part(name)),
    )


def _give_several(d: Drawing, places: list[int], last: int) -> None:
    """Further results: other ends, or what a block gives to the next ones, or a part of its channels."""
    given = [last, *(end(d, d.pick(*places)) for _ in range(d.within(1, 2)))]
    inside = d.pick(*places)
    if d.pick(True, False):
        given.append(inside)
    elif d.size(inside)[0] > 1:
        given.append(d.apply("slice, first", lambda x: x[:, :1], inside))
    d.network.given = [given[place] for place in d.order(len(given))]
    d.network.lines.append(f"results: {', '.join(map(str, d.network.given))}")


PIECES = (
    block, block, separable, residual, residual, padded_shortcut, affine, max_pool, average_pool, upsample, branches,
    branches, shuffled, halved, padded,
)  # fmt: skip


def draw_network(seed: int) -> tuple[RandomNetwork, tuple[int, int, int]]:
    """A network whose result depends on the image, and the shape of its images."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for number in itertools.count():
            d = Drawing(f"{seed} {number}")
            places = [block(d, 0)]
            for _ in range(d.within(2, 5)):
                places.append(d.pick(*PIECES)(d, places[-1]))
            last = end(d, places[-1])
            if d.within(0, 2) == 0:
                _give_several(d, places, last)
            # Windows may meet nothing but margins.
            given = d.network(torch.randn(2, *d.shape))
            if not any(torch.equal(one, other) for one, other in (given if isinstance(given, tuple) else (given,))):
                break
    return d.network, d.shape
