"""Rotation of the basis: only its span matters, so choose the axes that make the coefficients sparse.

For orthonormal basis kernels B and coefficients A, every rotation R gives the same kernels: (A R) (R' B). The singular
value decomposition selects the axes by energy; here R minimises sum |A R|, the l1 norm that retraining penalises later.
Not part of PENNI; varimax (Kaiser, 1958) is the same idea with fourth powers.
"""

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

#: Relative error of the weight at which sparsity is compared.
ERROR = 0.2
_SWEEPS = 8
_ANGLES = 32
#: Kernels that are sampled; more change the angles by less than their grid.
_SAMPLE = 4096


@dataclass(frozen=True)
class Rotation:
    """The gain of a rotation; each pair is (before, after).

    Attributes:
        sparsity: share of coefficients that may be zero at a relative error ERROR of the weight.
        balance: non-zero coefficients of the fullest row over the rows' mean, at that error.
        l1: mean |coefficient|.
    """

    sparsity: tuple[float, float]
    balance: tuple[float, float]
    l1: tuple[float, float]


def rotate(coefficients: Tensor, basis: Tensor) -> tuple[Tensor, Tensor, Rotation]:
    """Rotated coefficients (K, C, M) and basis (M, R, S) with the same kernels; the basis must be orthonormal."""
    k, c, m = coefficients.shape
    flat = coefficients.double().reshape(k * c, m)
    rotation = l1_rotation(flat)
    rotated = flat @ rotation
    gain = Rotation(
        sparsity=(sparsity_at(flat, ERROR), sparsity_at(rotated, ERROR)),
        balance=(balance_at(flat, ERROR), balance_at(rotated, ERROR)),
        l1=(float(flat.abs().mean()), float(rotated.abs().mean())),
    )
    kernels = (rotation.T @ basis.double().flatten(1)).reshape(basis.shape)
    return rotated.reshape(k, c, m).to(coefficients.dtype), kernels.to(basis.dtype), gain


def l1_rotation(coefficients: Tensor) -> Tensor:
    """The rotation (M, M) that minimises sum |A R|, by sweeps of plane rotations; coefficients (N, M)."""
    step = max(1, len(coefficients) // _SAMPLE)
    table = coefficients[::step].clone()
    m = table.shape[1]
    rotation = torch.eye(m, dtype=table.dtype, device=table.device)
    grid = torch.arange(_ANGLES, dtype=table.dtype, device=table.device) / _ANGLES * (torch.pi / 2)
    fine = (torch.arange(_ANGLES, dtype=table.dtype, device=table.device) / _ANGLES - 0.5) * (torch.pi / _ANGLES)
    for _ in range(_SWEEPS):
        moved = 0.0
        for i, j in combinations(range(m), 2):
            angle = _best_angle(table[:, i], table[:, j], grid)
            angle = _best_angle(table[:, i], table[:, j], angle + fine)
            plane = torch.eye(m, dtype=table.dtype, device=table.device)
            plane[i, i] = plane[j, j] = angle.cos()
            plane[i, j], plane[j, i] = -angle.sin(), angle.sin()
            table, rotation = table @ plane, rotation @ plane
            moved = max(moved, abs(float((2 * angle).sin())))
        if moved < 1e-2:
            break
    return rotation


def _best_angle(a: Tensor, b: Tensor, angles: Tensor) -> Tensor:
    cosine, sine = angles.cos()[:, None], angles.sin()[:, None]
    size = (a * cosine + b * sine).abs().sum(1) + (b * cosine - a * sine).abs().sum(1)
    return angles[size.argmin()]


def kept_at(coefficients: Tensor, error: float) -> Tensor:
    """Which coefficients stay when the smallest go, as many as a relative Frobenius error allows; bool (N, M)."""
    energy = coefficients.flatten().square()
    order = energy.argsort()
    gone = energy[order].cumsum(0) <= error**2 * energy.sum()
    kept = torch.ones_like(energy, dtype=torch.bool)
    kept[order[gone]] = False
    return kept.reshape(coefficients.shape)


def sparsity_at(coefficients: Tensor, error: float) -> float:
    """Share of coefficients (N, M) that may be zero at a relative Frobenius error."""
    return 1 - float(kept_at(coefficients, error).double().mean())


def balance_at(coefficients: Tensor, error: float) -> float:
    """Non-zero coefficients of the fullest of M rows over the rows' mean, at a relative error; 1 is even."""
    rows = kept_at(coefficients, error).double().mean(0)
    return float(rows.max() / rows.mean().clamp_min(1e-12))
