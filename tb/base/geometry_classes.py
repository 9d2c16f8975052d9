"""Classes of geometry, for coverage, and random geometries that meet all of them in turn.

Which outputs a pixel reaches, and when a line is complete, follows from kernel, stride, padding and the pixel's place
together: a fault may show in one combination only.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.geometry import Geometry, Padding
from penni_escalate.golden.winograd import WEIGHTS

#: Shapes of a kernel.
KERNELS = ("1x1", "square", "tall", "wide")
#: Within: up to the kernel's smaller side. Above it, some pixels reach no output.
STRIDES = ("one", "within the kernel", "above the kernel")
#: Above or left, whichever is more. Most: at least one less than the kernel's smaller side.
PADDINGS = ("none", "some", "most")
#: Above the image and left of it: as much, above or left alone, or different numbers.
SIDES = ("alike", "above alone", "left alone", "different")
#: Where a pixel lies.
BORDERS = ("corner", "edge", "inside")
#: The place along one side.
PLACES = ("only", "first", "between", "last")
#: Sides in which the image is smaller than the kernel.
IMAGES = ("not smaller", "lower", "narrower", "lower and narrower")

#: Share of the random images that are as wide as the memories allow, and largest height and width of the others.
WIDE_SHARE = 0.1
#: Share of the heights, and of the widths, that are 1.
SINGLE_SHARE = 0.1
LARGEST_IMAGE = 8
#: Share of the random layers with as few channels as a first layer has.
FEW_SHARE = 0.25

#: Share of the random geometries with a kernel above 1x1 whose padding is drawn for each side.
SIDES_SHARE = 0.25

#: Share of the random geometries whose outputs come in pairs, where a configuration has that.
PAIRS_SHARE = 0.4

#: Kernel height, kernel width, stride, padding.
Kernel = tuple[int, int, int, int]
#: Kernel, stride and padding, by class.
Combination = tuple[str, str, str]


def combination_of(kernel: Kernel) -> Combination:
    """Classes of kernel, stride and padding."""
    height, width, stride, padding = kernel
    smaller = min(height, width)
    shape = "tall" if height > width else "wide" if height < width else "1x1" if height == 1 else "square"
    step = "one" if stride == 1 else "within the kernel" if stride <= smaller else "above the kernel"
    return shape, step, "none" if padding == 0 else "most" if padding >= smaller - 1 else "some"


def _combination(g: Geometry) -> Combination:
    return combination_of((g.kernel_height, g.kernel_width, g.stride, max(g.sides.top, g.sides.left)))


def classes_of(g: Geometry) -> dict[str, str]:
    """The bin of every point that a geometry has."""
    top, left = g.sides.top, g.sides.left
    kernel, stride, padding = _combination(g)
    sides = "alike" if top == left else "above alone" if not left else "left alone" if not top else "different"
    lower, narrower = g.height < g.kernel_height, g.width < g.kernel_width
    image = ("lower and narrower" if narrower else "lower") if lower else "narrower" if narrower else "not smaller"
    return {"kernel": kernel, "stride": stride, "padding": padding, "padding sides": sides, "image": image}


def place_of(position: int, size: int) -> str:
    """The place of a row among ``size`` rows, or of a column."""
    if size == 1:
        return "only"
    return "first" if position == 0 else "last" if position == size - 1 else "between"


def border_of(vertical: str, horizontal: str) -> str:
    """Where a pixel lies, from its places along both sides."""
    outer = (vertical != "between") + (horizontal != "between")
    return BORDERS[2 - outer]


@cache
def kernels_of(config: Accelerator) -> dict[Combination, tuple[Kernel, ...]]:
    """The kernels, strides and paddings that a configuration runs, by class."""
    found: dict[Combination, list[Kernel]] = {}
    sizes = range(1, config.kernel_max + 1)
    for height in sizes:
        for width in sizes:
            for stride in sizes:
                if -(-height // stride) + 1 > config.psum_lines:
                    continue
                for padding in range(min(height, width)):
                    kernel = height, width, stride, padding
                    found.setdefault(combination_of(kernel), []).append(kernel)
    return {combination: tuple(kernels) for combination, kernels in found.items()}


def random_geometry(rng: np.random.Generator, config: Accelerator, combination: Combination) -> Geometry:
    """A geometry of a class; of its kernels, images and channels any."""
    kernels = kernels_of(config)[combination]
    while True:
        g = _geometry(rng, config, kernels[int(rng.integers(len(kernels)))])
        if g is not None and max(g.width, g.out_width) <= config.width_max:
            return with_sides(rng.spawn(1)[0], g, config)


def with_sides(rng: np.random.Generator, g: Geometry, config: Accelerator) -> Geometry:
    """The geometry, now and then with a padding of each side's own; its classes of kernel, stride, padding stay.

    Where outputs can come in pairs, now and then one of which they do.
    """
    if config.winograd and rng.random() < PAIRS_SHARE:
        g = _of_pairs(rng, g, config)
    height, width = g.kernel_height, g.kernel_width
    if height == width == 1 or rng.random() >= SIDES_SHARE:
        return g
    sides = Padding(*(int(rng.integers(size)) for size in (height, height, width, width)))
    try:
        found = replace(g, padding=sides)
    except ValueError:
        return g
    same = _combination(found) == _combination(g)
    return found if same and found.out_width <= config.width_max else g


def _of_pairs(rng: np.random.Generator, g: Geometry, config: Accelerator) -> Geometry:
    """The geometry with a kernel as wide as pairs take, and any padding; as it is where the image is too narrow."""
    height = min(g.kernel_height, config.psum_lines - 1)
    sides = Padding(*(int(rng.integers(size)) for size in (height, height, WEIGHTS, WEIGHTS)))
    try:
        found = replace(g, kernel_height=height, kernel_width=WEIGHTS, stride=1, padding=sides)
    except ValueError:
        return g
    return found if found.width >= WEIGHTS and found.out_width <= config.width_max else g


def _geometry(rng: np.random.Generator, config: Accelerator, kernel: Kernel) -> Geometry | None:
    """An image for a kernel; None where it does not fit."""
    kernel_height, kernel_width, stride, padding = kernel
    few = rng.random() < FEW_SHARE
    channels = int(rng.integers(1, config.rows + 1 if few else 4 * config.group))
    height, width = (1 if rng.random() < SINGLE_SHARE else int(rng.integers(1, LARGEST_IMAGE + 1)) for _ in range(2))
    if rng.random() < WIDE_SHARE:
        height, width = max(1, kernel_height - 2 * padding), config.width_max
    try:
        return Geometry(
            channels=min(channels, config.channels_max),
            height=height,
            width=width,
            kernels=int(rng.integers(1, 2 * config.blocks + 1)),
            kernel_height=kernel_height,
            kernel_width=kernel_width,
            stride=stride,
            padding=padding,
        )
    except ValueError:
        return None


class GeometryDeck:
    """Draws geometries of every class in turn, in an order that is random anew in each round."""

    def __init__(self, config: Accelerator) -> None:
        self._config = config
        self._left: list[Combination] = []

    def draw(self, rng: np.random.Generator, pixels: int) -> Geometry:
        """A geometry of the next class, whose image has at most ``pixels`` pixels."""
        combinations = list(kernels_of(self._config))
        if not self._left:
            self._left = [combinations[n] for n in rng.permutation(len(combinations))]
        combination = self._left.pop()
        while True:
            g = random_geometry(rng, self._config, combination)
            if g.height * g.width <= pixels:
                return g
