"""Machines that the accelerator is compared with; results and tables list those registered here."""

from penni_escalate.golden.baselines.baseline import Baseline, Budget, budget_of
from penni_escalate.golden.baselines.dense_array import DenseArray

#: In the order of the tables' columns.
BASELINES: tuple[Baseline, ...] = (DenseArray(),)

__all__ = ["BASELINES", "Baseline", "Budget", "budget_of"]
