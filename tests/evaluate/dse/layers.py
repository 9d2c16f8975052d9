"""Layers and configurations small enough to count their cycles by hand."""

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import LayerKind
from penni_escalate.golden.workloads import WorkloadLayer


def core(size: int, **fields: int) -> Accelerator:
    """As many blocks as a group has channels and a beat has lanes; one row, one multiplier a block."""
    same = dict.fromkeys(("blocks", "group", "lanes", "out_lanes"), size)
    values = {**same, "rows": 1, "adders": 1, "lookaside": 0, "taps": 1, "z_bits": 24, **fields}
    return Accelerator(name="by_hand", **values)


def layer(coefficients: np.ndarray, width: int) -> WorkloadLayer:
    """A 1x1 layer with one basis kernel on a line of pixels, all of whose activations are 1.

    Args:
        coefficients: int8 (K, C).
    """
    k, c = coefficients.shape
    convolution = Convolution(
        name="by_hand",
        sources=("input",),
        kind=LayerKind.DECOMPOSED,
        geometry=Geometry(channels=c, height=1, width=width, kernels=k, kernel_height=1, kernel_width=1),
        coefficients=coefficients[:, :, None],
        basis=np.ones((1, 1, 1), np.int8),
        exponent=np.zeros(1, np.uint8),
        bias=np.zeros(k, np.int32),
        multiplier=np.full(k, 1 << 15, np.uint16),
        shift=np.full(k, 15, np.uint8),
        low=0,
        high=255,
        signed_in=False,
        signed_out=False,
    )
    return WorkloadLayer("by_hand", convolution, np.ones((1, width, c), np.uint8), convolution.geometry)
