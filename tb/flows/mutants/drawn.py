"""The drawn mutants of a unit: under its tests, and those that survive before a proof and an argument."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import TOP, render
from penni_escalate.rtl.names import file_name, module_name
from penni_escalate.tb.base.simulator import Simulator, build
from penni_escalate.tb.flows.mutants.argued import apply_arguments, read_arguments
from penni_escalate.tb.flows.mutants.benches import run_bench
from penni_escalate.tb.flows.mutants.core import MORE_SEEDS, SEEDS, core_design, run_core
from penni_escalate.tb.flows.mutants.declarations import CORE_TEST, tests_of
from penni_escalate.tb.flows.mutants.designs import Choosable
from penni_escalate.tb.flows.mutants.drawing import CHOICE, Drawing, Drawn, draw
from penni_escalate.tb.flows.mutants.equivalence import proved_equivalent
from penni_escalate.tb.flows.mutants.findings import Finding
from penni_escalate.tb.flows.mutants.results import Result, Status, judge_drawn
from penni_escalate.tb.flows.mutants.tasks import FOLDER, check_baseline, configuration
from penni_escalate.tb.units.lockstep.wrapper import Instance, instances_of, write_instances

#: Mutants of a unit, of all its shapes together.
COUNT = 40
#: Transactions of a bench against each mutant, and against those that survive the first and are not proved equivalent.
FIRST, LAST = 300, 5000


@dataclass(frozen=True)
class _Shape:
    """One shape of a unit with its mutants."""

    instance: Instance
    drawing: Drawing


def _shapes(unit: str, files: Mapping[str, str], count: int, folder: Path) -> list[_Shape]:
    instances = list(instances_of(unit, files[file_name(unit)]))
    shapes = []
    for instance in instances:
        module = module_name(TOP) if unit == TOP else f"{instance.name}_drawn"
        share = count // len(instances)
        shapes.append(_Shape(instance, draw(unit, instance, files, module, share, folder / instance.name)))
    return shapes


class _Bench:
    """The unit's tests against the mutants of one shape."""

    def __init__(self, config: Accelerator, unit: str, shape: _Shape, files: Mapping[str, str], folder: Path) -> None:
        drawing = shape.drawing
        instances = [
            replace(i, module=drawing.module, parameters={}) if i.name == shape.instance.name else i
            for i in instances_of(unit, files[file_name(unit)])
        ]
        texts = {**files, f"{drawing.module}.v": drawing.text}
        design = write_instances(config, folder / "rtl", instances, texts, builds=folder / "sim")
        build(design, Simulator.ICARUS)
        self._mutants = Choosable(design, (f"u_{shape.instance.name}.{CHOICE}",))
        self._folder = folder / "run"
        tests = [test for test in tests_of(unit) if test != CORE_TEST]
        whole = run_bench(self._mutants, tests, [0], FIRST, self._folder)[0]
        check_baseline(unit, whole)
        # The others drive another shape.
        self._tests = [finding.test for finding in whole if finding.instance == shape.instance.name]

    def __call__(self, numbers: Iterable[int], transactions: int) -> dict[int, list[Finding]]:
        """What the tests say of mutants, by number."""
        return run_bench(self._mutants, self._tests, numbers, transactions, self._folder)


class _Core:
    """The stream core's runs against its own mutants."""

    def __init__(self, config: Accelerator, unit: str, shape: _Shape, files: Mapping[str, str], folder: Path) -> None:
        self._design = core_design(config, {**files, file_name(TOP): shape.drawing.text}, folder)
        build(self._design, Simulator.ICARUS)
        self._folder = folder / "run"
        check_baseline(unit, self([0])[0])

    def __call__(self, numbers: Iterable[int], transactions: int = FIRST) -> dict[int, list[Finding]]:
        """What the runs say of mutants, by number."""
        seeds = MORE_SEEDS if transactions > FIRST else SEEDS
        return {n: [run_core(self._design, self._folder, seeds, (f"+mutant={n}",))] for n in numbers}


def _judged(unit: str, shape: _Shape, run: _Bench | _Core, argued: Collection[str], folder: Path) -> list[Result]:
    """What becomes of the mutants of one shape; those that are ``argued`` need no long runs."""
    mutants = shape.drawing.mutants
    findings = run([mutant.number for mutant in mutants], FIRST)
    surviving = [mutant for mutant in mutants if not any(finding.noticed for finding in findings[mutant.number])]
    proved = {mutant.number for mutant in surviving if _proved(shape, mutant, folder)}
    if unsettled := [m.number for m in surviving if m.number not in proved and m.name not in argued]:
        findings |= run([0, *unsettled], LAST)
        check_baseline(unit, findings.get(0, []))
    results = []
    for mutant in mutants:
        result = judge_drawn(unit, mutant.name, mutant.mode, mutant.source, findings[mutant.number])
        if mutant.number in proved:
            result = replace(result, status=Status.EQUIVALENT, reason="proved: the same outputs and next state")
        results.append(result)
    return results


def _proved(shape: _Shape, mutant: Drawn, folder: Path) -> bool:
    drawing = shape.drawing
    return proved_equivalent(drawing.base, drawing.module, mutant, folder / f"equivalence_{mutant.number}")


def drawn_results(unit: str, count: int = COUNT, folder: Path = FOLDER) -> list[Result]:
    """Draw mutants of a unit and say what becomes of them.

    Raises UserError where Yosys is missing, a test fails without a mutant, or an argument is stale.
    """
    config = configuration()
    files = render(config)
    place = folder / "drawn" / unit
    kind = _Core if unit == TOP else _Bench
    arguments = read_arguments(unit)
    argued = {name for argument in arguments for name in argument.mutants}
    results: list[Result] = []
    for shape in _shapes(unit, files, count, place):
        own = place / shape.instance.name
        results += _judged(unit, shape, kind(config, unit, shape, files, own), argued, own)
    return apply_arguments(unit, arguments, results)
