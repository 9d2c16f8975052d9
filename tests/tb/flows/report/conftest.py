"""The results that the tests of the report look at."""

import json
from pathlib import Path

import pytest

from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.units import UNITS
from tests.tb.flows.report.made import MADE, VCD, all_passed, job, proof, regression, write


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of a regression in which a run of the FIFO failed; no mutants, no gates."""
    folder = tmp_path / "results"
    folder.mkdir()
    waves = tmp_path / "dump.vcd"
    waves.write_text(VCD)
    failing = job("fifo.lockstep", "failed", 2, check="data_o", problem="data_o: expected <0x1>, got 0x2")
    runs = [*all_passed(), failing | {"waves": str(waves), "repeated": True}]
    write(folder, "regress", regression("smoke", runs, sources="of before"))
    figure = {"covered": 99, "total": 101, "waived": 1, "percent": 99.0}
    missed = {"number": 1, "text": "if (a < b)", "count": 0, "missed": ["", "else"], "waived": []}
    missed |= {"waivers": [], "template": 9}
    coverage = {
        "tools": {},
        "made": MADE,
        "units": {unit: dict.fromkeys(("line", "branch", "toggle", "expression"), figure) for unit in UNITS},
        "waivers": [],
    }
    proofs = [proof("order_2", outcome="vacuous", verdict="failed", covers=[], seeded_bug="missed")]
    documents = {
        "coverage": coverage,
        "code_coverage_lines": {
            "sources": [sources_digest(Flow.REGRESS)],
            "configurations": {"tiny": {"fifo": [missed]}},
        },
        "formal": {"tools": {}, "made_from": "before", "made": MADE, "proofs": proofs},
    }
    for name, document in documents.items():
        write(folder, name, document)
    line = {
        "commit": "0123456789",
        "dirty": False,
        "host": "node-7",
        "whole": True,
        "sources": "of before",
        "seconds": 9.0,
        "runs": 4,
        "layers": 40,
        "compared": 400,
    }
    lines = [
        line | {"time": f"2026-01-0{day}T08:00:00+00:00", "suite": suite, "passed": day, "functional": [3, 4]}
        for day, suite in ((1, "smoke"), (2, "smoke"), (3, "soak"))
    ]
    lines[2]["sources"] = sources_digest(Flow.REGRESS)
    lines.append(lines[1] | {"whole": False})
    (folder / "history.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"cut o')
    return folder
