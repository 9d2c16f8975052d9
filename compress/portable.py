"""Arithmetic that rounds alike on every x86-64 processor with AVX2, so that a recipe gives the same bytes on each.

PyTorch, oneDNN and MKL choose their code by the processor, and each choice sums in an order of its own. Each has a
variable that names one choice, which it reads once, when it is loaded.
"""

import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from penni_escalate.common.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

CHOICES: Mapping[str, str] = MappingProxyType(
    {
        # PyTorch's own operators: without the vector extensions that some processors have.
        "ATEN_CPU_CAPABILITY": "default",
        # MKL's matrices: the one choice whose results do not depend on the vendor.
        "MKL_CBWR": "COMPATIBLE",
        # oneDNN's convolutions: no more than AVX2.
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }
)


def choose_portable_code() -> None:
    """Name the choices, before PyTorch is imported.

    Raises UserError where it has been imported already with others.
    """
    if "torch" in sys.modules and any(os.environ.get(name) != choice for name, choice in CHOICES.items()):
        wanted = " ".join(f"{name}={choice}" for name, choice in CHOICES.items())
        raise UserError(
            f"Field 'hardware.portable' comes too late, PyTorch has been imported: begin Python with {wanted}, or "
            "leave the field out."
        )
    os.environ.update(CHOICES)


def square_root(values: "Tensor") -> "Tensor":
    """Square root of float32, rounded correctly: that of MKL's vectors, which PyTorch takes, differs by processor.

    In float64 MKL's is wrong by less than a unit in the last place, and the root of a number of 24 bits is never so
    near to the middle between two others that this could turn the rounding.
    """
    return values.double().sqrt().float()
