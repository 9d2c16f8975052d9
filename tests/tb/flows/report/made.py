"""Results as the flows leave them, made by hand, and pages as a reader sees them."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.units import UNITS
from penni_escalate.tb.base.coverage import load_model
from penni_escalate.tb.flows.catalog import catalog

#: Where and when results were made.
MADE = {"commit": "0123456789", "dirty": False, "time": "2026-01-03T10:20:30+02:00", "host": "node-7"}

VCD = """$timescale 1ps $end
$scope module unit_bench $end
$var wire 1 ! fifo_valid_i $end
$var wire 16 # fifo_data_i [15:0] $end
$var wire 1 $ fifo_ready_o $end
$var wire 1 % row_ready_o $end
$upscope $end
$enddefinitions $end
#0
0!
b0 #
x$
0%
#10000
1!
b1010 #
1$
#50000
0!
#60000
"""


def job(
    test: str, status: str, seed: int, hits: dict[str, dict[str, int]] | None = None, **result: Any
) -> dict[str, Any]:
    """A run in a regression's document; ``result``: more fields of its result."""
    return {
        "command": f"penni-escalate rerun {test}:tiny:icarus:plain:{seed}:20 --waves",
        "hits": hits or {},
        "name": f"{test}:tiny:icarus:plain:{seed}:20",
        "job": {
            "test": test,
            "configuration": "tiny",
            "simulator": "icarus",
            "variant": "plain",
            "seed": seed,
            "size": 20,
        },
        "result": {
            "unit": test.partition(".")[0],
            "test": test.partition(".")[2],
            "config": "tiny",
            "tool": "icarus",
            "verdict": status,
            "compared": 100,
            **result,
        },
        "seconds": 1.5,
        "folder": "build/regress/smoke/run",
    }


def write(folder: Path, name: str, document: dict[str, Any]) -> None:
    """Write a result file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(document))


def change(folder: Path, name: str, **fields: Any) -> None:
    """Set fields of a result file."""
    write(folder, name, json.loads((folder / f"{name}.json").read_text()) | fields)


def all_hits(unit: str) -> dict[str, dict[str, int]]:
    """Three hits of every bin of a unit."""
    return {unit: dict.fromkeys(load_model(unit).all_bins(), 3)}


def all_passed() -> list[dict[str, Any]]:
    """A run of every test, which hits every bin of its unit."""
    return [job(test, "passed", 1, all_hits(test.partition(".")[0])) for test in catalog()]


def regression(suite: str, runs: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """A regression's document, of today's sources where ``fields`` do not say otherwise."""
    passed = sum(run["result"]["verdict"] == "passed" for run in runs)
    counts: dict[str, dict[str, int]] = {}
    for run in runs:
        unit = run["result"]["unit"]
        counts.setdefault(unit, dict.fromkeys(load_model(unit).all_bins(), 0))
    return {
        "suite": suite,
        "whole": True,
        "sources": sources_digest(Flow.REGRESS),
        "made": MADE,
        "tools": {"python": "3.11"},
        "seconds": 12.0,
        "runs": len(runs),
        "passed": passed,
        "failed": len(runs) - passed,
        "resumed": 0,
        "layers": 40,
        "compared": 100 * len(runs),
        "buckets": [],
        "jobs": runs,
        "functional": [{"unit": unit, "counts": held} for unit, held in counts.items()],
        **fields,
    }


def proof(name: str, **fields: Any) -> dict[str, Any]:
    """The result of a proof of the FIFO."""
    return {
        "unit": "fifo",
        "test": name,
        "config": "shrunk",
        "tool": "abc pdr",
        "verdict": "passed",
        "states": "Entries leave in order.",
        "method": "pdr",
        "depth": 1,
        "outcome": "proved",
        "covers": ["full", "marked_leaves", "both_at_once", "held"],
        "seeded_bug": "caught",
        "seconds": 1.0,
        "problem": "",
        "trace": "",
        **fields,
    }


def results_of_a_failure(place: Path) -> Path:
    """Results of a regression in which a run of the FIFO failed; no mutants, no gates."""
    folder = place / "results"
    folder.mkdir()
    waves = place / "dump.vcd"
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


class Links(HTMLParser):
    """The links and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self._styles = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._styles = tag == "style"
        self.links += [value for name, value in attributes if name in ("href", "src") and value and value[0] != "#"]

    def handle_data(self, data: str) -> None:
        self.text += "" if self._styles else data


def parsed(path: Path) -> Links:
    """A page of a site."""
    parser = Links()
    parser.feed(path.read_text())
    return parser
