"""What results follow from: each flow's files, no fewer than its code imports, and no others."""

from pathlib import Path

import pytest

from penni_escalate.common import sources
from penni_escalate.common.paths import ROOT
from penni_escalate.common.sources import Flow, belongs, sources_digest
from penni_escalate.common.units import Level
from tests.test_imports import MODULES, imported

#: What runs each flow, without the command that prints its results.
RUNS = {
    Flow.REGRESS: ["tb.flows.regress.jobs", "tb.flows.regress.runner"],
    Flow.MUTANTS: ["tb.flows.mutants.campaign"],
    Flow.FORMAL: ["tb.flows.formal.checking"],
    Flow.GATES: ["tb.flows.gates.run"],
    Flow.EVALUATE: ["evaluate.store"],
    Flow.DSE: ["evaluate.dse.spread"],
}
#: Those that run benches.
BENCHED = {Flow.REGRESS, Flow.MUTANTS, Flow.GATES}
BENCHES = [f"tb.{level.value}.bench" for level in Level]


@pytest.mark.parametrize("flow", Flow)
def test_a_flow_depends_on_all_that_it_imports(flow: Flow) -> None:
    waiting, seen = [*RUNS[flow], *(BENCHES if flow in BENCHED else [])], set()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += imported(MODULES[module], late=True)
    assert len(seen) > 10
    assert [str(path) for path in (MODULES[m].relative_to(ROOT) for m in seen) if not belongs(str(path), flow)] == []


@pytest.mark.parametrize(
    ("path", "flows"),
    [
        ("rtl/templates/fifo.v.j2", set(Flow) - {Flow.EVALUATE, Flow.DSE}),
        ("golden/cycle/fifo.py", {Flow.REGRESS, Flow.MUTANTS, Flow.GATES, Flow.EVALUATE, Flow.DSE}),
        ("golden/energy.yaml", {Flow.EVALUATE}),
        ("golden/area/estimate.py", {Flow.EVALUATE}),
        ("configs/workloads/vgg16-cifar.yaml", {Flow.EVALUATE}),
        ("configs/dse/full.yaml", set()),
        ("evaluate/machine.py", {Flow.EVALUATE, Flow.DSE}),
        ("evaluate/pages.py", set()),
        ("evaluate/dse/counting.py", {Flow.DSE}),
        ("evaluate/dse/outcome.py", set()),
        ("tb/units/fifo/fifo_tests.py", {Flow.REGRESS, Flow.MUTANTS, Flow.GATES}),
        ("tb/units/fifo/mutants.yaml", {Flow.MUTANTS}),
        ("tb/units/fifo/formal/proofs.yaml", {Flow.FORMAL}),
        ("tb/units/fifo/testplan.yaml", set()),
        ("tb/flows/report/templates/index.html.j2", set()),
        ("tb/flows/formal/sby.py", {Flow.FORMAL}),
        ("common/templates/base.html.j2", set()),
        ("common/html.py", set()),
    ],
)
def test_what_a_file_outdates(path: str, flows: set[Flow]) -> None:
    assert (ROOT / path).is_file()
    assert {flow for flow in Flow if belongs(path, flow)} == flows


def test_the_digest_follows_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    (tmp_path / "rtl").mkdir()
    found = {sources_digest(Flow.FORMAL)}
    for text in ("a", "b"):
        (tmp_path / "rtl" / "fifo.v.j2").write_text(text)
        found.add(sources_digest(Flow.FORMAL))
    (tmp_path / "rtl" / "fifo.v.j2").rename(tmp_path / "rtl" / "row.v.j2")
    found.add(sources_digest(Flow.FORMAL))
    assert len(found) == 4
    (tmp_path / "rtl" / "__pycache__").mkdir()
    (tmp_path / "rtl" / "__pycache__" / "x.pyc").write_text("x")
    assert sources_digest(Flow.FORMAL) in found
