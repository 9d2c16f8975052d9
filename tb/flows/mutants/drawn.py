"""The drawn mutants of a unit: under its tests, and those that survive before a proof and an argument."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base.bench import MutantNetlist, MutantRun, Shape, bench_of
from penni_escalate.tb.base.finding import check_baseline
from penni_escalate.tb.flows.mutants.argued import apply_arguments, read_arguments
from penni_escalate.tb.flows.mutants.drawing import CHOICE, Drawing, Drawn, draw
from penni_escalate.tb.flows.mutants.equivalence import proved_equivalent
from penni_escalate.tb.flows.mutants.results import Result, Status, judge_drawn
from penni_escalate.tb.flows.mutants.tasks import FOLDER, configuration

#: Mutants of a unit, of all its shapes together.
COUNT = 40


@dataclass(frozen=True)
class _Drawn:
    """One shape of a unit with its mutants."""

    shape: Shape
    drawing: Drawing


def _draw_all(unit: str, files: Mapping[str, str], count: int, folder: Path) -> list[_Drawn]:
    shapes = bench_of(unit).shapes(unit, files[file_name(unit)])
    share = count // len(shapes)
    return [_Drawn(shape, draw(unit, shape, files, share, folder / shape.name)) for shape in shapes]


def _judged(unit: str, drawn: _Drawn, run: MutantRun, argued: Collection[str], folder: Path) -> list[Result]:
    """What becomes of the mutants of one shape; those that are ``argued`` need no long runs."""
    mutants = drawn.drawing.mutants
    findings = dict(run([mutant.number for mutant in mutants], False))
    surviving = [mutant for mutant in mutants if not any(finding.detected for finding in findings[mutant.number])]
    proved = {mutant.number for mutant in surviving if _proved(drawn, mutant, folder)}
    if unsettled := [m.number for m in surviving if m.number not in proved and m.name not in argued]:
        findings |= run([0, *unsettled], True)
        check_baseline(unit, findings.get(0, []))
    results = []
    for mutant in mutants:
        result = judge_drawn(unit, mutant.name, mutant.mode, mutant.source, findings[mutant.number])
        if mutant.number in proved:
            result = replace(result, status=Status.EQUIVALENT, reason="proved: the same outputs and next state")
        results.append(result)
    return results


def _proved(drawn: _Drawn, mutant: Drawn, folder: Path) -> bool:
    drawing = drawn.drawing
    return proved_equivalent(drawing.base, drawing.module, mutant, folder / f"equivalence_{mutant.number}")


def drawn_results(unit: str, count: int = COUNT, folder: Path = FOLDER) -> list[Result]:
    """Draw mutants of a unit and say what becomes of them.

    Raises UserError where Yosys is missing, a test fails without a mutant, or an argument is stale.
    """
    config = configuration()
    files = render(config)
    place = folder / "drawn" / unit
    arguments = read_arguments(unit)
    argued = {name for argument in arguments for name in argument.mutants}
    results: list[Result] = []
    for drawn in _draw_all(unit, files, count, place):
        own = place / drawn.shape.name
        netlist = MutantNetlist(drawn.shape, drawn.drawing.text, CHOICE)
        run = bench_of(unit).mutant_run(config, unit, netlist, files, own)
        results += _judged(unit, drawn, run, argued, own)
    return apply_arguments(unit, arguments, results)
