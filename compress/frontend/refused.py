"""A call that stands for an operation of another format that PyTorch has no call for: the reader refuses it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_LIBRARY = torch.library.Library("penni_escalate", "FRAGMENT")
_LIBRARY.define("refused(Tensor[] read, SymInt[] shape, str why, str instead) -> Tensor")
_LIBRARY.impl("refused", lambda read, shape, why, instead: read[0].new_empty(shape), "CompositeExplicitAutograd")


def refused(read: Sequence[Tensor], shape: Sequence[Any], why: str, instead: str) -> Tensor:
    """A tensor of a shape, and no numbers; ``why`` and ``instead`` are RefusedError's."""
    result: Tensor = torch.ops.penni_escalate.refused(list(read), list(shape), why, instead)
    return result
