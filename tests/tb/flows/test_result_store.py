"""Result files that several runs fill: a run replaces what it made anew, and keeps what is of the same origin."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.sources import Flow
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.base.simulator import Simulator
from penni_escalate.tb.flows.formal import command as formal
from penni_escalate.tb.flows.formal.checking import Result as ProofResult
from penni_escalate.tb.flows.formal.checking import judge, tasks_of
from penni_escalate.tb.flows.formal.declarations import Proof
from penni_escalate.tb.flows.formal.sby import Answer, Finding
from penni_escalate.tb.flows.gates import command as gates
from penni_escalate.tb.flows.gates.run import GateResult
from penni_escalate.tb.flows.mutants import command as mutants
from penni_escalate.tb.flows.report.evidence import Share, UnitRow
from penni_escalate.tb.flows.report.facts import read_facts
from penni_escalate.tb.flows.result_store import ResultFile, origin_of


@dataclass(frozen=True)
class Found:
    """A result as the campaigns have them."""

    unit: str
    name: str
    ok: bool = True
    labels: tuple[str, ...] = ("full", "empty")


FILE = ResultFile(
    name="found.json",
    field="found",
    entry=Found,
    part=lambda result: result.name,
    summary=lambda results: {"total": len(results), "ok": sum(result.ok for result in results)},
)
ORIGIN = origin_of(Flow.FORMAL, {"yosys": "1"})
FIFO = [Found("fifo", "order_2"), Found("fifo", "order_4")]
ROW = [Found("row", "streams", ok=False)]


def held(folder: Path) -> dict:
    return json.loads((folder / "found.json").read_text())


def names(folder: Path) -> list[str]:
    return [f"{entry['unit']}.{entry['name']}" for entry in held(folder)["found"]]


def test_a_run_keeps_what_it_did_not_make_anew(tmp_path: Path) -> None:
    assert FILE.update(tmp_path, ORIGIN, ROW, 7.0).endswith("found.json")
    FILE.update(tmp_path, ORIGIN, FIFO, 5.0)
    said = FILE.update(tmp_path, ORIGIN, [replace(FIFO[1], ok=False)], 2.04)
    assert said.endswith("found.json, beside 2 of earlier runs")
    assert names(tmp_path) == ["fifo.order_2", "fifo.order_4", "row.streams"], "in the order of the generator's units"
    document = held(tmp_path)
    assert [entry["ok"] for entry in document["found"]] == [True, False, False]
    assert (document["total"], document["ok"]) == (3, 1), "of all that the file holds"
    assert document["last_run_seconds"] == 2.0
    assert document["tools"] == {"yosys": "1"}
    assert document["found"][2]["labels"] == ["full", "empty"]


def test_results_of_another_origin_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of other tools, or of other sources."""
    FILE.update(tmp_path, ORIGIN, ROW, 7.0)
    FILE.update(tmp_path, origin_of(Flow.FORMAL, {"yosys": "2"}), FIFO, 5.0)
    assert names(tmp_path) == ["fifo.order_2", "fifo.order_4"]
    assert held(tmp_path)["total"] == 2
    monkeypatch.setattr("penni_escalate.tb.flows.result_store.sources_digest", lambda flow: "other")
    FILE.update(tmp_path, origin_of(Flow.FORMAL, {"yosys": "2"}), ROW, 5.0)
    assert names(tmp_path) == ["row.streams"]


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1}', '{"made_from": "%s", "found": [{"unit": "row"}]}', "\x00"])
def test_a_file_that_is_none_is_replaced(text: str, tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text(text.replace("%s", ORIGIN.digest))
    FILE.update(tmp_path, ORIGIN, FIFO, 5.0)
    assert names(tmp_path) == ["fifo.order_2", "fifo.order_4"]


def test_a_folder_that_cannot_be_written_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"found\.json cannot be written: "):
        FILE.update(tmp_path / "file", ORIGIN, FIFO, 5.0)


# ---- the three commands, and what the report says of the units that they did not run ----------------


def rows(folder: Path) -> dict[str, UnitRow]:
    return {row.unit: row for row in read_facts(folder).units}


def test_gates_of_one_unit_keep_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = GateResult(
        unit="fifo", test="all", config="tiny", tool="icarus", seed=1, verdict=Verdict.PASSED, compared=1461,
        cycles=614, seconds=0.8, gates=149, flip_flops=72,
    )  # fmt: skip
    monkeypatch.setattr(gates, "RESULTS", tmp_path)

    def bench(unit: str) -> SimpleNamespace:
        netlist = SimpleNamespace(unit=unit, build=lambda simulator: None)
        return SimpleNamespace(netlist_simulator=Simulator.ICARUS, netlist_bench=lambda *_: netlist)

    monkeypatch.setattr(gates, "bench_of", bench)
    monkeypatch.setattr(gates, "run_gate_level", lambda netlist, *_: replace(result, unit=netlist.unit))
    for unit in ("bit_gather", "fifo", "fifo"):
        gates.main(["--unit", unit], standalone_mode=False)
    found = rows(tmp_path)
    assert found["fifo"].netlists == found["bit_gather"].netlists == Share(1, 1)
    assert {unit for unit, row in found.items() if row.netlists} == {"bit_gather", "fifo"}


def test_mutants_of_one_unit_keep_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = mutants.Result("fifo", "full", False, "overflow", "Fills.", mutants.Status.KILLED, ("a: b",), ("a: b",))
    generated = replace(full, name="inv", generated=True, kind="yosys inv", status=mutants.Status.EQUIVALENT)
    made = [[full, generated], [replace(full, unit="row")], [replace(full, name="wraps")]]
    monkeypatch.setattr(mutants, "RESULTS", tmp_path)
    monkeypatch.setattr(mutants, "connect", lambda *_: nullcontext())
    monkeypatch.setattr(mutants, "run_campaign", lambda *_: made.pop(0))
    for arguments in (["fifo"], ["row", "--only", "curated"], ["fifo", "--only", "curated"]):
        mutants.main(["--unit", *arguments], standalone_mode=False)
    document = json.loads((tmp_path / "mutants.json").read_text())
    assert [f"{m['unit']}.{m['name']}" for m in document["mutants"]] == ["fifo.wraps", "fifo.inv", "row.full"]
    assert (document["total"], document["units"]["fifo"]["total"], document["configuration"]) == (3, 2, "eight")
    found = rows(tmp_path)
    assert found["fifo"].killed == Share(2, 2)
    assert found["row"].killed == Share(1, 1, ("generated not run",))
    assert found["feeder"].killed is None


def test_one_proof_keeps_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(proofs: Sequence[Proof], *, guards: bool, **_: object) -> list[ProofResult]:
        passed = (Finding(Answer.PASS), 1.5)
        return [judge(proof, {task: passed for task in tasks_of(proof, guards=guards)}) for proof in proofs]

    monkeypatch.setattr(formal, "RESULTS", tmp_path)
    monkeypatch.setattr(formal, "run_proofs", judged)
    for name in ("fifo.order_2", "fifo.order_4"):
        formal.main(["--proof", name, "--no-guards"], standalone_mode=False)
    document = json.loads((tmp_path / "formal.json").read_text())
    assert [proof["test"] for proof in document["proofs"]] == ["order_2", "order_4"]
    assert document["task_seconds"] == 3.0
    found = rows(tmp_path)
    assert [row.word for row in found["fifo"].proofs] == ["not guarded", "not guarded", "not run"]
    assert found["fifo"].proved == Share(0, 3, ("1 not run", "2 not guarded"))
    assert found["row"].proved is None
