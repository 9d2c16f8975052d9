"""Random layers and streams; everything follows from one generator."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.stalls import Stalls
from penni_escalate.golden.fit import exceeds_limits, fitting_folds, unsupported_reason
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.input_groups import groups_problem
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.kinds.convolution import logit_fields
from penni_escalate.golden.layers import LayerKind, Skip
from penni_escalate.golden.overflow import accumulator_range, z_range
from penni_escalate.golden.pooling import NO_POOL, PADDINGS, STRIDES, Pool
from penni_escalate.golden.schedule import Pass, inputs_of, passes_of, possible_outputs
from penni_escalate.golden.sparsemap import SparseTensor
from penni_escalate.tb.base.geometry_classes import with_sides

STALL_LENGTH = 1024


@dataclass(frozen=True)
class RandomLayer:
    """A layer and one input tensor for it.

    Attributes:
        activations: codes (1, H, W, C).
        skip: codes (1, OH, OW, K), where the layer has a skip tensor.
    """

    layer: Convolution
    activations: np.ndarray
    skip: np.ndarray | None = None

    def inputs(self, config: Accelerator, passes: Sequence[Pass]) -> list[SparseTensor]:
        """What is sent in each pass."""
        skip = None if self.skip is None else self.skip[0]
        return inputs_of(self.layer, self.activations[0], config, passes, skip)


def _geometry(rng: np.random.Generator, config: Accelerator, dense: bool) -> Geometry:
    largest = min(config.kernel_max, 5)
    while True:
        kernel_height = int(rng.integers(1, largest + 1))
        kernel_width = kernel_height if rng.random() < 0.7 else int(rng.integers(1, largest + 1))
        # Only of 1x1 layers a block can have several outputs.
        if rng.random() < 0.2:
            kernel_height = kernel_width = 1
        stride = int(rng.integers(1, min(config.kernel_max, 4) + 1)) if rng.random() < 0.5 else 1
        if -(-kernel_height // stride) + 1 > config.psum_lines:
            continue
        channels = int(rng.integers(1, config.rows + 1)) if dense else int(rng.integers(1, 4 * config.group))
        try:
            g = Geometry(
                channels=min(channels, config.channels_max),
                height=int(rng.integers(1, 13)),
                width=int(rng.integers(1, 13)),
                kernels=int(rng.integers(1, 2 * config.blocks + 1)),
                kernel_height=kernel_height,
                kernel_width=kernel_width,
                stride=stride,
                padding=int(rng.integers(0, min(kernel_height, kernel_width))),
            )
        except ValueError:
            continue
        if max(g.width, g.out_width) <= config.width_max:
            return with_sides(rng.spawn(1)[0], g, config)


def _densities(rng: np.random.Generator) -> tuple[float, float]:
    choices = (0.0, 0.02, 0.1, 0.3, 0.5, 0.9, 1.0)
    return float(rng.choice(choices)), float(rng.choice(choices))


def random_layer(
    rng: np.random.Generator,
    config: Accelerator,
    name: str = "random",
    geometry: Geometry | None = None,
    densities: tuple[float, float] | None = None,
) -> RandomLayer:
    """A layer that fits ``config``, with extreme as well as ordinary densities and values.

    Args:
        geometry: the layer's, which must fit; a small random one where not given.
        densities: shares of coefficients and of activations that are not 0; random where not given.
    """
    depthwise = geometry is None and bool(rng.random() < 0.1)
    if geometry is None:
        dense = not depthwise and bool(rng.random() < 0.25)
        g = _geometry(rng, config, dense)
        g = replace(g, kernels=g.channels) if depthwise else g
    else:
        dense = geometry.channels <= config.rows and bool(rng.random() < 0.5)
        g = geometry
    coefficient_density, activation_density = densities or _densities(rng)
    signed_in = bool(rng.random() < 0.3)
    # 1x1 layers of few basis kernels are those of which a block can have several outputs.
    most = config.rows
    if g.kernel_height == g.kernel_width == 1 and rng.random() < 0.8:
        most = max(1, int(rng.choice([1, config.rows // 3, config.rows // 2])))
    rows = g.channels if dense else 1 if depthwise else int(rng.integers(1, most + 1))
    k = g.kernels
    if dense:
        coefficients = np.broadcast_to(np.eye(rows, dtype=np.int8), (k, rows, rows))
    elif depthwise:
        coefficients = np.eye(k, dtype=np.int8)[:, :, None]
    else:
        signs = rng.choice(np.array([-1, 1], np.int8), (k, g.channels, rows))
        coefficients = signs * (rng.random(signs.shape) < coefficient_density).astype(np.int8)
        limit = 2 ** (config.z_bits - 1)
        while max(abs(v).max() for v in z_range(coefficients, signed_in)) >= limit:
            coefficients = coefficients * (rng.random(signs.shape) < 0.5).astype(np.int8)
    shape = (k, rows) if dense or depthwise else (rows,)
    basis = rng.integers(-128, 128, (*shape, g.kernel_height, g.kernel_width)).astype(np.int8)
    if rng.random() < 0.2:
        basis[...] = rng.choice(np.array([-128, 127], np.int8), basis.shape)
    exponent = rng.integers(0, 8, rows).astype(np.uint8) if rng.random() < 0.5 else np.zeros(rows, np.uint8)
    bias = rng.integers(-100_000, 100_001, k).astype(np.int32)
    signed_out = bool(rng.random() < 0.3)
    low, high = (-128, 127) if signed_out else (0, int(rng.choice([255, 255, 100])))
    layer = Convolution(
        name=name,
        sources=("input",),
        kind=LayerKind.DENSE if dense else LayerKind.DEPTHWISE if depthwise else LayerKind.DECOMPOSED,
        geometry=g,
        coefficients=coefficients,
        basis=basis,
        exponent=exponent,
        bias=bias,
        multiplier=rng.integers(1, 2**16, k).astype(np.uint16),
        shift=rng.integers(1, 48, k).astype(np.uint8)
        if rng.random() < 0.2
        else rng.integers(20, 34, k).astype(np.uint8),
        low=low,
        high=high,
        signed_in=signed_in,
        signed_out=signed_out,
    )
    while max(abs(v).max() for v in accumulator_range(layer)) >= 2**31:
        layer = replace(layer, exponent=layer.exponent // 2)
    codes = _codes(rng, (g.height, g.width, g.channels), signed_in, activation_density)
    # By numbers of their own: what follows from the layer's does not depend on them.
    numbers, sums, pools = rng.spawn(3)
    if geometry is None and sums.random() < 0.12:
        layer = summed(layer)
        g = layer.geometry
    if sums.random() < 0.08:
        layer = replace(layer, **logit_fields(k))
    elif pools.random() < 0.15:
        layer = _pooled(pools, layer, config)
    if numbers.random() < 0.2:
        sizes = _sources(numbers, g.channels)
        names = tuple(f"source{n}" for n in range(len(sizes)))
        divided = replace(layer, sources=names, source_channels=sizes)
        layer = layer if groups_problem(divided, config) else divided
    if numbers.random() < 0.3:
        signed = bool(numbers.random() < 0.5)
        added = replace(layer, skip=_skip(numbers, k, signed))
        ends = max(abs(v).max() for v in accumulator_range(added))
        if ends < 2**31 and groups_problem(added, config) is None:
            density = float(numbers.choice([0.0, 0.3, 0.9]))
            return RandomLayer(added, codes, _codes(numbers, (g.out_height, g.out_width, k), signed, density))
    return RandomLayer(layer, codes)


def _pooled(rng: np.random.Generator, layer: Convolution, config: Accelerator) -> Convolution:
    """The layer with a pool that fits its outputs and the psum lines; as it is where none does."""
    g = layer.geometry
    pools = [Pool(size, stride, padding) for size in (2, 3) for stride in STRIDES for padding in PADDINGS]
    fitting = [
        pool
        for pool in pools
        if min(pool.results(g.out_height), pool.results(g.out_width)) > 0
        and exceeds_limits(g, layer.rows_used, config, layer.summed, pool) is None
    ]
    return replace(layer, pool=fitting[int(rng.integers(len(fitting)))]) if fitting else layer


def summed(layer: Convolution) -> Convolution:
    """The layer as a sum over all pixels, each weighed as by its kernels' first place; the same if that overflows."""
    g = layer.geometry
    whole = replace(g, kernel_height=g.height, kernel_width=g.width, stride=1, padding=0)
    kernels = layer.basis[..., :1, :1]
    basis = np.broadcast_to(kernels, (*kernels.shape[:-2], g.height, g.width)).copy()
    found = replace(layer, geometry=whole, basis=basis, pool=NO_POOL)
    while max(abs(v).max() for v in accumulator_range(found)) >= 2**31:
        if not found.exponent.any():
            return layer
        found = replace(found, exponent=found.exponent // 2)
    return found


def _skip(rng: np.random.Generator, kernels: int, signed: bool) -> Skip:
    """A skip tensor of which some, all or none of the channels count."""
    value = rng.integers(0, 128, kernels) * (rng.random(kernels) < rng.choice([0.0, 0.8, 1.0]))
    exponent = rng.integers(0, 8, kernels) * (rng.random() < 0.5)
    return Skip(source="skip", value=value.astype(np.uint8), exponent=exponent.astype(np.uint8), signed=signed)


def _sources(rng: np.random.Generator, channels: int) -> tuple[int, ...]:
    """Sources with so many channels together; now and then of equal ones, as a flattened tensor has."""
    count = int(rng.integers(1, min(channels, 4) + 1))
    if channels % count == 0 and rng.random() < 0.3:
        return (channels // count,) * count
    ends = sorted(rng.choice(np.arange(1, channels), count - 1, replace=False).tolist())
    return tuple(np.diff([0, *ends, channels]).tolist())


def _codes(rng: np.random.Generator, shape: tuple[int, ...], signed: bool, density: float) -> np.ndarray:
    """A tensor (1, H, W, C), now and then of extremes, now and then with pixels that are empty."""
    lowest, highest = (-128, 128) if signed else (0, 256)
    codes = rng.integers(lowest, highest, (1, *shape))
    if rng.random() < 0.2:
        codes = rng.choice([lowest, highest - 1], codes.shape)
    codes = codes * (rng.random(codes.shape) < density)
    if rng.random() < 0.3:
        codes = codes * (rng.random((1, *shape[:2], 1)) < 0.5)
    return codes.astype(np.int8 if signed else np.uint8)


def random_passes(rng: np.random.Generator, layer: Convolution, config: Accelerator) -> list[Pass]:
    """The passes of a layer, with outputs of a block, folds and tiles as chance has them, not as is fastest."""
    choices = possible_outputs(layer, config)
    outputs = choices[-1] if rng.random() < 0.5 else int(rng.choice(choices))
    # By numbers of their own: what is drawn later does not depend on them.
    numbers = rng.spawn(1)[0]
    if outputs == 1 and numbers.random() < 0.2:
        # Tiles as of a narrower accelerator.
        narrow = replace(config, width_max=int(numbers.integers(max(4, config.taps + 1), config.width_max + 1)))
        config = narrow if unsupported_reason(layer, narrow) is None else config
    folds = fitting_folds(layer, config)
    return passes_of(layer, config, outputs, folds[int(numbers.integers(len(folds)))])


def random_stalls(rng: np.random.Generator) -> Stalls:
    """Each stream either free or stalled in a share of the cycles, for single cycles or in bursts."""

    def pattern() -> np.ndarray:
        share = float(rng.choice([0.0, 0.2, 0.5, 0.9]))
        burst = int(rng.choice([1, 1, 8, 32]))
        go = np.repeat(rng.random(STALL_LENGTH // burst) >= share, burst)
        go[0] = True
        return go

    return Stalls(pattern(), pattern(), pattern())
