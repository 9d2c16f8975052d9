"""Mutants: what the files say is checked, each is judged as it should be, and a sample of them is detected."""

import difflib
import json
import re
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml
from pyslang.syntax import SyntaxTree

from penni_escalate.common.errors import UserError
from penni_escalate.common.sources import Flow
from penni_escalate.common.units import UNITS
from penni_escalate.common.workers import connect
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base.bench import bench_of
from penni_escalate.tb.base.finding import DIED, ENDLESS, Finding, check_baseline
from penni_escalate.tb.base.programs import Icarus
from penni_escalate.tb.flows.mutants import command, drawn
from penni_escalate.tb.flows.mutants.campaign import Parts, run_campaign, tasks_of
from penni_escalate.tb.flows.mutants.command import main
from penni_escalate.tb.flows.mutants.declarations import (
    FILE,
    Curated,
    Kind,
    Mutant,
    check_texts,
    configuration,
    read_curated,
)
from penni_escalate.tb.flows.mutants.drawing import DrawnKind, all_faults, draw_faults
from penni_escalate.tb.flows.mutants.generated import generated_results
from penni_escalate.tb.flows.mutants.generation import draw
from penni_escalate.tb.flows.mutants.results import RESULT_FILE, Result, Status, judge, judge_chosen, part_of, tally
from penni_escalate.tb.flows.mutants.tasks import bench_findings, curated_bench, curated_top
from penni_escalate.tb.flows.mutants.waived import FILE as MUTANT_WAIVERS
from penni_escalate.tb.flows.mutants.waived import apply_mutant_waivers, read_drawn_waivers, read_mutant_waivers
from penni_escalate.tb.flows.report.documents import read_results
from penni_escalate.tb.flows.report.evidence import Share, units_of
from penni_escalate.tb.flows.report.site import write_site
from penni_escalate.tb.flows.result_store import origin_of
from penni_escalate.tb.units.mutants import run as benches
from penni_escalate.tb.units.mutants.names import STARTED, outcome_name

FILES = render(configuration())
CURATED = {unit: read_curated(unit) for unit in UNITS}
FULL = Mutant(
    name="takes_when_full",
    kind=Kind.OVERFLOW,
    what="Says that it has room when it is full.",
    old="ready_o = !level[DEPTH_LOG]",
    new="ready_o = 1'b1",
    detected_by={"fifo.lockstep": ("ready_o",)},
)
#: Changes nothing: the level never exceeds the depth.
NOTHING = replace(FULL, name="nothing", new="ready_o = (level < DEPTH)")
#: Is detected, but not by this check.
OTHERWISE = replace(FULL, name="otherwise", detected_by={"fifo.lockstep": ("data_o",)})
#: A circle within a cycle.
CIRCLE = replace(
    FULL,
    name="circle",
    old="assign valid_o = (level != {(DEPTH_LOG + 1){1'b0}});",
    new="wire circle;\n    not #0 (circle, circle & valid_i);\n    assign valid_o = circle;",
    detected_by={"fifo.lockstep": (ENDLESS,)},
)


def test_every_unit_has_mutants_that_fit() -> None:
    assert all(len(curated.mutants) >= 3 for curated in CURATED.values())
    assert sum(len(curated.mutants) for curated in CURATED.values()) >= 60
    check_texts(CURATED)


