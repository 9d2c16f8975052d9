"""Ternary coefficients that preserve each layer's output, optimised layer by layer.

Rounding each coefficient independently ignores that a layer's inputs are correlated: other channels can compensate for
the error of one. Here each layer gets its inputs *in the quantized network*. Their covariance H, and the kernels W that
best predict the layer's former output from them (least squares, with damping towards the former kernels), define the
problem that compress/ternary_kernels.py solves. The mean is absorbed by the bias.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.graph import Graph, Layer
from penni_escalate.compress.layers import Coefficients, DecomposedConv2d, coefficients
from penni_escalate.compress.network import Network, finish, read
from penni_escalate.compress.network import sums as module_sums
from penni_escalate.compress.prune import Masked, apply_mask
from penni_escalate.compress.quantize import alpha_of, attach_quantizers
from penni_escalate.compress.quantizers import Alpha, RowInt8
from penni_escalate.compress.recipe import Classifier, Feedback, Quantization
from penni_escalate.compress.ternary_kernels import Problem, Solution, fit_scale, solve

#: Images at a time.
_BATCH = 8
_TINY = 1e-12
#: Of sums over samples, relative to the squares that they are of.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class LayerFeedback:
    """What quantizing one layer did; errors are squared errors of its output relative to the output's variance.

    Attributes:
        alone: error when each kernel is quantized alone, at a rate-distortion weight of 0.
        fed: error with feedback into later channels, at the recipe's rate-distortion weight.
        error: error in the end, with 8-bit basis kernels.
        zeros: fraction of the coefficients that are zero.
        samples: positions in images that were sampled.
    """

    name: str
    alone: float
    fed: float
    error: float
    zeros: float
    samples: int


class Moments:
    """Sums over samples of a layer's inputs (N, I) and target outputs (N, K), in float64."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.count = 0
        self._inputs, self._outputs = torch.zeros(inputs).double(), torch.zeros(outputs).double()
        self._square = torch.zeros(inputs, inputs).double()
        self._cross = torch.zeros(outputs, inputs).double()
        self._energy = torch.zeros(outputs).double()

    def add(self, inputs: Tensor, outputs: Tensor) -> None:
        """Add samples."""
        self.count += len(inputs)
        self._inputs += inputs.sum(0)
        self._outputs += outputs.sum(0)
        self._square += inputs.T @ inputs
        self._cross += outputs.T @ inputs
        self._energy += outputs.square().sum(0)

    def covariance(self, centred: bool) -> "Covariance":
        """Means over the samples; ``centred``: of the differences from the mean, which a bias absorbs."""
        n = max(self.count, 1)
        mean_in, mean_out = self._inputs / n, self._outputs / n
        if not centred:
            mean_in, mean_out = torch.zeros_like(mean_in), torch.zeros_like(mean_out)
        return Covariance(
            mean_in,
            mean_out,
            self._square / n - torch.outer(mean_in, mean_in),
            self._cross / n - torch.outer(mean_out, mean_in),
            self._energy / n - mean_out.square(),
            self.count,
        )


class Covariance(NamedTuple):
    """Of a layer's inputs and target outputs: means (I,) and (K,), (I, I), (K, I), variances (K,); float64.

    Over so many samples.
    """

    mean_in: Tensor
    mean_out: Tensor
    inputs: Tensor
    cross: Tensor
    energy: Tensor
    samples: int

    def error(self, kernels: Tensor) -> float:
        """Squared error of the outputs with kernels (K, C, S), relative to the outputs' variance."""
        table = kernels.flatten(1).double()
        missed = self.energy.sum() + ((table @ self.inputs - 2 * self.cross) * table).sum()
        return float(missed / self.energy.sum().clamp_min(_TINY))


