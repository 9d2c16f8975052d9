"""The drawn faults of a unit: under its own bench, and those that survive under the benches that it is part of."""

from collections.abc import Sequence
from pathlib import Path

from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.flows.mutants.declarations import configuration, read_curated, tests_of, top_tests
from penni_escalate.tb.flows.mutants.drawing import DrawnFault, all_faults
from penni_escalate.tb.flows.mutants.results import Result, judge_chosen
from penni_escalate.tb.flows.mutants.tasks import FOLDER, bench_findings, top_finding
from penni_escalate.tb.flows.mutants.waived import apply_mutant_waivers, read_drawn_waivers


def drawn_results(unit: str, faults: Sequence[DrawnFault], folder: Path = FOLDER) -> list[Result]:
    """Say what becomes of some faults of a unit; those that are waived need no runs of the core.

    Raises UserError where a test of the unit's bench fails without a fault, or a waiver is stale.
    """
    files = render(configuration())
    tests = tests_of(unit)
    transactions = read_curated(unit).transactions
    texts = [fault.text for fault in faults]
    waivers = read_drawn_waivers(unit)
    waived = {name for waiver in waivers for name in waiver.mutants}
    results = []
    for number, (fault, findings) in enumerate(
        zip(faults, bench_findings(unit, tests, transactions, texts, folder / "drawn" / unit), strict=True)
    ):
        # The nearest module whose streams are driven: what surrounds it shows no more of the fault.
        for test in top_tests(unit, tests)[:1]:
            if fault.name not in waived and not any(finding.detected for finding in findings):
                changed = {**files, file_name(unit): fault.text}
                findings.append(top_finding(test, changed, f"drawn_{unit}_{number}", folder))
        results.append(judge_chosen(unit, fault.name, fault.kind, fault.what, findings, drawn=True))
    known = {fault.name for fault in all_faults(files, unit)}
    return apply_mutant_waivers(unit, waivers, results, known)
