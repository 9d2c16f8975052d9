"""Which densities a network is pruned to, and how long it trains for each."""

from dataclasses import dataclass, replace

from penni_escalate.common.errors import UserError


@dataclass(frozen=True)
class Plan:
    """A run of pruning; each density begins with the network that the one before it left.

    Attributes:
        densities: shares of the convolutions' weights that stay, falling.
        epochs: of the training at each density: the masks fall during the first of it and are held for the rest.
        learning_rate: peak of one cycle of the learning rate over these epochs.
        relative: whether the rate is relative to each tensor's root mean square.
        falling: share of the training steps over which the masks fall.
        updates: how often they do.
    """

    densities: tuple[float, ...]
    epochs: int
    learning_rate: float
    relative: bool = False
    falling: float = 0.5
    updates: int = 10

    def __post_init__(self) -> None:
        for density in self.densities:
            if not 0 < density < 1:
                raise UserError(
                    f"Density {density:g} is no share of the weights that can stay: it must be above 0 and below 1."
                )
        if len(set(self.densities)) < len(self.densities):
            raise UserError(f"Density {_twice(self.densities):g} is given twice: give each density once.")
        object.__setattr__(self, "densities", tuple(sorted(self.densities, reverse=True)))


def _twice(values: tuple[float, ...]) -> float:
    return next(value for place, value in enumerate(values) if value in values[:place])


#: By recipe. The learning rates are those with which the recipes prune or retrain.
_PLANS = {
    "digits": Plan((0.08, 0.05, 0.03, 0.02), epochs=12, learning_rate=0.002),
    "photo-10": Plan((0.15, 0.10, 0.07), epochs=7, learning_rate=0.002),
    "hed": Plan((0.30, 0.20, 0.12, 0.06), epochs=2, learning_rate=0.01, relative=True),
}
_OTHERS = Plan((0.20, 0.10, 0.05), epochs=10, learning_rate=0.002)


def plan_of(recipe: str, densities: tuple[float, ...] = (), epochs: int | None = None) -> Plan:
    """The plan for a recipe; densities and epochs that are given replace its own.

    Raises UserError for a density that is none, or is given twice.
    """
    plan = _PLANS.get(recipe, _OTHERS)
    return replace(plan, densities=densities or plan.densities, epochs=epochs or plan.epochs)
