"""Proves that a generated mutant changes nothing: the same outputs and the same next state, for every input and state.

What a unit contains is a box with the same inputs and outputs on both sides. Registers are matched by name, so that a
mutant that changes a register without consequences is not proved, although it may be equivalent.
"""

from pathlib import Path

from penni_escalate.common.shared_folder import replaced
from penni_escalate.common.units import UNITS
from penni_escalate.rtl.names import module_name
from penni_escalate.tb.base.yosys import run_yosys
from penni_escalate.tb.flows.mutants.generation import GeneratedMutant

#: Cycles over which induction looks back.
_DEPTH = 3
#: Seconds after which a proof is given up.
_TIMEOUT = 30


def proved_equivalent(base: Path, module: str, mutant: GeneratedMutant, folder: Path) -> bool:
    """Whether Yosys proves a mutant equivalent.

    Args:
        base: RTLIL of the unit without mutants, in ``module``.
        folder: to work in.
    """
    hidden = "w:* {0}/t:$dff %co1:+[Q] %d"
    boxes = [f"{side}/t:{module_name(unit)}" for side in ("gold", "gate") for unit in UNITS]
    commands = [
        "read_rtlil base.il",
        f"copy {module} gate",
        f"rename {module} gold",
        f"mutate {mutant.options} -module gate",
        "memory_collect gold gate",
        "memory_map gold gate",
        f"expose -evert {' '.join(boxes)}",
        "opt_clean",
        # Only registers and ports are compared.
        *(f"rename -hide {side}/{hidden.format(side)} {side}/c:*" for side in ("gold", "gate")),
        "equiv_make gold gate equiv",
        "hierarchy -top equiv",
        "opt_clean",
        "equiv_simple equiv",
        f"equiv_induct -seq {_DEPTH} equiv",
        "equiv_status -assert equiv",
    ]
    with replaced(folder) as place:
        return run_yosys(place, "\n".join(commands) + "\n", {"base.il": base.read_text()}, _TIMEOUT)
