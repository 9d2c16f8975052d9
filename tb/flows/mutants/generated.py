"""The generated mutants of a unit: under its tests, and those that survive before a proof and a waiver."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base.bench import MutantNetlist, MutantRun, Shape, bench_of
from penni_escalate.tb.base.finding import check_baseline
from penni_escalate.tb.flows.mutants.declarations import configuration
from penni_escalate.tb.flows.mutants.equivalence import proved_equivalent
from penni_escalate.tb.flows.mutants.generation import CHOICE, GeneratedMutant, GeneratedNetlist, draw
from penni_escalate.tb.flows.mutants.results import Result, Status, judge_chosen
from penni_escalate.tb.flows.mutants.tasks import FOLDER
from penni_escalate.tb.flows.mutants.waived import apply_mutant_waivers, read_mutant_waivers

#: Mutants of a unit, of all its shapes together.
COUNT = 40


@dataclass(frozen=True)
class _GeneratedShape:
    """One shape of a unit with its mutants."""

    shape: Shape
    drawing: GeneratedNetlist


def _draw_all(unit: str, files: Mapping[str, str], count: int, folder: Path) -> list[_GeneratedShape]:
    shapes = bench_of(unit).shapes(unit, files[file_name(unit)])
    share = count // len(shapes)
    return [_GeneratedShape(shape, draw(unit, shape, files, share, folder / shape.name)) for shape in shapes]


def _judged(
    unit: str, generated: _GeneratedShape, run: MutantRun, waived: Collection[str], folder: Path
) -> list[Result]:
    """What becomes of the mutants of one shape; those that are ``waived`` need no long runs."""
    mutants = generated.drawing.mutants
    findings = dict(run([mutant.number for mutant in mutants], False))
    surviving = [mutant for mutant in mutants if not any(finding.detected for finding in findings[mutant.number])]
    proved = {mutant.number for mutant in surviving if _proved(generated, mutant, folder)}
    if unsettled := [m.number for m in surviving if m.number not in proved and m.name not in waived]:
        findings |= run([0, *unsettled], True)
        check_baseline(unit, findings.get(0, []))
    results = []
    for mutant in mutants:
        result = judge_chosen(
            unit, mutant.name, f"yosys {mutant.mode}", mutant.source, findings[mutant.number], drawn=False
        )
        if mutant.number in proved:
            result = replace(result, status=Status.EQUIVALENT, reason="proved: the same outputs and next state")
        results.append(result)
    return results


def _proved(generated: _GeneratedShape, mutant: GeneratedMutant, folder: Path) -> bool:
    drawing = generated.drawing
    return proved_equivalent(drawing.base, drawing.module, mutant, folder / f"equivalence_{mutant.number}")


def generated_results(unit: str, count: int = COUNT, folder: Path = FOLDER) -> list[Result]:
    """Draw mutants of a unit and say what becomes of them.

    Raises UserError where Yosys is missing, a test fails without a mutant, or a waiver is stale.
    """
    config = configuration()
    files = render(config)
    place = folder / "generated" / unit
    waivers = read_mutant_waivers(unit)
    waived = {name for waiver in waivers for name in waiver.mutants}
    results: list[Result] = []
    for generated in _draw_all(unit, files, count, place):
        own = place / generated.shape.name
        netlist = MutantNetlist(generated.shape, generated.drawing.text, CHOICE)
        run = bench_of(unit).mutant_run(config, unit, netlist, files, own)
        results += _judged(unit, generated, run, waived, own)
    return apply_mutant_waivers(unit, waivers, results)
