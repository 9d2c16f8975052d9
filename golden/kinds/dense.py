"""Convolution of few channels with dense 8-bit kernels: T is the identity, and B each output channel's own."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from penni_escalate.golden.entries import LayerEntry
from penni_escalate.golden.kinds.convolution import Convolution, as_it_is
from penni_escalate.golden.kinds.kind import EXPONENT, Kind, kernels
from penni_escalate.golden.layers import LayerKind


def _rule(entry: LayerEntry) -> None:
    if entry.basis != entry.channels:
        raise ValueError(
            f"field 'basis' is {entry.basis}: a {entry.kind} layer has one row a channel ({entry.channels})"
        )


def _fields(entry: LayerEntry, arrays: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
    c = entry.channels
    identity = np.broadcast_to(np.eye(c, dtype=np.int8), (entry.kernels, c, c))
    return {**arrays, "kind": entry.kind, "coefficients": identity}


DENSE = Kind(
    name=LayerKind.DENSE,
    layer=Convolution,
    own_arrays=(kernels("KCRS"), EXPONENT),
    rule=_rule,
    fields=_fields,
    on_core=as_it_is,
)
