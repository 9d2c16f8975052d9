"""Machines that the accelerator is compared with; results and tables list those registered here.

A file each; docs/baselines/ has a page for each, with every simplification and the direction in which it errs.
"""

from penni_escalate.golden.baselines.baseline import Baseline, Budget, Outcome, budget_of
from penni_escalate.golden.baselines.bit_tactical import BitTactical
from penni_escalate.golden.baselines.eyeriss import Eyeriss
from penni_escalate.golden.baselines.ideal_dense import IdealDense
from penni_escalate.golden.baselines.ideal_two_sided import IdealTwoSided
from penni_escalate.golden.baselines.layer import RivalLayer, dense_layer
from penni_escalate.golden.baselines.scnn import Scnn
from penni_escalate.golden.baselines.sparten import SparTen, SparTenHybrid, SparTenSoftware
from penni_escalate.golden.baselines.tiled_dense import TiledDense

#: In the order of the tables' columns.
BASELINES: tuple[Baseline, ...] = (
    IdealDense(),
    TiledDense(),
    Eyeriss(),
    BitTactical(),
    Scnn(),
    SparTen(),
    SparTenSoftware(),
    SparTenHybrid(),
    IdealTwoSided(),
)


def dense_baselines() -> tuple[Baseline, ...]:
    """Those that ignore weights: all that a compressed layer alone can be compared with."""
    return tuple(baseline for baseline in BASELINES if not baseline.weights_pruned)


__all__ = [
    "BASELINES",
    "Baseline",
    "Budget",
    "Outcome",
    "RivalLayer",
    "budget_of",
    "dense_baselines",
    "dense_layer",
]
