"""Compression: train, decompose, retrain, prune, quantize, export (PENNI, with ESCALATE's hybrid quantization).

What a program of the user's imports from here; PyTorch is imported with the first name that needs it.

    make_recipe, load_recipe    settings, with defaults for all but network and data
    load_data, make_data        images of a source, or of arrays
    read_network                the layers of a module; raises UnsupportedError
    compress_network            all steps, as 'penni-escalate compress run'
    Compression                 a run, a method for each step
    plan_run                    what a run would do, as '--dry-run'
    UserError                   what all of them raise where the user can put something right
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penni_escalate.common.errors import UserError
    from penni_escalate.compress.data import Data, load_data, make_data
    from penni_escalate.compress.dry_run import Plan, plan_run
    from penni_escalate.compress.frontend import UnsupportedError, read_network
    from penni_escalate.compress.pipeline import Compression, compress_network
    from penni_escalate.compress.recipe import Recipe, load_recipe, make_recipe
    from penni_escalate.compress.report import Report, Step

_MODULES = {
    "common.errors": ("UserError",),
    "compress.data": ("Data", "load_data", "make_data"),
    "compress.dry_run": ("Plan", "plan_run"),
    "compress.frontend": ("UnsupportedError", "read_network"),
    "compress.pipeline": ("Compression", "compress_network"),
    "compress.recipe": ("Recipe", "load_recipe", "make_recipe"),
    "compress.report": ("Report", "Step"),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Compression",
    "Data",
    "Plan",
    "Recipe",
    "Report",
    "Step",
    "UnsupportedError",
    "UserError",
    "compress_network",
    "load_data",
    "load_recipe",
    "make_data",
    "make_recipe",
    "plan_run",
    "read_network",
]


def __getattr__(name: str) -> Any:
    """The names above, each from its module."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"penni_escalate.{_PLACES[name]}"), name)