def test_arguments_are_valid() -> None:
    assert any(read_mutant_waivers(unit) for unit in UNITS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "field 'mutants.0.colour' is not known"),
        ({"kind": "wrong"}, "field 'mutants.0.kind' is 'wrong': "),
        ({"what": "no sentence"}, "field 'mutants.0.what' is 'no sentence': "),
        ({"new": FULL.old}, "mutant 'takes_when_full' changes nothing"),
        ({"detected_by": {"row.lockstep": ["z_o"]}}, "is to be detected by 'row.lockstep', which is not run"),
        ({"detected_by": {}}, "field 'mutants.0.detected_by': "),
    ],
)
def test_a_wrong_file_is_a_user_error(change: dict, message: str, tmp_path: Path) -> None:
    (tmp_path / "fifo").mkdir()
    mutant = {**json.loads(json.dumps(asdict(FULL))), **change}
    (tmp_path / "fifo" / FILE).write_text(yaml.safe_dump({"tests": ["fifo.lockstep"], "mutants": [mutant]}))
    with pytest.raises(UserError) as caught:
        read_curated("fifo", tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_tests_and_names_that_repeat(tmp_path: Path) -> None:
    (tmp_path / "fifo").mkdir()
    mutant = json.loads(json.dumps(asdict(FULL)))
    for fields, message in (
        ({"tests": ["row.lockstep"], "mutants": []}, "test 'row.lockstep' is not known: use some of fifo.lockstep, "),
        ({"tests": ["fifo.lockstep"], "mutants": [mutant, mutant]}, "mutant 'takes_when_full' is there twice"),
    ):
        (tmp_path / "fifo" / FILE).write_text(yaml.safe_dump(fields))
        with pytest.raises(UserError, match=message):
            read_curated("fifo", tmp_path)
    with pytest.raises(UserError, match=r"Mutants .*mutants\.yaml cannot be read"):
        read_curated("none", tmp_path)


def test_a_text_that_is_not_there_once_is_a_user_error() -> None:
    for old, count in (("ready_o = nothing", 0), ("write_q", 6)):
        curated = Curated(("fifo.lockstep",), (replace(FULL, old=old),))
        with pytest.raises(UserError, match=rf"Mutant fifo\.takes_when_full replaces '{old}', .* {count} times"):
            check_texts({"fifo": curated})


def test_an_unknown_unit_is_a_user_error() -> None:
    with pytest.raises(UserError, match="Unit 'adder' is not known: use one of fifo, "):
        main(["--unit", "adder"], standalone_mode=False)


def test_each_is_judged_as_it_should_be(tmp_path: Path) -> None:
    """A campaign of its own: a mutant that is killed, one that nobody can detect, one whose detector is another."""
    units = {"fifo": Curated(("fifo.lockstep",), (FULL, NOTHING, OTHERWISE), transactions=300)}
    parts = Parts(generated=False)
    advanced: list[None] = []
    with connect("local", 1) as client:
        results = run_campaign(client, units, parts, lambda: advanced.append(None))
    assert len(advanced) == tasks_of(units, parts)
    assert [result.status for result in results] == [Status.KILLED, Status.SURVIVED, Status.WRONG_DETECTOR]
    RESULT_FILE.update(tmp_path, origin_of(Flow.MUTANTS, {}), results, 1.0)
    document = json.loads((tmp_path / RESULT_FILE.name).read_text())
    assert [document[key] for key in ("total", "killed", "wrong_detector", "survived", "equivalent")] == [3, 1, 1, 1, 0]
    assert document["mutants"][0]["fired"] == ["fifo.lockstep: ready_o"]
    row = next(row for row in units_of(read_results(tmp_path), (), ()) if row.unit == "fifo")
    assert row.killed == Share(1, 3, ("generated not run",))
    write_site(tmp_path, tmp_path / "site")
    page = (tmp_path / "site" / "fifo.html").read_text()
    assert all(f">{word}</span>" in page for word in ("killed", "survived", "wrong_detector"))


def test_a_test_that_should_be_silent() -> None:
    detected, silent = Finding("fifo.lockstep", "ready_o", "x"), Finding("stream_core.random")
    assert judge("fifo", FULL, [detected, silent]).status is Status.KILLED
    loud = replace(silent, check="value", problem="x")
    assert judge("fifo", FULL, [detected, loud]).status is Status.WRONG_DETECTOR
    assert judge("fifo", FULL, [replace(detected, check=""), loud]).status is Status.WRONG_DETECTOR


def test_a_test_that_fails_without_a_mutant_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"Test 'fifo\.lockstep' fails without a mutant of fifo \(ready_o: "):
        check_baseline("fifo", [Finding("fifo.lockstep", "ready_o", "ready_o: expected 0x0, got 0x1\nmore")])


