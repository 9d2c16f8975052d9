"""Code coverage: reading, merging, waivers, figures; and a bench that really is measured."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from penni_escalate.common.errors import UserError, run_command
from penni_escalate.common.provenance import provenance
from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.rtl.generator import TEMPLATES
from penni_escalate.rtl.generator import render as render_all
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base.coverage_record import DATA, RECORD, make_record, write_record
from penni_escalate.tb.base.job import Job, Variant
from penni_escalate.tb.base.result import Result, Verdict
from penni_escalate.tb.base.simulator import Simulator, build
from penni_escalate.tb.flows.code_coverage import judge as judging
from penni_escalate.tb.flows.code_coverage.command import main
from penni_escalate.tb.flows.code_coverage.figures import Figure, State, check_waivers, summarise
from penni_escalate.tb.flows.code_coverage.merged import find_files, merge
from penni_escalate.tb.flows.code_coverage.points import Kind, Point, read_points
from penni_escalate.tb.flows.code_coverage.report import write_results
from penni_escalate.tb.flows.code_coverage.waivers import SIGN_OFF, Category, Waiver, read_waivers
from penni_escalate.tb.flows.coverage_json import NAME, update_coverage
from penni_escalate.tb.flows.regress import command as regressing
from penni_escalate.tb.flows.regress.job_result import JobResult
from penni_escalate.tb.flows.regress.kept import FOLDER, keep
from penni_escalate.tb.flows.regress.suite import jobs_of, load_suite
from penni_escalate.tb.flows.regress.summary import Origin, as_document
from penni_escalate.tb.units.unit_bench import run_units, unit_design

render = cache(render_all)
TINY = load_accelerator("tiny")
FIFO = render(TINY)[file_name("fifo")].splitlines()
RESET = next(number for number, line in enumerate(FIFO, 1) if "if (rst_i) begin" in line)


@pytest.fixture(autouse=True)
def _render_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penni_escalate.tb.flows.code_coverage.merged.render", render)


def _entry(
    count: int, file: str = file_name("fifo"), page: str = "v_line/fifo__W8", hierarchy: str = "top.a", **fields
) -> str:
    pairs = {"f": f"/somewhere/{file}", "page": page, **fields, "h": hierarchy}
    key = "".join(f"\x01{name}\x02{value}" for name, value in pairs.items())
    return f"C '{key}' {count}\n"


def _toggle(count: int, name: str, line: int = 9, hierarchy: str = "top.a") -> str:
    return _entry(count, page="v_toggle/fifo", hierarchy=hierarchy, l=line, n=5, o=name)


#: A block of two lines, an if without an else in it, a toggle of two instances, a condition; and the bench.
SAMPLE = (
    _entry(7, l=RESET, n=3, o="block", S=f"{RESET},{RESET + 2}-{RESET + 3}")
    + _entry(0, l=RESET, n=9, o="if", page="v_branch/fifo", S=f"{RESET + 1}")
    + _entry(7, l=RESET, n=10, o="else", page="v_branch/fifo")
    + _toggle(1, "level[3]:0->1")
    + _toggle(2, "level[3]:0->1", hierarchy="top.b")
    + _toggle(0, "level[3]:1->0")
    + _entry(4, page="v_expr/fifo__W9", l=RESET, n=4, o="(rst_i==0) => 0")
    + _entry(9, file="unit_bench.v", page="v_line/unit_bench", l=1, n=1, o="block", S="1")
)


def _run_folder(
    folder: Path, data: str = SAMPLE, config: Accelerator = TINY, texts: Mapping[str, str] | None = None
) -> Path:
    """What a run with coverage leaves, made by hand."""
    source = folder / "rtl"
    source.mkdir(parents=True)
    files = render(config) | dict(texts or {})
    for name, text in files.items():
        (source / name).write_text(text)
    (folder / DATA).write_bytes(f"# SystemC::Coverage-3\n{data}".encode("latin-1"))
    write_record(make_record(config, "top", (), [source / name for name in files]), folder)
    return folder


def test_points_are_told_apart_by_kind(tmp_path: Path) -> None:
    found = read_points(_run_folder(tmp_path / "a") / DATA)
    points = found.points
    level = Point("fifo", Kind.TOGGLE, 9, 5, "level[3]:0->1")
    assert {place: counts.get(level) for place, counts in found.places.items()} == {"top.a": 1, "top.b": 2}
    assert {(point.kind, point.line, point.name): count for point, count in points.items()} == {
        (Kind.LINE, RESET, ""): 7,
        (Kind.LINE, RESET + 1, ""): 0,
        (Kind.LINE, RESET + 2, ""): 7,
        (Kind.LINE, RESET + 3, ""): 7,
        (Kind.BRANCH, RESET, "if"): 0,
        (Kind.BRANCH, RESET, "else"): 7,
        (Kind.TOGGLE, 9, "level[3]:0->1"): 3,
        (Kind.TOGGLE, 9, "level[3]:1->0"): 0,
        (Kind.EXPRESSION, RESET, "(rst_i==0) => 0"): 4,
    }
    assert {point.unit for point in points} == {"fifo"}


def test_runs_add_up(tmp_path: Path) -> None:
    other = _toggle(5, "level[3]:1->0").join(SAMPLE.split(_toggle(0, "level[3]:1->0")))
    folders = [_run_folder(tmp_path / "a"), _run_folder(tmp_path / "b", other)]
    merged = merge(find_files(folders))["tiny"]
    assert merged.files == 2
    assert merged.counts[Point("fifo", Kind.TOGGLE, 9, 5, "level[3]:0->1")] == 6
    assert merged.counts[Point("fifo", Kind.TOGGLE, 9, 5, "level[3]:1->0")] == 5
    assert merged.units == ["fifo"]


def _merge(*folders: Path) -> None:
    merge(find_files(folders))


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    first = _run_folder(tmp_path / "first")
    fewer = _run_folder(tmp_path / "fewer", SAMPLE.replace(_toggle(0, "level[3]:1->0"), ""))
    with pytest.raises(UserError, match=r"fewer/coverage.dat has other points than an earlier file of the same build"):
        _merge(first, fewer)
    changed = _run_folder(tmp_path / "changed", texts={file_name("fifo"): "module fifo; endmodule"})
    with pytest.raises(
        UserError, match=r"of another esc_fifo\.v than the generator writes for 'tiny' now: run the test"
    ):
        _merge(changed)
    namesake = _run_folder(tmp_path / "namesake", config=replace(TINY, z_fifo=8))
    with pytest.raises(UserError, match="is of another configuration named 'tiny' than the files before it"):
        _merge(first, namesake)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not a coverage file of this Verilator, or was cut off"),
        ("TN:lcov\n", "is not a coverage file of this Verilator, or was cut off"),
        (f"# SystemC::Coverage-3\n{SAMPLE}"[:-40], "is not a coverage file of this Verilator, or was cut off"),
        (f"# SystemC::Coverage-3\n{_entry(1, file='other.v', l=1, n=1, o='block')}", "it is of another design"),
    ],
)
def test_a_damaged_file_is_a_user_error(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / DATA
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=sentence):
        read_points(path)


@pytest.mark.parametrize("record", [None, "{", "{}"])
def test_a_file_without_its_record_is_a_user_error(record: str | None, tmp_path: Path) -> None:
    folder = _run_folder(tmp_path / "a")
    (folder / RECORD).unlink()
    if record is not None:
        (folder / RECORD).write_text(record)
    with pytest.raises(UserError, match=f"{DATA} has no readable {RECORD} beside it"):
        _merge(folder)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument 'FOLDERS...'"),
        (["nowhere"], "Folder nowhere is not there"),
        (["."], f"There is no {DATA} in "),
        ([".", "--holes", "adder"], "Unit 'adder' is not known"),
    ],
)
def test_commands_refuse_in_a_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["code_coverage", *arguments])
    with pytest.raises(SystemExit) as status:
        run_command(main)
    assert status.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert sentence in error


# ---- waivers -------------------------------------------------------------------------------------

REASON = "A reason long enough to be one."


def _toggle_waiver(**fields: object) -> Waiver:
    return Waiver.model_validate(
        {"type": "toggle", "category": "constant", "reason": REASON, "configurations": ["tiny"]} | fields
    )


def test_waived_points_are_counted_apart(tmp_path: Path) -> None:
    merged = merge(find_files([_run_folder(tmp_path / "a")]))
    line = Waiver(type=Kind.LINE, text=r"<= \{", category=Category.UNREACHABLE, reason=REASON)
    branch = Waiver(type=Kind.BRANCH, text=r"if \(rst_i\)", point="^if$", category=Category.UNREACHABLE, reason=REASON)
    waivers = (_toggle_waiver(signal=r"level\[3\]", edge="1->0"), branch)
    (summary,), problems = summarise(merged, lambda unit: waivers)
    assert not problems
    figures = summary.configurations["tiny"].figures
    assert figures[Kind.TOGGLE] == Figure(covered=1, total=2, waived=1)
    assert figures[Kind.BRANCH] == Figure(covered=1, total=2, waived=1)
    assert figures[Kind.LINE] == Figure(covered=3, total=4, waived=0)
    assert [summary.configurations["tiny"].taken(number) for number in (0, 1, 2)] == [1, 1, 0]
    assert summary.configurations["tiny"].lines()[RESET - 1].waivers == (1,), "which waiver took a point of the line"
    assert [point.line for point in summary.configurations["tiny"].missed] == [RESET + 1]
    assert summary.shortfalls() == ["fifo, tiny: line 75.0 % of 4 points, goal 99 %"]
    # The three lines after the if are hit, so this pattern is too wide.
    _, problems = summarise(merged, lambda unit: (line,))
    assert "points that were hit in 'tiny'" in problems[0]


def test_a_waiver_must_match_and_match_nothing_that_was_hit(tmp_path: Path) -> None:
    merged = merge(find_files([_run_folder(tmp_path / "a")]))
    for waiver, sentence in (
        (_toggle_waiver(signal="nothing"), r"waivers.yaml: waiver 1 \(toggle 'nothing'\) matches nothing in 'tiny'"),
        (
            _toggle_waiver(signal=r"level\[3\]"),
            "matches 1 of 2 points that were hit in 'tiny', the first line 9, level",
        ),
    ):
        _, problems = summarise(merged, lambda unit, waiver=waiver: (waiver,))
        with pytest.raises(UserError, match=sentence):
            check_waivers(problems)
    # It is for another configuration, of which there is no file.
    elsewhere = _toggle_waiver(signal="nothing", configurations=["eight"])
    assert summarise(merged, lambda unit: (elsewhere,))[1] == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"colour": "red"}, "field 'waivers.0.colour' is not known"),
        ({"category": "lazy"}, "field 'waivers.0.category' is 'lazy'"),
        ({"reason": "no"}, "field 'waivers.0.reason' is 'no'"),
        ({"signal": "("}, "must be a regular expression"),
        ({"text": "x"}, "a toggle is named by 'signal', everything else by 'text'"),
        ({"type": "branch"}, "a toggle is named by 'signal', everything else by 'text'"),
        ({"point": "x"}, "'edge' belongs to toggles, 'point' to branches and expressions"),
        ({"edge": "0->2"}, "field 'waivers.0.edge' is '0->2'"),
        ({"configurations": ["huge"]}, "must name some of eight, tiny"),
    ],
)
def test_a_waiver_file_is_validated(fields: dict[str, object], sentence: str, tmp_path: Path) -> None:
    waiver = {"type": "toggle", "signal": "a", "category": "constant", "reason": REASON} | fields
    path = tmp_path / "fifo" / "waivers.yaml"
    path.parent.mkdir()
    path.write_text(json.dumps({"waivers": [waiver]}))
    with pytest.raises(UserError, match=re.escape(sentence)) as error:
        read_waivers("fifo", tmp_path)
    assert "waivers.yaml: " in str(error.value)


def test_shipped_waivers_are_valid() -> None:
    assert any(read_waivers(unit) for unit in UNITS)


# ---- figures -------------------------------------------------------------------------------------


def test_nothing_to_cover_has_no_percentage() -> None:
    assert Figure(0, 0, 0).percent is None
    assert Figure(0, 3, 3).percent is None
    assert Figure(1, 3, 1).percent == 50


def test_union_takes_the_best_of_a_point(tmp_path: Path) -> None:
    """A toggle that only one configuration hits, on another line there."""
    eight = load_accelerator("configs/shapes/eight.yaml")
    elsewhere = SAMPLE.replace("\x01l\x029", "\x01l\x0210").replace(
        _toggle(0, "level[3]:1->0", 10), _toggle(3, "level[3]:1->0", 10)
    )
    folders = [_run_folder(tmp_path / "a"), _run_folder(tmp_path / "b", elsewhere, eight)]
    (summary,), _ = summarise(merge(find_files(folders)), lambda unit: ())
    assert summary.configurations["tiny"].figures[Kind.TOGGLE] == Figure(1, 2, 0)
    assert summary.figures[Kind.TOGGLE] == Figure(2, 2, 0)
    assert summary.figures[Kind.LINE] == Figure(3, 4, 0)


def test_source_lines_have_counts_and_what_was_missed(tmp_path: Path) -> None:
    (summary,), _ = summarise(merge(find_files([_run_folder(tmp_path / "a")])), lambda unit: ())
    lines = summary.configurations["tiny"].lines()
    assert [line.text for line in lines] == FIFO
    assert (lines[RESET - 1].count, lines[RESET - 1].missed) == (7, ("if",))
    assert (lines[RESET].count, lines[RESET].missed) == (0, ("",))
    assert (lines[0].count, lines[0].missed) == (None, ())
    template = (TEMPLATES / "fifo.v.j2").read_text().splitlines()
    assert lines[RESET - 1].template is not None
    assert template[lines[RESET - 1].template - 1] == FIFO[RESET - 1]
    assert State.MISSED in summary.configurations["tiny"].states.values()


def test_bits_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    bits = "".join(_toggle(0, f"level[{bit}]:0->1") for bit in (10, 2, 1))
    (summary,), _ = summarise(merge(find_files([_run_folder(tmp_path / "a", SAMPLE + bits)])), lambda unit: ())
    missed = ("level[1]:0->1", "level[2]:0->1", "level[3]:1->0", "level[10]:0->1")
    assert summary.configurations["tiny"].lines()[8].missed == missed
    assert tuple(point.name for point in summary.configurations["tiny"].missed if point.line == 9) == missed


def test_each_place_in_the_hierarchy_has_its_figures(tmp_path: Path) -> None:
    """Of two instances, the one that was not exercised shows; a point that is waived is waived in both."""
    merged = merge(find_files([_run_folder(tmp_path / "a", SAMPLE + _toggle(0, "level[4]:0->1", hierarchy="top.b"))]))
    summaries, _ = summarise(merged, lambda unit: (_toggle_waiver(signal=r"level\[3\]", edge="1->0"),))
    places = summaries[0].configurations["tiny"].places
    assert {place: figures[Kind.TOGGLE] for place, figures in places.items()} == {
        "top.a": Figure(covered=1, total=2, waived=1),
        "top.b": Figure(covered=1, total=2, waived=0),
    }
    document = json.loads(write_results(summaries, merged, (), tmp_path).read_text())
    assert document["units"]["fifo"]["places"]["tiny"]["top.b"]["toggle"]["percent"] == 50
    assert document["made"]["commit"]


def test_results_keep_what_others_wrote(tmp_path: Path) -> None:
    update_coverage({"fifo": {"functional": {"percent": 100}}, "row": {"functional": 1}}, {"model": "x"}, tmp_path)
    merged = merge(find_files([_run_folder(tmp_path / "a")]))
    summaries, _ = summarise(merged, lambda unit: (_toggle_waiver(signal=r"level\[3\]", edge="1->0"),))
    document = json.loads(write_results(summaries, merged, (), tmp_path).read_text())
    assert document["model"] == "x"
    assert document["units"]["row"] == {"functional": 1}
    fifo = document["units"]["fifo"]
    assert fifo["functional"] == {"percent": 100}
    assert fifo["toggle"] == {"covered": 1, "total": 2, "waived": 1, "percent": 100.0}
    assert fifo["configurations"]["tiny"]["line"]["percent"] == 75
    assert document["waivers"][0]["points"] == {"tiny": 1}
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_results(summaries, merged, (), tmp_path / "file")
    (tmp_path / NAME).write_text("[]")
    with pytest.raises(UserError, match="is not a document of coverage results: remove it"):
        update_coverage({}, {}, tmp_path)


def _job(seed: int, folder: Path, verdict: Verdict = Verdict.PASSED) -> JobResult:
    """The result of a run of the FIFO's bench with coverage, which left what is in ``folder``."""
    job = Job("fifo.lockstep", "tiny", Simulator.VERILATOR, Variant.COVERAGE, seed, 20)
    result = Result(unit="fifo", test="lockstep", config="tiny", tool="verilator", verdict=verdict, compared=10)
    return JobResult(job, result, 1.0, str(folder))


