"""Ternary coefficients chosen by what they do to a layer's output, one layer after another.

Rounding each coefficient for itself ignores that a layer's inputs are correlated: an error in one channel can be made
good in others. Here a layer's ternary kernels Q minimise

    sum over outputs k of (W[k] - Q[k]) H (W[k] - Q[k])' + price * (coefficients that are not zero)

where H is the covariance of what the layer reads *in the quantized network*, W the kernels that best give, from that,
what the layer gave before (least squares, pulled towards the kernels as they were by the damping), and
Q[k, c] = alpha[k] * sum_m T[k, c, m] * B[m]. The mean goes into the bias.

* An input channel's kernel is one of alpha[k] times the 3**M sums of basis kernels: all are tried. This is vector
  quantization with an additive codebook; the price of a non-zero makes it a choice between rate and distortion
  (Chou, Lookabaugh and Gray, "Entropy-constrained vector quantization", 1989).
* Channels are quantized in turn, and each one's error is made good, as far as H allows, in those that are still to
  come (OBQ: Frantar and Alistarh, 2022, arXiv 2208.11580; GPTQ: Frantar et al., 2022, arXiv 2210.17323; for vectors:
  GPTVQ, van Baalen et al., 2024, arXiv 2402.15319).
* Then basis kernels and alpha are fitted by least squares, and every channel is chosen anew with all others as they
  are (coordinate descent), in rounds.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from compress.graph import Graph, Layer
from compress.layers import Coefficients, DecomposedConv2d, coefficients
from compress.prune import Masked, hold
from compress.quantize import Alpha, RowInt8, alpha_of, attach_quantizers
from compress.recipe import Classifier, Feedback, Quantization

#: Iterations of the fit that ignores how channels are correlated; it changes little after ten.
_START_ROUNDS = 20
#: Kernels by which that fit is made.
_SAMPLE = 1 << 15
#: Revisions of all channels between two fits of the basis.
_REVISIONS = 2
#: Channels between two updates of all that are still to come.
_BLOCK = 32
#: Images at a time.
_BATCH = 8
#: Kernels at a time that are compared with all codewords.
_KERNELS = 1 << 17
_TINY = 1e-12
#: Of sums over samples, relative to the squares that they are of.
_ROUNDING = 1e-6
_FORBIDDEN = 1e30


@dataclass(frozen=True)
class Fed:
    """What quantizing one layer did; errors are squared errors of its output relative to the output's variance.

    Attributes:
        alone: error when each kernel is rounded for itself, without a price.
        fed: error when later channels make each one's good, with the price.
        error: error in the end, with 8-bit basis kernels.
        zeros: share of the coefficients that are zero.
        samples: places of images looked at.
    """

    name: str
    alone: float
    fed: float
    error: float
    zeros: float
    samples: int


class Moments:
    """Sums over samples of a layer's inputs (N, I) and of what it should give (N, K), in float64."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.count = 0
        self._inputs, self._outputs = torch.zeros(inputs).double(), torch.zeros(outputs).double()
        self._square = torch.zeros(inputs, inputs).double()
        self._cross = torch.zeros(outputs, inputs).double()
        self._energy = torch.zeros(outputs).double()

    def add(self, inputs: Tensor, outputs: Tensor) -> None:
        """Take samples in."""
        self.count += len(inputs)
        self._inputs += inputs.sum(0)
        self._outputs += outputs.sum(0)
        self._square += inputs.T @ inputs
        self._cross += outputs.T @ inputs
        self._energy += outputs.square().sum(0)

    def covariance(self, centred: bool) -> "Covariance":
        """Means over the samples; ``centred``: of the differences from the mean, which a bias makes good."""
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
    """Of a layer's inputs and what it should give: means (I,) and (K,), (I, I), (K, I), variances (K,); float64."""

    mean_in: Tensor
    mean_out: Tensor
    inputs: Tensor
    cross: Tensor
    energy: Tensor

    def error(self, kernels: Tensor) -> float:
        """Squared error of the outputs that kernels (K, C, S) give, relative to the outputs' variance."""
        table = kernels.flatten(1).double()
        missed = self.energy.sum() + ((table @ self.inputs - 2 * self.cross) * table).sum()
        return float(missed / self.energy.sum().clamp_min(_TINY))