@pytest.mark.parametrize("unit", ["dilution", "psum_line_buffer", "requantize"])
def test_mutants_are_detected_by_their_units_bench(unit: str, tmp_path: Path) -> None:
    """A sample, four or so of the mutants of some units; `make mutants` runs all."""
    every = CURATED[unit].mutants
    curated = replace(CURATED[unit], mutants=every[:: len(every) // 4])
    for name, findings in curated_bench(unit, curated, tmp_path).items():
        mutant = next(mutant for mutant in curated.mutants if mutant.name == name)
        for finding in findings:
            assert finding.check in mutant.detected_by.get(finding.test, ("",)), (
                f"{name}: {finding.problem or 'silent'}"
            )


def test_mutants_are_detected_by_the_stream_core(tmp_path: Path) -> None:
    """A sample: one that is, and the core as it is."""
    mutant = next(mutant for mutant in CURATED["stream_core"].mutants if mutant.name == "loads_without_bank")
    finding = curated_top("stream_core.random", "stream_core", mutant, tmp_path)
    assert finding.check in mutant.detected_by[finding.test]


def test_a_circle_within_a_cycle_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benches, "LIMIT", 3)
    curated = Curated(("fifo.lockstep",), (CIRCLE, FULL), transactions=100)
    found = curated_bench("fifo", curated, tmp_path)
    assert [found[name][0].check for name in ("circle", "takes_when_full")] == [ENDLESS, "ready_o"]


def dying(monkeypatch: pytest.MonkeyPatch, unit: str, last_words: str) -> None:
    """A simulator of a design that need not be built: the first run ends well, the second dies, the third detects."""
    monkeypatch.setattr(f"penni_escalate.tb.{UNITS[unit].level.value}.bench.build", lambda *_: True)
    names = [outcome_name(number, "lockstep") for number in range(3)]
    outcomes = [json.dumps({"problem": text, "check": text, "instance": ""}) for text in ("", "", "ready_o")]
    script = "\n".join(
        [
            "echo >> calls",
            'case "$(wc -l < calls)" in',
            f"1) printf {names[0]} > {STARTED}; echo '{outcomes[0]}' > {names[0]};;",
            f"2) printf {names[1]} > {STARTED}; echo last words; {last_words};;",
            f"*) printf {names[2]} > {STARTED}; echo '{outcomes[2]}' > {names[2]};;",
            "esac",
        ]
    )
    monkeypatch.setattr(Icarus, "run", lambda *_: ["sh", "-c", script])


@pytest.mark.parametrize(
    ("last_words", "how"), [("kill -KILL $$", "ended by signal 9, Killed"), ("exit 4", "exit status 4")]
)
def test_a_simulator_that_died_has_detected_nothing(
    last_words: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the mutants behind that one are run all the same."""
    dying(monkeypatch, "fifo", last_words)
    found = curated_bench("fifo", Curated(("fifo.lockstep",), (FULL, OTHERWISE), transactions=100), tmp_path)
    ((died,), (seen,)) = found["takes_when_full"], found["otherwise"]
    assert (died.check, died.detected, seen.check, seen.detected) == (DIED, False, "ready_o", True)
    assert f"The simulation did not come to its end ({how}), which says nothing of the design" in died.problem
    assert judge("fifo", FULL, [died]).status is Status.CRASHED
    assert judge_chosen("fifo", "x", "x", "x", [died], drawn=True).status is Status.CRASHED
    assert judge_chosen("fifo", "x", "x", "x", [died, seen], drawn=True).status is Status.KILLED
    with pytest.raises(
        UserError, match=r"Test 'fifo\.lockstep' fails without a mutant of fifo \(The simulation did not "
    ):
        check_baseline("fifo", [died])


@pytest.mark.parametrize("test", ["stream_core.random", "clusters.layers"])
def test_a_simulator_of_many_units_that_died_has_detected_nothing(
    test: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = test.partition(".")[0]
    monkeypatch.setattr(f"penni_escalate.tb.{UNITS[unit].level.value}.bench.build", lambda *_: True)
    monkeypatch.setattr(Icarus, "run", lambda *_: ["sh", "-c", "kill -KILL $$"])
    finding = curated_top(test, unit, CURATED[unit].mutants[0], tmp_path)
    assert finding.died and not finding.detected
    assert "The simulation did not come to its end (ended by signal 9, Killed)" in finding.problem


@pytest.mark.parametrize(
    ("fates", "status"),
    [((Status.KILLED, Status.CRASHED), 2), ((Status.SURVIVED, Status.CRASHED), 1), ((Status.KILLED,), None)],
)
def test_what_is_not_known_is_no_verdict(
    fates: tuple[Status, ...], status: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mutant whose simulator died makes the exit status that of a problem, unless a test failed too."""
    results = [Result("fifo", f"m{n}", False, "", "", fate, (), ()) for n, fate in enumerate(fates)]
    monkeypatch.setattr(command, "run_campaign", lambda *_: results)
    monkeypatch.setattr(command, "connect", lambda *_: nullcontext())
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    with nullcontext() if status is None else pytest.raises(SystemExit) as ended:
        main(["--unit", "fifo"], standalone_mode=False)
    assert (None if ended is None else ended.value.code) == status
    assert json.loads((tmp_path / RESULT_FILE.name).read_text())["crashed"] == fates.count(Status.CRASHED)


def test_generated_mutants_are_detected_or_proved(tmp_path: Path) -> None:
    results = generated_results("fifo", count=12, folder=tmp_path)
    assert len(results) == 12
    assert tally(results)["survived"] == 0
    assert all(result.fired for result in results if result.status is Status.KILLED)


def test_lines_that_move_leave_generated_mutants_their_names(tmp_path: Path) -> None:
    """Waivers name mutants: a comment must not make them stale."""
    own = file_name("sparsemap_encoder")
    moved = {**FILES, own: FILES[own].replace("\n    reg ", "\n    // A comment.\n\n    reg ")}
    assert moved != FILES
    (shape,) = bench_of("sparsemap_encoder").shapes("sparsemap_encoder", FILES[own])
    before, after = (
        draw("sparsemap_encoder", shape, texts, 40, tmp_path / "drawn").mutants for texts in (FILES, moved)
    )
    assert [mutant.name for mutant in before] == [mutant.name for mutant in after]
    assert [mutant.source for mutant in before] != [mutant.source for mutant in after], "the lines are those that moved"


def test_waivers_are_about_survivors(tmp_path: Path) -> None:
    base = Result("fifo", "inv A[0] of x", True, "yosys inv", "", Status.SURVIVED, ("fifo.lockstep",), ())
    (tmp_path / "fifo").mkdir()
    text = {"waivers": [{"mutants": [base.name], "status": "equivalent", "reason": "Nobody can see it."}]}
    (tmp_path / "fifo" / MUTANT_WAIVERS).write_text(yaml.safe_dump(text))
    waivers = read_mutant_waivers("fifo", tmp_path)
    (waived,) = apply_mutant_waivers("fifo", waivers, [base])
    assert (waived.status, waived.reason) == (Status.EQUIVALENT, "waived: Nobody can see it.")
    for results, what in (([], "not generated"), ([replace(base, status=Status.KILLED)], "killed")):
        with pytest.raises(UserError, match=rf"Mutant waivers of fifo: 'inv A\[0\] of x' is {what}: remove it"):
            apply_mutant_waivers("fifo", waivers, results)
    text["waivers"][0]["why"] = "x"
    (tmp_path / "fifo" / MUTANT_WAIVERS).write_text(yaml.safe_dump(text))
    with pytest.raises(UserError, match=r"field 'waivers\.0\.why' is not known"):
        read_mutant_waivers("fifo", tmp_path)


@pytest.mark.parametrize("unit", UNITS)
def test_every_register_and_comparison_can_be_drawn(unit: str) -> None:
    """By a count of its own: every assignment to a register can fail to be made, each operator can be another."""
    faults = all_faults(FILES, unit)
    assert len({fault.name for fault in faults}) == len(faults)
    text = re.sub(r"//.*", "", FILES[file_name(unit)])
    statements = text
    while statements != (statements := re.sub(r"\([^()]*\)", "", statements)):
        pass
    dropped = [f.name for f in faults if f.kind in (DrawnKind.NEVER_ENABLED, DrawnKind.NEVER_CLEARED)]
    # Outside of brackets <= assigns.
    assert len(dropped) == statements.count("<=")
    registers = re.findall(r"\breg\s+(?:signed\s+)?(?:\[.*?\]\s+)?(\w+_q)\b", text)
    assert {re.split(r"\W+", name)[2] for name in dropped} == set(registers)
    in_hardware = re.sub(r"(?:if|for) \(.*\) begin :", "", text)
    operators = re.findall(r"\s(?:[=!]=|[<>]=?)\s", in_hardware)
    assert sum(fault.kind is DrawnKind.EDGE_MOVED for fault in faults) == len(operators) - len(dropped)


def changed_lines(name: str, unit: str = "feeder") -> list[str]:
    """The lines of a unit's Verilog that only one side of a drawn fault has."""
    (fault,) = (fault for fault in all_faults(FILES, unit) if fault.name == name)
    lines = difflib.ndiff(FILES[file_name(unit)].splitlines(), fault.text.splitlines())
    return [" ".join(line.split()) for line in lines if line.startswith(("+ ", "- "))]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("never enabled: bank_q", "if (group_take && group_last_i) bank_q <= !bank_q;", "{if} ;"),
        ("always enabled: bank_q", "if (group_take && group_last_i) bank_q <= !bank_q;", "begin {made} {if} ; end"),
        ("never cleared: bank_q", "bank_q <= 1'b0;", ";"),
        ("lost top bit: group_map_q", "group_map_q <= group_map_i;", "begin {old} group_map_q[7] <= 1'b0; end"),
        (
            "lost top bit: skip_group_q[pass_bank_i]",
            "skip_group_q[pass_bank_i] <= pass_skip_group_i;",
            "begin {old} skip_group_q[pass_bank_i][2] <= 1'b0; end",
        ),
        ("edge moved: count == 4'd0", "wire [3:0] count_below = (count == 4'd0) ? 4'd0 : count - 4'd1;", ">="),
        ("bound one more: count == 4'd0", "wire [3:0] count_below = (count == 4'd0) ? 4'd0 : count - 4'd1;", "+"),
    ],
)
def test_a_drawn_fault_changes_one_place(name: str, old: str, new: str) -> None:
    before, after = changed_lines(name)
    assert before == f"- {old}"
    expected = {
        ">=": old.replace("==", ">="),
        "+": old.replace("== 4'd0", "== (4'd0 + 1)"),
    }.get(new, new.format(old=old, made="bank_q <= !bank_q;", **{"if": "if (group_take && group_last_i)"}))
    assert after == f"+ {expected}"


