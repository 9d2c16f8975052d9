"""How many multipliers a rival has on as much logic area as the accelerator."""

from dataclasses import replace

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.area.estimate import area_of
from penni_escalate.golden.area.rivals import multipliers_in
from penni_escalate.golden.baselines import BASELINES, Budget, budget_of

#: Whose processing elements each baseline has; the ideal two-sided machine has none.
_ELEMENTS = {
    "ideal_dense": "dense",
    "tiled_dense": "dense",
    "eyeriss": "eyeriss",
    "bit_tactical": "bit_tactical",
    "scnn": "scnn",
    "sparten": "sparten",
    "sparten_gb_s": "sparten",
    "sparten_gb_h": "sparten",
}


def budgets_at_area(config: Accelerator) -> dict[str, Budget]:
    """Of each baseline that has an area, by its name; memories count for no one."""
    ge = area_of(config).ge
    budget = budget_of(config)
    return {
        baseline.name: replace(budget, multipliers=max(1, multipliers_in(_ELEMENTS[baseline.name], ge)))
        for baseline in BASELINES
        if baseline.name in _ELEMENTS
    }