@dataclass(frozen=True)
class Problem:
    """A layer to be made ternary; S is R*S, the size of a kernel.

    Attributes:
        target: W, the kernels that are best without quantization, (K, C, S).
        hessian: H, (C*S, C*S), positive definite.
        price: of a coefficient that is not zero, in units of the squared error.
        allowed: bool (K, C, M), which coefficients may be other than zero; None: all.
        alpha: which coefficients share a scale.
        fixed_basis: the basis is one kernel of one place, 1.
        rows: M.
    """

    target: Tensor
    hessian: Tensor
    price: float
    alpha: Alpha
    rows: int
    allowed: Tensor | None = None
    fixed_basis: bool = False

    def error(self, solution: "Solution") -> float:
        """Squared error of the outputs, summed over them, beyond that of ``target``."""
        difference = (self.target - solution.kernels).flatten(1)
        return float(((difference @ self.hessian) * difference).sum())


@dataclass(frozen=True)
class Solution:
    """T in {-1, 0, 1}, (K, C, M); alpha (K,), above 0; B (M, S)."""

    codes: Tensor
    alpha: Tensor
    basis: Tensor

    @property
    def kernels(self) -> Tensor:
        """Q, (K, C, S)."""
        return self.alpha[:, None, None] * (self.codes @ self.basis)


class Codebook:
    """All 3**M ternary combinations of M basis kernels."""

    def __init__(self, rows: int) -> None:
        self.words = torch.tensor(list(product((0.0, 1.0, -1.0), repeat=rows)))
        self._used = self.words.abs()
        self._count = self._used.sum(1)

    def nearest(
        self, target: Tensor, root: Tensor, alpha: Tensor, basis: Tensor, price: float, allowed: Tensor | None
    ) -> Tensor:
        """The combinations that minimise ||(target - alpha * word @ basis) @ root||**2 + price * its non-zeros.

        Args:
            target: (N, S).
            root: (S, S).
            alpha: (N,).
            basis: (M, S).
            allowed: bool (N, M), where a word may be other than zero; None: everywhere.

        Returns:
            words (N, M).
        """
        sums = (self.words @ basis) @ root
        cost = ((target @ root) * (-2 * alpha)[:, None]) @ sums.T
        cost.addcmul_(alpha.square()[:, None], sums.square().sum(1)[None])
        cost += price * self._count
        if allowed is not None:
            cost += _FORBIDDEN * ((~allowed).to(cost.dtype) @ self._used.T)
        return self.words[cost.argmin(1)]


def solve(problem: Problem, rounds: int) -> tuple[Solution, Solution, Solution]:
    """Ternary codes, scales and basis for a layer: each kernel for itself; with feedback; after the rounds."""
    book = Codebook(problem.rows)
    alone = start(problem, book)
    fed = solution = feed_back(problem, alone, book)
    for _ in range(rounds):
        solution = fit(problem, solution)
        for _ in range(_REVISIONS):
            solution = revise(problem, solution, book)
    return alone, fed, fit(problem, solution)