def test_a_clear_can_lose() -> None:
    lines = changed_lines("clear loses: group_index_q")
    assert {line.partition("group_index_q")[0] for line in lines} == {
        *("- if (rst_i) ", "- else if (group_leaves) "),
        *("+ begin if (rst_i) ", "+ if (group_leaves) "),
    }
    assert lines[-1].endswith("; end")


def test_a_drawing_follows_from_its_seed() -> None:

    def names(seed: int, count: int = 20) -> list[str]:
        drawn = draw_faults(FILES, UNITS, count, seed)
        return [f"{unit} {fault.name}" for unit, faults in drawn.items() for fault in faults]

    assert names(1) == names(1) != names(2)
    assert len(set(names(1))) == 20
    every = sum(len(all_faults(FILES, unit)) for unit in UNITS)
    assert len(names(1, every + 1)) == every


def test_drawn_faults_are_valid_verilog() -> None:
    for faults in draw_faults(FILES, UNITS, 200, 2).values():
        for fault in faults:
            assert not [d.code for d in SyntaxTree.fromText(fault.text).diagnostics if d.isError()], fault.name


def test_arguments_are_about_faults_that_can_be_drawn() -> None:
    waived = {unit: [name for waiver in read_drawn_waivers(unit) for name in waiver.mutants] for unit in UNITS}
    for unit, names in waived.items():
        assert set(names) <= {fault.name for fault in all_faults(FILES, unit)}
    assert any(waived.values())


