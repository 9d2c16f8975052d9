"""The ternary kernels of one layer that change its output least: Q that minimise

    sum over outputs k of (W[k] - Q[k]) H (W[k] - Q[k])' + weight * (coefficients that are not zero)

with Q[k, c] = alpha[k] * sum_m T[k, c, m] * B[m], T in {-1, 0, 1}; W and H are what compress/feedback.py measured.

* An input channel's kernel is one of alpha[k] times the 3**M sums of basis kernels: all are tried. This is vector
  quantization with an additive codebook; the rate-distortion weight decides between error and zeros (Chou, Lookabaugh
  and Gray, "Entropy-constrained vector quantization", 1989).
* Channels are quantized one by one, and the remaining channels compensate for the error of each, as far as H allows
  (OBQ: Frantar and Alistarh, 2022, arXiv 2208.11580; GPTQ: Frantar et al., 2022, arXiv 2210.17323; for vectors:
  GPTVQ, van Baalen et al., 2024, arXiv 2402.15319).
* Then basis kernels and alpha are fitted by least squares, and every channel is optimised with all others fixed
  (coordinate descent), in rounds.
"""

from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from penni_escalate.compress.quantizers import Alpha

#: Iterations of the fit that ignores how channels are correlated; it changes little after ten.
_START_ROUNDS = 20
#: Kernels by which that fit is made.
_SAMPLE = 1 << 15
#: Revisions of all channels between two fits of the basis.
_REVISIONS = 2
#: Channels between two updates of all that are still to come.
_BLOCK = 32
#: Kernels at a time that are compared with all codewords.
_KERNELS = 1 << 17
_TINY = 1e-12
_FORBIDDEN = 1e30


@dataclass(frozen=True)
class Problem:
    """A layer to be made ternary; S is R*S, the size of a kernel.

    Attributes:
        target: W, the kernels that are best without quantization, (K, C, S).
        hessian: H, (C*S, C*S), positive definite.
        rate_distortion_weight: cost of a coefficient that is not zero, in units of the squared error.
        allowed: bool (K, C, M), which coefficients may be other than zero; None: all.
        alpha: which coefficients share a scale.
        fixed_basis: the basis is one kernel of one place, 1.
        rows: M.
    """

    target: Tensor
    hessian: Tensor
    rate_distortion_weight: float
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
        self, target: Tensor, root: Tensor, alpha: Tensor, basis: Tensor, weight: float, allowed: Tensor | None
    ) -> Tensor:
        """The combinations that minimise ||(target - alpha * word @ basis) @ root||**2 + weight * its non-zeros.

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
        cost += weight * self._count
        if allowed is not None:
            cost += _FORBIDDEN * ((~allowed).to(cost.dtype) @ self._used.T)
        return self.words[cost.argmin(1)]


def solve(problem: Problem, rounds: int) -> tuple[Solution, Solution, Solution]:
    """Ternary codes, scales and basis for a layer: each kernel alone; with feedback; after the rounds."""
    book = Codebook(problem.rows)
    alone = start(problem, book)
    fed = solution = feed_back(problem, alone, book)
    for _ in range(rounds):
        solution = fit(problem, solution)
        for _ in range(_REVISIONS):
            solution = revise(problem, solution, book)
    return alone, fed, fit(problem, solution)


def start(problem: Problem, book: Codebook) -> Solution:
    """Basis, scales and codes in alternation, with correlation within kernels (on average), not between channels."""
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
            # More than a kernel has positions: digits, see decompose.with_digits; the first exceeds most kernels.
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
    """Codes of each kernel alone, at a rate-distortion weight of 0."""
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
    """Codes of one channel after the other; the remaining channels compensate for the error of each."""
    k, c, size = problem.target.shape
    # Channels of most energy first: then most channels are left to compensate.
    order = problem.hessian.diagonal().reshape(c, size).sum(1).argsort(descending=True, stable=True)
    places = (order[:, None] * size + torch.arange(size)).flatten()
    # The inverse of H is F' F with F upper triangular: F is the inverse of the factor of H from its last line up.
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
            word = book.nearest(target, root, solution.alpha, solution.basis, problem.rate_distortion_weight, allowed)
            error = (target - solution.alpha[:, None] * (word @ solution.basis)) @ root
            codes[:, order[channel]] = word
            rest = slice(here.stop, end * size)
            kernels[:, rest] -= error @ factor[here, rest]
            left[:, (channel - first) * size : (channel - first + 1) * size] = error
        kernels[:, end * size :] -= left @ factor[first * size : end * size, end * size :]
    return replace(solution, codes=codes)


def revise(problem: Problem, solution: Solution, book: Codebook) -> Solution:
    """Every channel's codes optimised with all others fixed: the cost never rises."""
    c, size = problem.target.shape[1:]
    kernels, codes = solution.kernels, solution.codes.clone()
    slope = (problem.target - kernels).flatten(1) @ problem.hessian
    for channel in range(c):
        here = slice(channel * size, (channel + 1) * size)
        root = torch.linalg.cholesky(problem.hessian[here, here])
        best = kernels[:, channel] + torch.cholesky_solve(slope[:, here].T, root).T
        allowed = None if problem.allowed is None else problem.allowed[:, channel]
        codes[:, channel] = book.nearest(
            best, root, solution.alpha, solution.basis, problem.rate_distortion_weight, allowed
        )
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
