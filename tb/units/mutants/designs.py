"""Designs that hold a unit with all of its curated mutants, so that one build and one simulation serve them all."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render_template
from penni_escalate.rtl.names import file_name, module_name
from penni_escalate.tb.base.simulator import Design
from penni_escalate.tb.units.lockstep.wrapper import instances_of, write_instances

HDL = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Choosable:
    """A design with mutants.

    Attributes:
        choices: hierarchical names, from the wrapper, of the registers that choose the mutant; 0 is none.
    """

    design: Design
    choices: tuple[str, ...]


def _renamed(text: str, unit: str, name: str) -> str:
    """A unit's file with its module renamed."""
    return re.sub(rf"^module {module_name(unit)}\b", f"module {name}", text, count=1, flags=re.MULTILINE)


def curated_design(
    config: Accelerator, unit: str, files: Mapping[str, str], mutants: Sequence[str], folder: Path
) -> Choosable:
    """The bench of a unit and, behind the unit's ports, its mutants, which are 1 and up.

    Args:
        files: text of the generated Verilog by file name.
        mutants: the unit's own file with a mutant each.
    """
    own = file_name(unit)
    texts = dict(files)
    modules = [module_name(unit)]
    for number, text in enumerate(mutants, 1):
        modules.append(f"{unit}_{number}")
        texts[f"{modules[-1]}.v"] = _renamed(text, unit, modules[-1])
    instances = []
    for instance in instances_of(unit, files[own]):
        module = f"{instance.name}_mutants"
        texts[f"{module}.v"] = render_template(HDL, "mutants.v.j2", config, instance=instance, modules=modules)
        instances.append(replace(instance, module=module, parameters={}))
    design = write_instances(config, folder, instances, texts, builds=folder / "sim")
    return Choosable(design, tuple(f"u_{instance.name}.mutant_q" for instance in instances))
