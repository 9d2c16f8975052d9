"""Accelerators that the cycle model runs and the generator does not write: what a part of the design is worth."""

from dataclasses import asdict, replace
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.common.validation import first_problem
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.schedule import Pass


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ModelOnly(Accelerator):
    """A configuration in wider ranges; the rules between fields are the same."""

    adders: Annotated[int, Field(ge=1, le=64, strict=True)] = 2
    ring: Annotated[int, Field(ge=1, le=64, strict=True)] = 16
    #: Without, a row that has coefficients adds every activation that is not 0, also where its coefficient is 0.
    dilution: Annotated[bool, Field(strict=True)] = True


_BUILDABLE, _MODEL_ONLY = TypeAdapter(Accelerator), TypeAdapter(ModelOnly)


def is_model_only(config: Accelerator) -> bool:
    """Whether no generator writes it."""
    return isinstance(config, ModelOnly)


def changed(base: Accelerator, changes: dict[str, int | bool]) -> Accelerator:
    """A configuration with other values in some fields: one that can be built where there is one, else ``ModelOnly``.

    Raises UserError, with field, value and rule, where it breaks a rule.
    """
    fields = {**asdict(base), **changes}
    buildable = {name: value for name, value in fields.items() if (name, value) != ("dilution", True)}
    try:
        return _BUILDABLE.validate_python(buildable)
    except ValidationError:
        pass
    try:
        return _MODEL_ONLY.validate_python(fields)
    except ValidationError as error:
        raise UserError(f"Configuration '{base.name}' with {written(changes)}: {first_problem(error)}.") from None


def written(changes: dict[str, int | bool]) -> str:
    """Changes as tables show them."""
    words = {False: "off", True: "on"}
    return " ".join(f"{name} {words[value] if isinstance(value, bool) else value}" for name, value in changes.items())


def without_dilution(work: Pass) -> Pass:
    """A pass in which every row that has a coefficient has one for every channel.

    That is what takes time without dilution: every activation of a beat that is not 0 goes to the adders, as if T were
    nowhere 0. Rows without any coefficient stay idle, in favour of such a design.
    """
    some = (work.coefficients != 0).any(axis=1, keepdims=True)
    return replace(work, coefficients=np.broadcast_to(some, work.coefficients.shape).astype(np.int8))
