"""The bench of a unit round what Yosys makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from penni_escalate.common.paths import BUILD
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name, module_name
from penni_escalate.tb.base.netlist import DEFINES, Netlist, synthesise
from penni_escalate.tb.base.result import Result
from penni_escalate.tb.base.simulator import Design, Simulator, build, folder_name
from penni_escalate.tb.units.lockstep.wrapper import instances_of, write_instances
from penni_escalate.tb.units.unit_bench import run_units

FOLDER = BUILD / "gates"
#: The one unit too large to be flat: Icarus' time to build grows with the square of a module's gates.
BLOCK = "block"
#: Transactions where nobody says how many.
TRANSACTIONS = 100


@dataclass(frozen=True)
class UnitNetlists:
    """A bench of one unit, and its netlists by the name of their instance."""

    unit: str
    design: Design
    netlists: Mapping[str, Netlist]

    @classmethod
    def make(
        cls,
        config: Accelerator,
        unit: str,
        folder: Path | None = None,
        netlists: Mapping[str, Netlist] | None = None,
    ) -> "UnitNetlists":
        """Synthesise a unit, once for each of its shapes, and write the bench.

        Args:
            netlists: those that are given in place of what Yosys makes, by instance.

        Raises UserError where Yosys is missing.
        """
        files = render(config)
        folder = folder or FOLDER / "rtl" / f"{folder_name(config)}_{unit}"
        found: dict[str, Netlist] = {}
        instances = []
        # Ports and their places in the packed words are those of the generated Verilog: Yosys keeps them.
        for instance in instances_of(unit, files[file_name(unit)]):
            given = (netlists or {}).get(instance.name)
            found[instance.name] = given or synthesise(
                files,
                module_name(unit),
                name=instance.name,
                parameters=instance.parameters,
                flatten=unit != BLOCK,
                defines=DEFINES,
            )
            instances.append(replace(instance, module=instance.name, parameters={}))
        texts = {f"{instance}_gates.v": netlist.text for instance, netlist in found.items()}
        return cls(unit, write_instances(config, folder, instances, texts, builds=folder / "sim"), found)

    def build(self, simulator: Simulator) -> None:
        """Build what is not built. Raises UserError where it does not build."""
        build(self.design, simulator)

    def run(self, simulator: Simulator, seed: int, count: int | None, folder: Path) -> Result:
        """Run the unit's bench, built, in ``folder``; ``count`` transactions, TRANSACTIONS where not given."""
        (result,) = run_units(
            self.design, simulator, [self.unit], seed=seed, transactions=count or TRANSACTIONS, folder=folder
        )
        return result