def test_drawn_faults_are_detected_or_argued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that the unit's bench detects, and one that is waived; it goes to the core where it is not."""
    faults = {fault.name: fault for fault in all_faults(FILES, "requantize")}
    seen, argued = faults["bound one more: shifted > high"], faults["edge moved: shifted > high"]
    asked: list[str] = []
    monkeypatch.setattr(drawn, "top_finding", lambda test, *_: asked.append(test) or Finding(test))
    results = drawn.drawn_results("requantize", [seen, argued], tmp_path)
    assert asked == []
    assert [(r.name, r.status, r.drawn, r.generated) for r in results] == [
        (seen.name, Status.KILLED, True, False),
        (argued.name, Status.EQUIVALENT, True, False),
    ]
    assert results[1].reason.startswith("waived: ")
    monkeypatch.setattr(drawn, "read_drawn_waivers", lambda _: ())
    (result,) = drawn.drawn_results("requantize", [argued], tmp_path)
    assert (result.status, asked) == (Status.SURVIVED, ["stream_core.random"])
    assert [part_of(result) for result in results] == ["drawn", "drawn"]


@pytest.mark.parametrize(
    ("unit", "names"),
    [
        ("collector", ("clear loses: read_valid_q, read_free_q", "bound one more: read_output_q == 2'd2 (2)")),
        ("psum_line_buffer", ("edge moved: target_line_i == 3'd0 (2)", "always enabled: read_2_2_q")),
    ],
)
def test_drawn_faults_that_benches_did_not_notice(unit: str, names: tuple[str, ...], tmp_path: Path) -> None:
    """Resets of one cycle, parameters of the last outputs, a held psum beside an addition to another line."""
    faults = {fault.name: fault for fault in all_faults(FILES, unit)}
    texts = [faults[name].text for name in names]
    for findings in bench_findings(unit, (f"{unit}.lockstep",), 600, texts, tmp_path):
        assert any(finding.detected for finding in findings)


