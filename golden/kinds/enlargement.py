"""What the kinds that enlarge have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penni_escalate.golden.entries import LayerEntry
from penni_escalate.golden.layers import Layer

#: Manifest fields without a choice.
ENLARGED: Mapping[str, int] = {"kernel_height": 1, "kernel_width": 1, "stride": 1, "padding": 0, "basis": 0}


@dataclass(frozen=True, kw_only=True)
class Enlargement(Layer):
    """An enlargement by ``factor`` in both directions."""

    factor: int

    @property
    def out_height(self) -> int:
        """Output rows."""
        return self.factor * self.geometry.height

    @property
    def out_width(self) -> int:
        """Output columns."""
        return self.factor * self.geometry.width


def factor_of(entry: LayerEntry, arrays: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
    """The layer's fields, of the manifest's entry."""
    return {"factor": entry.factor}