class Walk:
    """A network's values on batches of images, layer by layer."""

    def __init__(self, network: Network, graph: Graph, batches: Sequence[Tensor]) -> None:
        self._network = network
        self._values = [{"input": batch} for batch in batches]
        self._last = {name: layer.name for layer in graph.layers for name in (*layer.sources, layer.skip) if name}

    def inputs(self, layer: Layer) -> list[Tensor]:
        """What a layer's module gets, one tensor per batch."""
        return [
            read(self._network, layer, torch.cat([values[name] for name in layer.sources], 1))
            for values in self._values
        ]

    def step(self, layer: Layer, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Run a layer, and drop what no later one reads; returns its sums, before batch norm."""
        sums = [module_sums(self._network, layer, x) for x in inputs]
        for values, y in zip(self._values, sums, strict=True):
            skip = values[layer.skip] if layer.skip else None
            values[layer.name] = finish(self._network, layer, y, skip)
            for name in {*layer.sources, *([layer.skip] if layer.skip else [])}:
                if self._last[name] == layer.name:
                    del values[name]
        return sums


def quantize_by_feedback(
    network: Network,
    graph: Graph,
    settings: Quantization,
    images: Tensor,
    say: Callable[[str], None] | None = None,
    *,
    teacher: Network | None = None,
) -> list[LayerFeedback]:
    """Attach the quantizers, in place, with coefficients and kernels that preserve the layers' outputs.

    Args:
        images: real images (N, C, H, W).
        say: is given a line for each layer, which takes seconds to minutes.
        teacher: the float network, where its outputs are to be preserved; it has all of the graph's channels.

    Returns what it did, layer by layer in the graph's order.
    """
    feedback = settings.feedback
    assert feedback is not None
    before = copy.deepcopy(network) if teacher is None else teacher
    entries = {
        entry.layer.name: entry for entry in coefficients(network, graph, settings.classifier is Classifier.TERNARY)
    }
    total = sum(entry.tensor.numel() for entry in entries.values())
    training = network.training
    network.eval()
    before.eval()
    done: list[LayerFeedback] = []
    with torch.no_grad():
        batches = torch.split(images, _BATCH)
        walk, wanted = Walk(network, graph, batches), Walk(before, graph, batches)
        for layer in graph.layers:
            # First: a copy shares the classes that parametrizations change.
            targets = wanted.step(layer, wanted.inputs(layer))
            inputs = walk.inputs(layer)
            if layer.name in entries:
                entry, alpha = entries[layer.name], alpha_of(layer, settings)
                if say is not None:
                    which = f"layer {len(done) + 1} of {len(entries)}, '{layer.name}'"
                    say(f"  feedback: {which}, {entry.tensor.numel():,} of {total:,} coefficients")
                length = kernels_of(layer, entry.module)[0].numel()
                moments = moments_of(layer, length, inputs, targets, feedback.positions)
                centred = isinstance(entry.module.bias, Tensor) or layer.norm is not None
                found = moments.covariance(centred)
                kernels = kernels_of(layer, before.get_submodule(layer.module))
                problem = _problem(entry, kernels, found, alpha, feedback, 1 / total)
                done.append(_quantize(network, entry, found, problem, feedback.rounds))
            if layer.module:
                attach_quantizers(network, layer, entries.get(layer.name), settings)
            walk.step(layer, inputs)
    network.train(training)
    return done


def kernels_of(layer: Layer, module: nn.Module) -> Tensor:
    """A layer's kernels as a module has them, (K, C, S)."""
    if layer.kernel != (1, 1) and isinstance(module, nn.Conv2d):
        return module.weight.flatten(2)
    basis = module.basis.flatten(1) if isinstance(module, DecomposedConv2d) else torch.ones(1, 1)
    return Coefficients(layer, module).table @ basis


def moments_of(
    layer: Layer, kernel: int, inputs: Sequence[Tensor], wanted: Sequence[Tensor], positions: int
) -> Moments:
    """Moments of a layer's inputs and target outputs, over batches.

    Args:
        kernel: numbers of a kernel, C*R*S.
        inputs: what the layer's module gets; wanted: its sums.
        positions: of each image that are sampled.
    """
    moments = Moments(kernel, layer.out_shape[0])
    for batch, target in zip(inputs, wanted, strict=True):
        samples = [_samples(layer, *pair, positions) for pair in zip(batch, target, strict=True)]
        moments.add(torch.cat([read for read, _ in samples]), torch.cat([given for _, given in samples]))
    return moments


def _quantize(
    network: nn.Module, entry: Coefficients, found: Covariance, problem: Problem, rounds: int
) -> LayerFeedback:
    """Make a layer's coefficients ternary, in place, with the bias or batch norm's mean that goes with them."""
    layer, module = entry.layer, entry.module
    norm = network.get_submodule(layer.norm) if layer.norm else None
    bias = module.bias
    alone, fed, solution = solve(problem, rounds)
    if isinstance(module, DecomposedConv2d):
        rounded = RowInt8()(solution.basis.reshape(module.basis.shape)).flatten(1)
        final = fit_scale(problem, replace(solution, basis=rounded))
        # The parameter behind the quantizer is not rounded.
        module.basis = nn.Parameter(solution.basis.reshape(module.basis.shape))
    else:
        final = solution
    _set_codes(entry, final)
    shift = found.mean_out.float() - final.kernels.flatten(1) @ found.mean_in.float()
    if isinstance(bias, Tensor):
        bias.copy_(shift)
    elif isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
        # The kernels' output has another mean now.
        norm.running_mean -= shift
    zeros = 1 - float((final.codes != 0).double().mean())
    errors = (found.error(alone.kernels), found.error(fed.kernels), found.error(final.kernels))
    return LayerFeedback(layer.name, *errors, zeros, found.samples)


def _problem(
    entry: Coefficients, kernels: Tensor, found: Covariance, alpha: Alpha, feedback: Feedback, share: float
) -> Problem:
    """What a layer's coefficients are to minimise.

    Args:
        kernels: from which inputs that were not sampled should not lead away, (K, C, S).
        share: 1 over the number of the network's coefficients.
    """
    inputs = found.inputs
    # The damping stands for inputs that were not sampled: kernels on which no sample depends stay as they were.
    size = (inputs.diagonal() + found.mean_in.square()).mean()
    damping = torch.maximum(feedback.damping * inputs.diagonal().mean(), _ROUNDING * size).clamp_min(_TINY)
    hessian = inputs + damping * torch.eye(len(inputs)).double()
    right = found.cross + damping * kernels.flatten(1).double()
    target = torch.linalg.solve(hessian, right.T).T
    parts = entry.parametrizations
    pruned = parts is not None and isinstance(parts[0], Masked)
    return Problem(
        target.float().reshape(kernels.shape),
        hessian.float(),
        feedback.rate_distortion_weight * share * float(found.energy.sum()),
        alpha,
        entry.table.shape[2],
        (entry.table != 0) if pruned else None,
        fixed_basis=not isinstance(entry.module, DecomposedConv2d),
    )


def _samples(layer: Layer, image: Tensor, result: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Up to ``count`` random positions of an image: the layer's inputs there (N, C*R*S), and its outputs (N, K)."""
    if image.dim() == 1:
        return image[None], result[None, :, 0, 0]
    height, width = result.shape[1:]
    places = torch.randperm(height * width)[:count]
    y, x = places // width, places % width
    high, wide = layer.kernel
    padded = functional.pad(image, [layer.padding] * 4)
    dy, dx = torch.arange(high).repeat_interleave(wide), torch.arange(wide).repeat(high)
    patches = padded[:, (y * layer.stride)[:, None] + dy, (x * layer.stride)[:, None] + dx]
    return patches.transpose(0, 1).flatten(1), result[:, y, x].T


def _set_codes(entry: Coefficients, solution: Solution) -> None:
    """Coefficients alpha * T, with their zeros masked, in place."""
    table = solution.alpha[:, None, None] * solution.codes
    shape = entry.tensor.shape
    entry.parameter.copy_(table.reshape(shape))
    apply_mask(entry, (solution.codes != 0).to(table.dtype))