def test_a_value_of_numpy_is_reported_as_others(tmp_path: Path) -> None:
    """The feeder's model counts with NumPy's numbers: a difference must leave a record, not the bench."""
    curated = CURATED["feeder"]
    chosen = tuple(mutant for mutant in curated.mutants if mutant.name == "starved_without_pass")
    (findings,) = curated_bench("feeder", replace(curated, mutants=chosen), tmp_path).values()
    assert [finding.check for finding in findings] == ["starved_o"]


def test_waivers_of_drawn_faults(tmp_path: Path) -> None:
    """One that is not drawn this time stands; one that there is not, or that is detected, does not."""
    base = Result("fifo", "never enabled: x", False, "never enabled", "", Status.KILLED, (), (), drawn=True)
    (tmp_path / "fifo").mkdir()
    text = {"drawn": [{"mutants": [base.name], "status": "equivalent", "reason": "Nobody can see it."}]}
    (tmp_path / "fifo" / MUTANT_WAIVERS).write_text(yaml.safe_dump(text))
    assert not read_mutant_waivers("fifo", tmp_path)
    waivers = read_drawn_waivers("fifo", tmp_path)
    assert apply_mutant_waivers("fifo", waivers, [], {base.name}) == []
    for results, others, what in (([], set(), "not generated"), ([base], {base.name}, "killed")):
        with pytest.raises(UserError, match=f"'never enabled: x' is {what}: remove it"):
            apply_mutant_waivers("fifo", waivers, results, others)