def _regression(suite: str, runs: Sequence[JobResult], sources: str | None = None) -> dict[str, Any]:
    origin = Origin(suite, True, sources or sources_digest(Flow.REGRESS), provenance(), {})
    return as_document(origin, runs, [{} for _ in runs], 1.0, 0)


def test_suites_of_the_same_sources_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A point that a run of either hit is covered; not where the run failed, is of other sources, or is gone."""
    toggled = SAMPLE.replace(_toggle(0, "level[3]:1->0"), _toggle(5, "level[3]:1->0"))
    all_hit = toggled.replace("' 0\n", "' 8\n")
    elsewhere = _run_folder(tmp_path / "elsewhere", all_hit)
    record = json.loads((elsewhere / RECORD).read_text())
    (elsewhere / RECORD).write_text(json.dumps(record | {"project": "of before"}))
    runs = [
        _job(1, _run_folder(tmp_path / "again", all_hit)),
        _job(2, _run_folder(tmp_path / "other", toggled)),
        _job(3, _run_folder(tmp_path / "wrong", all_hit), Verdict.FAILED),
        _job(4, elsewhere),
        _job(5, tmp_path / "gone"),
    ]
    results = tmp_path / "results"
    keep(results, "nightly-1", _regression("nightly", runs))
    keep(results, "smoke-1", _regression("smoke", [replace(runs[1], job=replace(runs[1].job, variant=Variant.PLAIN))]))
    (results / FOLDER / "shapes-1.json").write_text(json.dumps({"sources": sources_digest(Flow.REGRESS)}))
    own = _job(1, _run_folder(tmp_path / "own"))
    monkeypatch.setattr(judging, "summarise", lambda merged: summarise(merged, lambda unit: ()))
    monkeypatch.setattr(regressing, "judge", lambda folders: judging.judge(folders, results=results))
    monkeypatch.setattr(regressing, "jobs_of", lambda *_: [own.job])
    monkeypatch.setattr(regressing, "run_all", lambda *_: {own.job.name: own})
    monkeypatch.setattr(regressing, "connect", lambda *_: nullcontext())
    monkeypatch.setattr(regressing, "update_coverage", lambda *_: None)
    monkeypatch.setattr(regressing, "RESULTS", results)
    monkeypatch.setattr(regressing, "HISTORY", results / "history.jsonl")
    monkeypatch.setattr("penni_escalate.tb.flows.regress.store._FOLDER", tmp_path / "regress")
    # Neither has run a line that the sample leaves out.
    with pytest.raises(SystemExit):
        regressing.regress(["--suite", "coverage"], standalone_mode=False)
    document = json.loads((results / NAME).read_text())
    assert document["files"] == {"tiny": 2}
    assert document["regressions"] == ["coverage", "nightly"]
    figures = {kind: document["units"]["fifo"][kind]["covered"] for kind in ("line", "branch", "toggle")}
    assert figures == {"line": 3, "branch": 1, "toggle": 2}


# ---- the configurations that are signed off, and a bench ------------------------------------------


def _statements(config: Accelerator) -> set[tuple[str, frozenset[str]]]:
    """The names and operators of every statement, numbers aside: lists of operands may be of any length."""
    statements = set()
    for file, text in render(config).items():
        code = re.sub(r"//.*|`.*", "", text)
        for statement in code.split(";"):
            plain = re.sub(r"\d+'s?[bdh][0-9a-f]+|\d+", "#", statement)
            statements.add((file, frozenset(re.findall(r"[\w#$]+|[^\w\s#$(){},]+", plain))))
    return statements


def test_signed_off_configurations_have_every_construct_of_the_presets() -> None:
    """Two units have more of preset full: concentration with its look-ahead over so many lanes, and the collector.

    The collector of full requantizes a pixel at once; shape four_parts does so too, and is in the regressions.
    """
    measured = dict.fromkeys(job.configuration for job in jobs_of(load_suite("coverage"), 1))
    configs = [load_accelerator(name) for name in measured]
    assert [config.name for config in configs] == list(SIGN_OFF)
    signed_off = set().union(*map(_statements, configs))
    assert not _statements(load_accelerator("small")) - signed_off
    assert {file for file, _ in _statements(load_accelerator("full")) - signed_off} == {
        file_name("collector"),
        file_name("concentration"),
    }


def test_a_bench_is_measured(tmp_path: Path) -> None:
    """The FIFO's bench hits every line and branch of the FIFO; nothing of the bench is counted."""
    design = unit_design(TINY, ["fifo"], coverage=True)
    with pytest.raises(UserError, match="Code coverage is recorded by Verilator alone, not by icarus"):
        build(design, Simulator.ICARUS)
    build(design, Simulator.VERILATOR)
    (result,) = run_units(design, Simulator.VERILATOR, ["fifo"], transactions=300, folder=tmp_path / "run")
    assert result.ok, result.problem
    (summary,), _ = summarise(merge(find_files([tmp_path])), lambda unit: ())
    assert summary.unit == "fifo"
    for kind in (Kind.LINE, Kind.BRANCH, Kind.TOGGLE):
        assert summary.figures[kind].percent == 100
        assert summary.figures[kind].total > 5
