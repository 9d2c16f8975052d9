"""Convolution by ternary coefficients over basis kernels that all output channels share."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from penni_escalate.golden.entries import LayerEntry
from penni_escalate.golden.kinds.convolution import Convolution, as_it_is
from penni_escalate.golden.kinds.kind import EXPONENT, Kind, kernels, ternary
from penni_escalate.golden.layers import LayerKind


def _fields(entry: LayerEntry, arrays: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
    return {**arrays, "kind": entry.kind}


DECOMPOSED = Kind(
    name=LayerKind.DECOMPOSED,
    layer=Convolution,
    own_arrays=(ternary("KCM"), kernels("MRS"), EXPONENT),
    least={"basis": 1},
    fields=_fields,
    on_core=as_it_is,
)
