"""What an operator of ONNX is called with, besides what it reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """An operator's attributes.

    Attributes:
        kind: ONNX's name of the operator.
        attributes: values by their names.
        results: how many tensors it gives.
        batch: number of images that the file has written into it; None where it has none.
    """

    kind: str
    attributes: Mapping[str, Any]
    results: int
    batch: int | None

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or what it is where it is left out; texts are str."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value
