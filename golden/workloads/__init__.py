"""What the accelerator and its rivals are compared on: the files of configs/workloads/ and the layers they make.

A workload is measured, a package's own coefficients and activations, or drawn, the shapes of a published network with
coefficients and activations from a documented generator. docs/workloads.md describes both.
"""

from penni_escalate.golden.workloads.erk import ErkComparison, compare_with_erk, erk_densities
from penni_escalate.golden.workloads.limits import with_raised_limits
from penni_escalate.golden.workloads.loading import load_workload, workload_names
from penni_escalate.golden.workloads.workload import (
    LeftOut,
    PruningAssumption,
    Workload,
    WorkloadLayer,
    multiplications,
)

__all__ = [
    "ErkComparison",
    "LeftOut",
    "PruningAssumption",
    "Workload",
    "WorkloadLayer",
    "compare_with_erk",
    "erk_densities",
    "load_workload",
    "multiplications",
    "with_raised_limits",
    "workload_names",
]
