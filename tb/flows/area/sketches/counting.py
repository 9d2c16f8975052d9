"""Area of a sketch with all that is inside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penni_escalate.golden.area.rivals import RIVALS
from penni_escalate.tb.flows.area.synthesis import ModuleCounts, count_module


@dataclass(frozen=True)
class SketchArea:
    """A processing element.

    Attributes:
        parts: itself and what is inside it, each with how often it is there.
    """

    name: str
    parts: tuple[tuple[ModuleCounts, int], ...]

    @property
    def ge(self) -> float:
        """Gate equivalents."""
        return sum(counts.ge * count for counts, count in self.parts)

    @property
    def multipliers(self) -> int:
        """In the element."""
        return next(element.multipliers for element in RIVALS.values() if element.sketch == self.name)

    def as_json(self) -> dict[str, Any]:
        """For result files."""
        return {
            "ge": self.ge,
            "multipliers": self.multipliers,
            "parts": [
                {"module": counts.module, "instances": count, "ge": counts.ge, "flip_flops": counts.flip_flops}
                for counts, count in self.parts
            ],
        }


def count_sketch(name: str, files: Mapping[str, str]) -> SketchArea:
    """Count a sketch; raises UserError as ``count_module`` does."""
    parts = []
    waiting = [(name, 1)]
    while waiting:
        module, count = waiting.pop()
        counts = count_module(files, module)
        parts.append((counts, count))
        waiting += [(instance.module, count * instance.count) for instance in counts.instances]
    return SketchArea(name, tuple(parts))