def start(problem: Problem, book: Codebook) -> Solution:
    """Basis, scales and codes, by turns, as if channels were not correlated; a kernel's places are, on average."""
    k, c, size = problem.target.shape
    mean = problem.hessian.reshape(c, size, c, size).diagonal(dim1=0, dim2=2).mean(-1)
    root = torch.linalg.cholesky(mean.double()).to(mean.dtype)
    alpha = (problem.target.flatten(1).norm(dim=1) / c**0.5).clamp_min(_TINY)
    if problem.alpha is Alpha.LAYER:
        alpha = alpha.mean().expand(k).clone()
    elif problem.alpha is Alpha.NONE:
        alpha = torch.ones_like(alpha)
    if problem.fixed_basis:
        basis = torch.ones(1, 1)
    else:
        # The leading directions in the metric, each as large as the kernels are along it.
        scaled = ((problem.target / alpha[:, None, None]).reshape(k * c, size) @ root).double()
        _, values, right = torch.linalg.svd(torch.linalg.qr(scaled, mode="r").R, full_matrices=False)
        directions = torch.linalg.solve_triangular(root.double(), right[: problem.rows], upper=False, left=False)
        basis = (directions * (values[: problem.rows, None] / (k * c) ** 0.5)).to(mean.dtype)
        if len(basis) < problem.rows:
            # More than a kernel has places: digits, see decompose.with_digits; the first reaches beyond most kernels.
            basis = torch.cat([2 * basis / 3**digit for digit in range(-(-problem.rows // len(basis)))])[: problem.rows]
    solution = Solution(problem.target.new_zeros(k, c, problem.rows), alpha, basis)
    # Basis and scales are settled by a part of the channels.
    step = max(1, k * c // _SAMPLE)
    part = replace(
        problem,
        target=problem.target[:, ::step],
        allowed=None if problem.allowed is None else problem.allowed[:, ::step],
    )
    settled = replace(solution, codes=solution.codes[:, ::step])
    for _ in range(_START_ROUNDS):
        settled = _fit_uncorrelated(part, replace(settled, codes=_each(part, settled, book, root)), mean)
    solution = replace(solution, alpha=settled.alpha, basis=settled.basis)
    return replace(solution, codes=_each(problem, solution, book, root))


def _each(problem: Problem, solution: Solution, book: Codebook, root: Tensor) -> Tensor:
    """Codes of each kernel for itself, without a price."""
    k, c, size = problem.target.shape
    parts = []
    step = max(1, _KERNELS // c)
    for first in range(0, k, step):
        part = slice(first, first + step)
        allowed = None if problem.allowed is None else problem.allowed[part].flatten(0, 1)
        target = problem.target[part].reshape(-1, size)
        alpha = solution.alpha[part].repeat_interleave(c)
        parts.append(book.nearest(target, root, alpha, solution.basis, 0.0, allowed).reshape(-1, c, problem.rows))
    return torch.cat(parts)


def _fit_uncorrelated(problem: Problem, solution: Solution, metric: Tensor) -> Solution:
    k, c, size = problem.target.shape
    basis = solution.basis
    if not problem.fixed_basis:
        table = (solution.alpha[:, None, None] * solution.codes).reshape(k * c, problem.rows)
        basis = _solved(table.T @ table, table.T @ problem.target.reshape(k * c, size))
    sums = solution.codes @ basis
    weighted = sums @ metric
    return _scaled(
        problem, replace(solution, basis=basis), (weighted * problem.target).sum((1, 2)), (weighted * sums).sum((1, 2))
    )


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """matrix**-1 @ right for a symmetric matrix that may be singular: a basis kernel that nothing uses becomes 0."""
    matrix = matrix.double()
    eased = matrix + 1e-6 * matrix.diagonal().mean().clamp_min(_TINY) * torch.eye(len(matrix)).double()
    return torch.linalg.solve(eased, right.double()).float()


def _scaled(problem: Problem, solution: Solution, along: Tensor, energy: Tensor) -> Solution:
    """The solution with the best alpha, for <Q, W> and <Q, Q> at alpha 1, (K,) each."""
    if problem.alpha is Alpha.NONE:
        return solution
    if problem.alpha is Alpha.LAYER:
        along, energy = along.sum().expand_as(along), energy.sum().expand_as(energy)
    alpha = torch.where(energy > 0, along / energy.clamp_min(1e-30), solution.alpha)
    sign = torch.where(alpha < 0, -1.0, 1.0)
    return replace(solution, alpha=alpha.abs().clamp_min(_TINY), codes=solution.codes * sign[:, None, None])


def feed_back(problem: Problem, solution: Solution, book: Codebook) -> Solution:
    """Codes of one channel after the other; what each leaves is made good in the channels still to come."""
    k, c, size = problem.target.shape
    # Channels that matter most first: then there is most left to make their error good.
    order = problem.hessian.diagonal().reshape(c, size).sum(1).argsort(descending=True, stable=True)
    places = (order[:, None] * size + torch.arange(size)).flatten()
    # The inverse of H is F' F with F upper triangular: F is the inverse of the factor of H from its last row up.
    last_first = places.flip(0)
    lower = torch.linalg.cholesky(problem.hessian[last_first][:, last_first].double())
    factor = torch.linalg.solve_triangular(lower.flip(0, 1).contiguous(), torch.eye(c * size).double(), upper=True).to(
        problem.target.dtype
    )
    kernels = problem.target.flatten(1)[:, places].clone()
    codes = torch.zeros(k, c, problem.rows)
    for first in range(0, c, _BLOCK):
        end = min(c, first + _BLOCK)
        left = torch.zeros(k, (end - first) * size)
        for channel in range(first, end):
            here = slice(channel * size, (channel + 1) * size)
            root = torch.linalg.inv(factor[here, here])
            target = kernels[:, here]
            allowed = None if problem.allowed is None else problem.allowed[:, order[channel]]
            word = book.nearest(target, root, solution.alpha, solution.basis, problem.price, allowed)
            error = (target - solution.alpha[:, None] * (word @ solution.basis)) @ root
            codes[:, order[channel]] = word
            rest = slice(here.stop, end * size)
            kernels[:, rest] -= error @ factor[here, rest]
            left[:, (channel - first) * size : (channel - first + 1) * size] = error
        kernels[:, end * size :] -= left @ factor[first * size : end * size, end * size :]
    return replace(solution, codes=codes)


def revise(problem: Problem, solution: Solution, book: Codebook) -> Solution:
    """Every channel's codes chosen anew, with all others as they are: the error plus price never rises."""
    c, size = problem.target.shape[1:]
    kernels, codes = solution.kernels, solution.codes.clone()
    slope = (problem.target - kernels).flatten(1) @ problem.hessian
    for channel in range(c):
        here = slice(channel * size, (channel + 1) * size)
        root = torch.linalg.cholesky(problem.hessian[here, here])
        best = kernels[:, channel] + torch.cholesky_solve(slope[:, here].T, root).T
        allowed = None if problem.allowed is None else problem.allowed[:, channel]
        codes[:, channel] = book.nearest(best, root, solution.alpha, solution.basis, problem.price, allowed)
        change = solution.alpha[:, None] * (codes[:, channel] @ solution.basis) - kernels[:, channel]
        slope -= change @ problem.hessian[here]
    return replace(solution, codes=codes)


def fit(problem: Problem, solution: Solution) -> Solution:
    """Basis kernels, then scales, by least squares; codes stay, but for the sign of an output with a negative scale."""
    k, c, size = problem.target.shape
    wanted = (problem.target.flatten(1) @ problem.hessian).reshape(k, c, size)
    if not problem.fixed_basis:
        table = solution.alpha[:, None, None] * solution.codes
        solution = replace(solution, basis=_fitted_basis(problem, table, wanted))
    return fit_scale(problem, solution)


def fit_scale(problem: Problem, solution: Solution) -> Solution:
    """Scales by least squares."""
    sums = (solution.codes @ solution.basis).flatten(1)
    weighted = sums @ problem.hessian
    return _scaled(problem, solution, (weighted * problem.target.flatten(1)).sum(1), (weighted * sums).sum(1))


def _fitted_basis(problem: Problem, table: Tensor, wanted: Tensor) -> Tensor:
    """Basis (M, S) of coefficients (K, C, M) and W H (K, C, S)."""
    c, size = problem.target.shape[1:]
    rows = problem.rows
    by_pair = problem.hessian.reshape(c, size, c, size).permute(0, 2, 1, 3).reshape(c * c, size * size)
    matrix = torch.zeros(rows, size, rows, size)
    for one in range(rows):
        for other in range(one, rows):
            shared = (table[:, :, one].T @ table[:, :, other]).reshape(1, -1)
            block = (shared @ by_pair).reshape(size, size)
            matrix[one, :, other], matrix[other, :, one] = block, block.T
    right = torch.einsum("kcm,kcs->ms", table, wanted).flatten()
    return _solved(matrix.reshape(rows * size, rows * size), right).reshape(rows, size)


# ---- networks -------------------------------------------------------------------------------------------------


class _Walk:
    """A traced network's values on batches of images, node by node."""

    def __init__(self, traced: fx.GraphModule, batches: Sequence[Tensor]) -> None:
        self._runs = [fx.Interpreter(traced) for _ in batches]
        for run, batch in zip(self._runs, batches, strict=True):
            run.args_iter = iter([batch])

    def values(self, node: fx.Node) -> list[Tensor]:
        """What a node gave, a tensor a batch."""
        return [run.env[node] for run in self._runs]

    def step(self, node: fx.Node) -> None:
        """Run a node, and forget what nothing reads any more."""
        for run in self._runs:
            run.env[node] = run.run_node(node)
            for read in run.user_to_last_uses.get(node, []):
                del run.env[read]


def quantize_by_feedback(network: fx.GraphModule, graph: Graph, settings: Quantization, images: Tensor) -> list[Fed]:
    """Attach the quantizers, in place, with coefficients and kernels that give the layers' outputs as they were.

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
    slots = sum(entry.tensor.numel() for entry in entries.values())
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
                    done.append(_quantize(network, entry, moments, alpha, feedback, 1 / slots))
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
    """Moments of what a layer reads and is to give, of batches."""
    outputs, channels, size = _kernels(entry).shape
    moments = Moments(channels * size, outputs)
    for batch, target in zip(inputs, wanted, strict=True):
        samples = [_samples(entry.layer, *pair, positions) for pair in zip(batch, target, strict=True)]
        moments.add(torch.cat([read for read, _ in samples]), torch.cat([given for _, given in samples]))
    return moments


def _quantize(
    network: nn.Module, entry: Coefficients, moments: Moments, alpha: Alpha, feedback: Feedback, share: float
) -> Fed:
    """Make a layer's coefficients ternary, in place, with the bias or batch norm's mean that goes with them.

    Args:
        share: what one coefficient is of all that the network has.
    """
    layer, module = entry.layer, entry.module
    norm = network.get_submodule(layer.norm) if layer.norm else None
    bias = module.bias
    found = moments.covariance(centred=isinstance(bias, Tensor) or norm is not None)
    problem = _problem(entry, found, alpha, feedback, share)
    alone, fed, solution = solve(problem, feedback.rounds)
    if isinstance(module, DecomposedConv2d):
        rounded = RowInt8()(solution.basis.reshape(module.basis.shape)).flatten(1)
        held = fit_scale(problem, replace(solution, basis=rounded))
        # The parameter behind the quantizer is not rounded.
        module.basis = nn.Parameter(solution.basis.reshape(module.basis.shape))
    else:
        held = solution
    _hold_codes(entry, held)
    shift = found.mean_out.float() - held.kernels.flatten(1) @ found.mean_in.float()
    if isinstance(bias, Tensor):
        bias.copy_(shift)
    elif isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
        # What the kernels give has another mean now.
        norm.running_mean -= shift
    zeros = 1 - float((held.codes != 0).double().mean())
    errors = (found.error(alone.kernels), found.error(fed.kernels), found.error(held.kernels))
    return Fed(layer.name, *errors, zeros, moments.count)


def _problem(entry: Coefficients, found: Covariance, alpha: Alpha, feedback: Feedback, share: float) -> Problem:
    kernels = _kernels(entry)
    inputs = found.inputs
    # The damping stands for inputs that were not seen: it keeps kernels where they were that no sample speaks about.
    size = (inputs.diagonal() + found.mean_in.square()).mean()
    damping = torch.maximum(feedback.damping * inputs.diagonal().mean(), _ROUNDING * size).clamp_min(_TINY)
    hessian = inputs + damping * torch.eye(len(inputs)).double()
    right = found.cross + damping * kernels.flatten(1).double()
    target = torch.linalg.solve(hessian, right.T).T
    held = entry.parametrizations
    pruned = held is not None and isinstance(held[0], Masked)
    return Problem(
        target.float().reshape(kernels.shape),
        hessian.float(),
        feedback.price * share * float(found.energy.sum()),
        alpha,
        entry.table.shape[2],
        (entry.table != 0) if pruned else None,
        fixed_basis=not isinstance(entry.module, DecomposedConv2d),
    )


def _samples(layer: Layer, image: Tensor, result: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Up to ``count`` random places of an image: what the layer reads there (N, C*R*S), and what it gives (N, K)."""
    if result.dim() == 1:
        return image[None], result[None]
    height, width = result.shape[1:]
    places = torch.randperm(height * width)[:count]
    y, x = places // width, places % width
    rows, columns = layer.kernel
    padded = functional.pad(image, [layer.padding] * 4)
    dy, dx = torch.arange(rows).repeat_interleave(columns), torch.arange(columns).repeat(rows)
    patches = padded[:, (y * layer.stride)[:, None] + dy, (x * layer.stride)[:, None] + dx]
    return patches.transpose(0, 1).flatten(1), result[:, y, x].T


def _hold_codes(entry: Coefficients, solution: Solution) -> None:
    """Coefficients alpha * T, zeros held, in place."""
    module, field = entry.module, entry.field
    table = solution.alpha[:, None, None] * solution.codes
    shape = entry.tensor.shape
    if parametrize.is_parametrized(module, field):
        parametrize.remove_parametrizations(module, field, leave_parametrized=True)
    getattr(module, field).copy_(table.reshape(shape))
    hold(entry, (solution.codes != 0).to(table.dtype))
