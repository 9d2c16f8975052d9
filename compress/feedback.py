"""Ternary coefficients that preserve each layer's output, optimised layer by layer.

Rounding each coefficient independently ignores that a layer's inputs are correlated: other channels can compensate for
the error of one. Here each layer gets its inputs *in the quantized network*. Their covariance H, and the kernels W that
best predict the layer's former output from them (least squares, with damping towards the former kernels), define the
problem that compress/ternary_kernels.py solves. The mean is absorbed by the bias.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from penni_escalate.compress.graph import Graph, Layer
from penni_escalate.compress.layers import Coefficients, DecomposedConv2d, coefficients
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
        )


class Covariance(NamedTuple):
    """Of a layer's inputs and target outputs: means (I,) and (K,), (I, I), (K, I), variances (K,); float64."""

    mean_in: Tensor
    mean_out: Tensor
    inputs: Tensor
    cross: Tensor
    energy: Tensor

    def error(self, kernels: Tensor) -> float:
        """Squared error of the outputs with kernels (K, C, S), relative to the outputs' variance."""
        table = kernels.flatten(1).double()
        missed = self.energy.sum() + ((table @ self.inputs - 2 * self.cross) * table).sum()
        return float(missed / self.energy.sum().clamp_min(_TINY))


class _Walk:
    """A traced network's values on batches of images, node by node."""

    def __init__(self, traced: fx.GraphModule, batches: Sequence[Tensor]) -> None:
        self._runs = [fx.Interpreter(traced) for _ in batches]
        for run, batch in zip(self._runs, batches, strict=True):
            run.args_iter = iter([batch])

    def values(self, node: fx.Node) -> list[Tensor]:
        """A node's results, one tensor per batch."""
        return [run.env[node] for run in self._runs]

    def step(self, node: fx.Node) -> None:
        """Run a node, and drop what nothing reads any more."""
        for run in self._runs:
            run.env[node] = run.run_node(node)
            for read in run.user_to_last_uses.get(node, []):
                del run.env[read]


def quantize_by_feedback(
    network: fx.GraphModule, graph: Graph, settings: Quantization, images: Tensor
) -> list[LayerFeedback]:
    """Attach the quantizers, in place, with coefficients and kernels that preserve the layers' outputs.

    Args:
        images: real images (N, C, H, W).

    Returns what it did, layer by layer in the graph's order.
    """
    feedback = settings.feedback
    assert feedback is not None
    before = copy.deepcopy(network)
    entries = {
        entry.layer.module: entry for entry in coefficients(network, graph, settings.classifier is Classifier.TERNARY)
    }
    layers = {layer.module: layer for layer in graph.layers if layer.module}
    total = sum(entry.tensor.numel() for entry in entries.values())
    training = network.training
    network.eval()
    before.eval()
    done = []
    with torch.no_grad():
        batches = torch.split(images, _BATCH)
        walk, wanted = _Walk(network, batches), _Walk(before, batches)
        for node, other in zip(network.graph.nodes, before.graph.nodes, strict=True):
            # First: a copy shares the classes that parametrizations change.
            wanted.step(other)
            module = str(node.target)
            if node.op == "call_module" and module in layers:
                if module in entries:
                    entry, alpha = entries[module], alpha_of(layers[module], settings)
                    inputs = walk.values(node.all_input_nodes[0])
                    moments = _seen(entry, inputs, wanted.values(other), feedback.positions)
                    done.append(_quantize(network, entry, moments, alpha, feedback, 1 / total))
                attach_quantizers(network, layers[module], entries.get(module), settings)
            walk.step(node)
    network.train(training)
    places = {layer.name: place for place, layer in enumerate(graph.layers)}
    return sorted(done, key=lambda fed: places[fed.name])


def _kernels(entry: Coefficients) -> Tensor:
    """The layer's kernels, (K, C, S)."""
    module = entry.module
    basis = module.basis.flatten(1) if isinstance(module, DecomposedConv2d) else torch.ones(1, 1)
    return entry.table @ basis


def _seen(entry: Coefficients, inputs: Sequence[Tensor], wanted: Sequence[Tensor], positions: int) -> Moments:
    """Moments of a layer's inputs and target outputs, over batches."""
    outputs, channels, size = _kernels(entry).shape
    moments = Moments(channels * size, outputs)
    for batch, target in zip(inputs, wanted, strict=True):
        samples = [_samples(entry.layer, *pair, positions) for pair in zip(batch, target, strict=True)]
        moments.add(torch.cat([read for read, _ in samples]), torch.cat([given for _, given in samples]))
    return moments


def _quantize(
    network: nn.Module, entry: Coefficients, moments: Moments, alpha: Alpha, feedback: Feedback, share: float
) -> LayerFeedback:
    """Make a layer's coefficients ternary, in place, with the bias or batch norm's mean that goes with them.

    Args:
        share: 1 over the number of the network's coefficients.
    """
    layer, module = entry.layer, entry.module
    norm = network.get_submodule(layer.norm) if layer.norm else None
    bias = module.bias
    found = moments.covariance(centred=isinstance(bias, Tensor) or norm is not None)
    problem = _problem(entry, found, alpha, feedback, share)
    alone, fed, solution = solve(problem, feedback.rounds)
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
    return LayerFeedback(layer.name, *errors, zeros, moments.count)


def _problem(entry: Coefficients, found: Covariance, alpha: Alpha, feedback: Feedback, share: float) -> Problem:
    kernels = _kernels(entry)
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
    if result.dim() == 1:
        return image[None], result[None]
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
    module, field = entry.module, entry.field
    table = solution.alpha[:, None, None] * solution.codes
    shape = entry.tensor.shape
    if parametrize.is_parametrized(module, field):
        parametrize.remove_parametrizations(module, field, leave_parametrized=True)
    getattr(module, field).copy_(table.reshape(shape))
    apply_mask(entry, (solution.codes != 0).to(table.dtype))
