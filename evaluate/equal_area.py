"""How many multipliers a rival has on as much logic area as the accelerator."""

from dataclasses import replace

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.area.estimate import area_of
from penni_escalate.golden.area.rivals import rival_area
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


def multipliers_at_area(element: str, ge: float) -> int:
    """Most multipliers, 1 at least, whose processing elements take no more than so many gate equivalents."""
    few, many = 1, 2
    while rival_area(element, many) <= ge:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if rival_area(element, middle) <= ge else (few, middle)
    return few


def budgets_at_area(config: Accelerator) -> dict[str, Budget]:
    """Of each baseline that has an area, by its name; memories count for no one."""
    ge = area_of(config).ge
    budget = budget_of(config)
    return {
        baseline.name: replace(budget, multipliers=multipliers_at_area(_ELEMENTS[baseline.name], ge))
        for baseline in BASELINES
        if baseline.name in _ELEMENTS
    }
