"""Regressions: what is run, how failures are gathered, and that nothing is lost on the way."""

import errno
import json
import os
import re
import signal
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import dask_jobqueue  # noqa: F401  (Its defaults must be there before a test sets others.)
import pytest
import pywellen
from distributed import get_worker
from junitparser import JUnitXml

import penni_escalate.tb.flows.regress.runner as runner
from penni_escalate.common.errors import UserError, run_command
from penni_escalate.common.paths import ROOT, console_command
from penni_escalate.common.provenance import provenance
from penni_escalate.common.results import check_room
from penni_escalate.common.units import UNITS
from penni_escalate.common.workers import connect
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.rtl.names import module_name
from penni_escalate.tb.base.coverage import load_model
from penni_escalate.tb.base.job import Job, Variant, parse_job
from penni_escalate.tb.base.result import Result, Verdict, Wanted
from penni_escalate.tb.base.simulator import Design, Simulator
from penni_escalate.tb.flows.catalog import catalog, find_test
from penni_escalate.tb.flows.regress import command
from penni_escalate.tb.flows.regress.command import regress, rerun
from penni_escalate.tb.flows.regress.job_result import JobResult
from penni_escalate.tb.flows.regress.jobs import build_job, design_of, run_job
from penni_escalate.tb.flows.regress.kept import FOLDER, keep
from penni_escalate.tb.flows.regress.runner import Lost, execute, prepare, run_all
from penni_escalate.tb.flows.regress.store import Store, folder_of
from penni_escalate.tb.flows.regress.suite import SUITES, jobs_of, load_suite
from penni_escalate.tb.flows.regress.summary import (
    Origin,
    as_document,
    buckets_of,
    functional_coverage,
    hits_of,
    write_junit,
)
from penni_escalate.tb.stream_core.env.run import core_design
from penni_escalate.tb.stream_core.stream_run import Prediction, StreamRun, predict
from penni_escalate.tb.units.unit_bench import unit_design
from tests.faults import with_faults

FIFO = Job("fifo.lockstep", "tiny", Simulator.ICARUS, Variant.PLAIN, 1, 20)


def found_by(job: Job, verdict: Verdict = Verdict.PASSED, **fields: Any) -> Result:
    unit, _, test = job.test.partition(".")
    return Result(unit=unit, test=test, config="tiny", tool=job.simulator, verdict=verdict, compared=10, **fields)


def result(
    job: Job, verdict: Verdict = Verdict.PASSED, check: str = "", problem: str = "", waves: str = ""
) -> JobResult:
    return JobResult(job, found_by(job, verdict, problem=problem, check=check), 1.0, "build/none", waves)


def test_the_catalog_finds_every_bench() -> None:
    assert Variant.RANDOM_INITIAL in find_test("fifo.lockstep").variants
    assert {"bit_gather.masks", "bit_gather.values"} <= set(catalog())
    assert find_test("stream_core.random").seeds_in_turn
    with pytest.raises(UserError, match=r"Test 'fifo\.none' is not known: use one of .*fifo\.lockstep"):
        find_test("fifo.none")


def test_a_run_is_known_by_its_name() -> None:
    assert parse_job(FIFO.name) == FIFO
    for text in ("", "fifo.lockstep", FIFO.name.replace("icarus", "vcs"), FIFO.name + ":1", FIFO.name[:-2] + "x"):
        with pytest.raises(UserError, match="is not one: it must be TEST:CONFIGURATION"):
            parse_job(text)


@pytest.mark.parametrize("name", sorted(path.stem for path in SUITES.glob("*.yaml")))
def test_suites_are_valid(name: str) -> None:
    jobs = jobs_of(load_suite(name), seed=1)
    assert len({job.folder for job in jobs}) == len(jobs)
    if name in ("smoke", "nightly"):
        assert {job.test for job in jobs} == set(catalog()), "a test that no suite runs"


def test_seeds_of_replayed_runs_do_not_overlap() -> None:
    jobs = [job for job in jobs_of(load_suite("nightly"), 5, seeds=3) if job.test == "stream_core.random"]
    alike = [job for job in jobs if replace(job, seed=0) == replace(jobs[0], seed=0)]
    assert [job.seed for job in alike] == [5, 5 + alike[0].size, 5 + 2 * alike[0].size]


def test_unknown_suite_and_test() -> None:
    with pytest.raises(
        UserError, match="Suite 'weekly' is not known: use one of coverage, nightly, shapes, smoke, soak"
    ):
        load_suite("weekly")
    with pytest.raises(UserError, match=r"Test 'adder\.\*' is not in the suite"):
        jobs_of(load_suite("smoke"), 1, pattern="adder.*")
    with pytest.raises(UserError, match="Suite 'weekly' is not known"):
        regress(["--suite", "weekly"], standalone_mode=False)


def test_a_suite_with_an_unknown_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penni_escalate.tb.flows.regress.suite.SUITES", tmp_path)
    (tmp_path / "own.yaml").write_text("summary: Own.\nruns: 3\n")
    with pytest.raises(UserError, match=r"own\.yaml: field 'runs' is not known"):
        load_suite("own")
    (tmp_path / "own.yaml").write_text("summary: Own.\n")
    monkeypatch.setattr("penni_escalate.common.units.ROOT", tmp_path)
    (tmp_path / "tb" / "units" / "suites").mkdir(parents=True)
    (tmp_path / "tb" / "units" / "suites" / "own.yaml").write_text("entries:\n  - {tests: ['*'], runs: 3}\n")
    with pytest.raises(UserError, match=r"suites/own\.yaml: field 'entries\.0\.\w+' is (not known|missing)"):
        load_suite("own")


def test_failures_fall_into_buckets() -> None:
    other = replace(FIFO, seed=2)
    third = replace(FIFO, test="row.lockstep")
    results = [
        result(FIFO, Verdict.FAILED, "data_o", "data_o: expected 0x1, got 0x2"),
        replace(
            result(other, Verdict.FAILED, "data_o", "data_o: expected 0x3, got 0x4", waves="build/x.fst"),
            detected_ps=650_000,
        ),
        result(third, Verdict.CRASHED, "", "the bench did not come to its end"),
        result(replace(FIFO, seed=3)),
    ]
    first, second = buckets_of(results)
    assert first.signature == "fifo.lockstep, data_o"
    assert first.runs == (other.name, FIFO.name), "the one whose difference came soonest is the first"
    assert first.example == other.name, "the one with waves is the example"
    assert first.command == f"{console_command('rerun')} {other.name} --waves"
    assert first.detected_ps == 650_000, "the time is that in the example's waves"
    assert second.runs == (third.name,)


def test_junit_and_json_hold_every_run(tmp_path: Path) -> None:
    results = [
        result(FIFO, Verdict.FAILED, "data_o", "data_o: expected 0x1, got 0x2\nmore"),
        result(replace(FIFO, seed=2)),
        result(replace(FIFO, simulator=Simulator.VERILATOR), Verdict.CRASHED, "worker lost", "gone"),
    ]
    write_junit(results, tmp_path / "regress.xml")
    document = JUnitXml.fromfile(str(tmp_path / "regress.xml"))
    assert (document.tests, document.failures, document.errors) == (3, 1, 1)
    assert f"rerun {FIFO.name} --waves" in (tmp_path / "regress.xml").read_text()
    origin = Origin("own", True, "digest", provenance(), {})
    held = as_document(origin, results, [{}] * 3, 3.0, 1)
    assert (held["runs"], held["passed"], held["failed"], held["resumed"]) == (3, 1, 2, 1)
    assert len(held["buckets"]) == 2


def test_bins_are_as_many_where_runs_fail(tmp_path: Path) -> None:
    """Those that the runs' configurations can have; the hits are those of the runs that passed."""
    model = load_model("fifo")
    counts = dict.fromkeys(model.all_bins(load_accelerator("tiny")), 0) | {"full/met": 3}
    held = {"unit": "fifo", "model": model.digest, "counts": counts}
    (tmp_path / "coverage").mkdir()
    (tmp_path / "coverage" / "fifo.json").write_text(json.dumps(held))
    passed = replace(result(FIFO), folder=str(tmp_path))
    failed = replace(result(FIFO, Verdict.FAILED, "data_o", "data_o differs"), folder=str(tmp_path))
    assert hits_of(passed) == {"fifo": {"full/met": 3}}
    assert hits_of(failed) == {}, "a run that failed shows nothing"
    for outcome, hit in ((passed, 1), (failed, 0)):
        (found,) = functional_coverage([outcome], [hits_of(outcome)])
        assert (found.unit, found.hit, found.total) == ("fifo", hit, len(counts))


def test_the_documents_of_one_state_of_the_sources_are_kept(tmp_path: Path) -> None:
    """Each in the place of an earlier one of the same runs; those of other sources go."""
    keep(tmp_path, "smoke-1", {"sources": "before"})
    keep(tmp_path, "soak-1", {"sources": "before"})
    keep(tmp_path, "smoke-1", {"sources": "before", "runs": 2})
    assert {path.stem for path in (tmp_path / FOLDER).glob("*.json")} == {"smoke-1", "soak-1"}
    (tmp_path / FOLDER / "damaged.json").write_text("{")
    keep(tmp_path, "smoke-2", {"sources": "now"})
    assert {path.stem for path in (tmp_path / FOLDER).glob("*.json")} == {"smoke-2"}


def test_the_shortest_failing_run_is_the_example() -> None:
    """By the time until the difference; where that is not known, by the size of what failed."""
    jobs = [replace(FIFO, seed=seed) for seed in (1, 2, 3, 4)]
    found = [result(job, Verdict.FAILED, "data_o", "data_o differs") for job in jobs]
    late, soon, unknown, small = found
    members = [replace(late, detected_ps=900), replace(soon, detected_ps=50), unknown]
    members.append(replace(small, result=replace(small.result, narrowed=replace(jobs[3], size=1))))
    (bucket,) = buckets_of(members)
    assert bucket.runs == (jobs[1].name, jobs[0].name, jobs[3].name, jobs[2].name)
    assert bucket.example == jobs[1].name


def test_an_interrupted_regression_is_taken_up(tmp_path: Path) -> None:
    jobs = [replace(FIFO, seed=seed) for seed in (1, 2, 3)]
    store = Store(tmp_path / "own")
    assert store.open(jobs) == {}
    store.write(result(jobs[1]))
    assert set(store.open(jobs)) == {jobs[1].name}, "interrupted: what there is counts"
    assert store.open(jobs[:2]) == {}, "other runs: all anew"
    store.write(result(jobs[0]))
    store.close()
    assert store.open(jobs[:2]) == {}, "it came to its end: all anew"


def test_changed_sources_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "own")
    store.open([FIFO])
    store.write(result(FIFO))
    monkeypatch.setattr("penni_escalate.tb.flows.regress.store.sources_digest", lambda flow: "other")
    assert store.open([FIFO]) == {}


def test_a_run_passes_and_leaves_its_coverage(tmp_path: Path) -> None:
    build_job(FIFO)
    found = execute(FIFO, tmp_path)
    assert found.result.verdict is Verdict.PASSED
    assert found.result.compared > found.result.transactions >= FIFO.size
    assert Store(tmp_path).read(FIFO) == found
    assert (tmp_path / FIFO.folder / "coverage" / "fifo.json").is_file()


def test_a_failing_run_is_repeated_with_waves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def failing(job: Job, folder: Path, *, waves: bool = False) -> Result:
        seen.append((job, waves))
        if waves:
            (folder / "dump.vcd").write_text("waves")
        return found_by(
            job,
            Verdict.FAILED,
            problem="data_o: expected 1, got 2",
            check="data_o",
            narrowed=replace(job, size=1),
            detected_ps=650_000 if waves else 9_650_000,
            wanted=(Wanted("data_o", 650_000 if waves else 9_650_000, 1),),
        )

    monkeypatch.setattr(runner, "run_job", failing)
    monkeypatch.setattr(runner, "build_job", lambda job, waves=False: None)
    found = execute(FIFO, tmp_path)
    assert seen == [(FIFO, False), (replace(FIFO, size=1), True)]
    assert found.repeated is True
    assert found.waves.endswith("waves/dump.vcd")
    assert found.detected_ps == 650_000, "the time is that in the waves, which are of the smaller run"
    assert found.wanted == (Wanted("data_o", 650_000, 1),)


@pytest.mark.parametrize(
    ("failing", "tried", "narrowed", "repeated"),
    [((300,), [1, 300], None, True), ((1, 300), [1], 1, True), ((), [1, 300], None, False)],
    ids=["whole", "smaller", "neither"],
)
def test_what_failed_again_is_kept(
    failing: tuple[int, ...],
    tried: list[int],
    narrowed: int | None,
    repeated: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """State that an earlier run left shows in the whole of it alone: waves and command are of what failed again."""
    seen = []
    whole = replace(FIFO, size=300)

    def run(job: Job, folder: Path, *, waves: bool = False) -> Result:
        if waves:
            seen.append(job.size)
            (folder / "dump.vcd").write_text("waves")
            if job.size not in failing:
                return found_by(job)
        return found_by(job, Verdict.FAILED, problem="data_o differs", check="data_o", narrowed=replace(job, size=1))

    monkeypatch.setattr(runner, "run_job", run)
    monkeypatch.setattr(runner, "build_job", lambda job, waves=False: None)
    found = execute(whole, tmp_path)
    assert isinstance(found, JobResult)
    assert seen == tried
    assert (found.result.narrowed and found.result.narrowed.size) == narrowed
    assert found.repeated is repeated
    assert bool(found.waves) is repeated
    (bucket,) = buckets_of([found])
    assert bucket.command == replace(whole, size=narrowed or 300).command
    assert bucket.repeated is repeated


def test_the_example_of_a_bucket_failed_again() -> None:
    """Whatever else speaks for another."""
    other = replace(result(FIFO, Verdict.FAILED, "data_o"), repeated=False)
    again = replace(result(replace(FIFO, seed=2, size=900), Verdict.FAILED, "data_o"), repeated=True)
    (bucket,) = buckets_of([other, again])
    assert bucket.example == again.job.name


def test_a_result_without_a_time_is_read(tmp_path: Path) -> None:
    """A regression of before times were kept is taken up."""
    Store(tmp_path).write(result(FIFO, Verdict.FAILED, "data_o", "data_o: expected 0x1, got 0x2"))
    path = tmp_path / FIFO.folder / "result.json"
    document = json.loads(path.read_text())
    del document["detected_ps"], document["result"]["detected_ps"]
    path.write_text(json.dumps(document))
    held = Store(tmp_path).read(FIFO)
    assert held is not None
    assert held.detected_ps is None


def recorded(waves: str) -> Callable[[str, int], int]:
    """Reads a signal of a recording by the end of its name, right before a time."""
    variables = list(pywellen.Waveform(str(ROOT / waves)).all_vars())

    def read(name: str, time: int) -> int:
        variable = next(variable for variable in variables if f".{variable.full_name}".endswith(f".{name}"))
        return int([value for begin, value in variable.tv if begin < time][-1])

    return read


@pytest.mark.parametrize("test", ["random", "reset"])
def test_the_time_of_a_replayed_difference_is_that_in_the_waves(
    test: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prediction is wrong in the last output of every run but the first; of the runs before, some are aborted."""

    def wrong(config: Accelerator, work: StreamRun) -> Prediction:
        prediction = predict(config, work)
        if work.name != "seed1":
            prediction.trace.outputs[-1, 0] ^= 1
        return prediction

    monkeypatch.setattr("penni_escalate.tb.stream_core.batches.predict", wrong)
    monkeypatch.setattr("penni_escalate.tb.stream_core.start_state.predict", wrong)
    job = Job(f"stream_core.{test}", "tiny", Simulator.ICARUS, Variant.PLAIN, 1, 2)
    build_job(job)
    found = execute(job, tmp_path)
    built = design_of(job, waves=True).build_folder(job.simulator)
    assert built.is_dir()
    assert not list(built.glob("*.fst")), "runs would share a recording"
    assert found.repeated
    assert found.detected_ps is not None and found.result.detected_ps is not None
    if test == "random":
        assert found.detected_ps < found.result.detected_ps, "the repetition is of the second run alone"
    cycle = re.search(r"value at .*, cycle (\d+)$", found.result.problem, re.MULTILINE)
    assert cycle is not None
    read = recorded(found.waves)
    assert read("stream_bench.cycle_q", found.detected_ps) == int(cycle[1])
    assert read("stream_bench.cycle_q", found.detected_ps + 1) == int(cycle[1]) + 1
    assert [read(f"u_core.out_{port}", found.detected_ps) for port in ("valid_o", "ready_i", "last_o")] == [1, 1, 1]
    check_wanted(found, "u_core", least=2 if test == "random" else 1)


def check_wanted(found: JobResult, scope: str, least: int = 1) -> None:
    """What the model gave for some groups is what was recorded, but for the one that differs."""
    read = recorded(found.waves)
    groups: dict[int, list[bool]] = {}
    for value in found.wanted:
        if value.signal in ("out_map_o", "out_values_o"):
            got = read(f"{scope}.{value.signal}", value.time_ps) >> value.low
            got &= (1 << (value.bits or 10**4)) - 1
            groups.setdefault(value.time_ps, []).append(got == value.value)
    assert len(groups) >= least and all(len(same) == 2 for same in groups.values())
    assert [time for time, same in groups.items() if not all(same)] == [found.detected_ps]


def test_what_was_expected_of_a_cluster_is_its_part_of_the_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prediction for the second cluster is wrong in its last output."""

    def wrong(config: Accelerator, work: StreamRun) -> Prediction:
        prediction = predict(config, work)
        # The first cluster's run holds the number of layers.
        if not work.layers and len(prediction.trace.outputs):
            prediction.trace.outputs[-1, 0] ^= 1
        return prediction

    monkeypatch.setattr("penni_escalate.tb.stream_core.batches.predict", wrong)
    job = Job("clusters.layers", "configs/shapes/two_clusters.yaml", Simulator.ICARUS, Variant.PLAIN, 1, 1)
    (tmp_path / "waves").mkdir()
    build_job(job, waves=True)
    found = run_job(job, tmp_path / "waves", waves=True)
    assert found.problem.partition(":")[0].endswith("cluster 1")
    group = load_accelerator(job.configuration).group
    assert {(value.low, value.bits) for value in found.wanted if value.signal == "out_map_o"} == {(group, group)}
    dump = str(tmp_path / "waves" / "dump.fst")
    check_wanted(JobResult(job, found, 1.0, "", dump, True, found.detected_ps, found.wanted), "u_core")


def test_the_recording_is_that_of_the_simulation_that_differed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run from random registers there are two, each in a folder of its own."""
    job = Job("fifo.lockstep", "tiny", Simulator.VERILATOR, Variant.RANDOM_INITIAL, 1, 20)
    wanted = (Wanted("data_o", 10_000, 7),)

    def simulated(*_: object, folder: Path, **__: object) -> list[Result]:
        second = folder.name.endswith("4")
        folder.mkdir()
        (folder / "dump.vcd").write_text("")
        (folder / "simulation.log").write_text(folder.name)
        return [found_by(job, Verdict.FAILED, problem="x", wanted=wanted) if second else found_by(job)]

    for name in ("tb.units.start_state.build", "tb.flows.regress.runner.build_job"):
        monkeypatch.setattr(f"penni_escalate.{name}", lambda *_, **__: True)
    monkeypatch.setattr("penni_escalate.tb.units.start_state.run_units", simulated)
    found = execute(job, tmp_path)
    assert (found.result.place, found.wanted) == ("initial4", wanted)
    assert found.waves.endswith("waves/initial4/dump.vcd")


#: A fault of the Verilog.
WITHOUT_ROUNDING = ("requantize", "product_q + half", "product_q")


def test_the_time_of_a_uvm_difference_is_that_in_the_waves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(config: Accelerator, folder: Path, *, waves: bool) -> Design:
        return with_faults(core_design(config, folder, waves=waves), tmp_path, WITHOUT_ROUNDING)

    monkeypatch.setattr("penni_escalate.tb.stream_core.bench.core_design", faulty)
    # Not all layers that a seed draws round: the bytes of logits stay as they are.
    job = Job("stream_core.smoke", "tiny", Simulator.ICARUS, Variant.PLAIN, 2, 2)
    build_job(job)
    found = execute(job, tmp_path / "regression")
    assert found.repeated
    assert found.detected_ps is not None
    got = re.search(r">\d+ .* eop +\d+ +\[(\d+(?:, \d+)*)\] eop", found.result.problem)
    assert got is not None, found.result.problem
    read = recorded(found.waves)
    names = ("valid_o", "ready_i", "map_o", "values_o")
    seen = [read(f"{module_name('stream_core')}.out_{port}", found.detected_ps) for port in names]
    codes = [int(code) for code in got[1].split(", ")]
    packed = bytes(code for code in codes if code)
    assert seen == [1, 1, sum(1 << n for n, code in enumerate(codes) if code), int.from_bytes(packed, "little")]
    # What comes after the first difference may differ as well.
    first = tuple(value for value in found.wanted if value.time_ps <= found.detected_ps)
    check_wanted(replace(found, wanted=first), module_name("stream_core"))


def test_the_time_of_a_lockstep_difference_is_the_end_of_the_waves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(config: Accelerator, *, waves: bool, coverage: bool) -> Design:
        return with_faults(unit_design(config, ("requantize",), waves=waves), tmp_path, WITHOUT_ROUNDING)

    monkeypatch.setattr("penni_escalate.tb.units.bench.unit_design", faulty)
    job = Job("requantize.lockstep", "tiny", Simulator.ICARUS, Variant.PLAIN, 1, 100)
    build_job(job)
    found = execute(job, tmp_path / "regression")
    assert found.repeated
    assert found.detected_ps is not None
    got = re.search(r"value_o: expected 0x([0-9a-f]+), got 0x([0-9a-f]+)$", found.result.problem, re.MULTILINE)
    assert got is not None, found.result.problem
    clock = next(v for v in pywellen.Waveform(str(ROOT / found.waves)).all_vars() if v.name == "clk")
    assert found.detected_ps - 10_000 < int(clock.tv[-1][0]) <= found.detected_ps
    read = recorded(found.waves)
    assert read("unit_bench.requantize_value_o", found.detected_ps) == int(got[2], 16)
    *before, last = found.wanted
    assert (last.signal, last.time_ps, last.value) == ("value_o", found.detected_ps, int(got[1], 16))
    assert before, "a difference in the first value would show nothing"
    assert all(read("unit_bench.requantize_value_o", value.time_ps) == value.value for value in before)


def test_a_design_that_does_not_build_has_failed(tmp_path: Path) -> None:
    found = execute(FIFO, tmp_path, "unit_bench does not build under icarus")
    assert isinstance(found, JobResult) and found.result.verdict is Verdict.FAILED
    assert found.result.check == "build"


@pytest.fixture
def killed_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Icarus' simulator is killed as soon as it runs."""
    build_job(FIFO)
    command = tmp_path / "bin" / "vvp"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\nkill -KILL $$\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("killed_simulator")
def test_a_killed_simulator_is_a_crash(tmp_path: Path) -> None:
    found = execute(FIFO, tmp_path)
    assert isinstance(found, JobResult) and found.result.verdict is Verdict.CRASHED
    assert "did not come to its end" in found.result.problem
    (bucket,) = buckets_of([found])
    assert bucket.signature == "fifo.lockstep, simulation"


@pytest.mark.usefixtures("killed_simulator")
def test_a_killed_simulator_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("penni_escalate.tb.flows.regress.command.BUILD", tmp_path)
    monkeypatch.setattr("sys.argv", ["rerun", FIFO.name])
    with pytest.raises(SystemExit) as ended:
        run_command(rerun)
    assert ended.value.code == 2
    said = (
        "error: 1 of 1 runs came to no verdict, fifo.lockstep first (The simulation did not come to its end (ended by "
        "signal 9, Killed), which says nothing of the design: see "
    )
    assert said in capsys.readouterr().err


def test_an_interrupted_regression_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By SIGTERM, after the first of two runs."""
    monkeypatch.setattr("penni_escalate.tb.flows.regress.store._FOLDER", tmp_path)
    monkeypatch.setattr("penni_escalate.tb.flows.regress.command.connect", lambda *_: nullcontext())
    monkeypatch.setattr("sys.argv", ["regress", "--suite", "smoke", "--test", "fifo.*", "--seeds", "1"])

    def terminated(client: object, jobs: list[Job], store: Store, advance: object) -> dict[str, JobResult]:
        store.write(result(jobs[0]))
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal ends this")

    monkeypatch.setattr(command, "run_all", terminated)
    with pytest.raises(SystemExit) as ended:
        run_command(regress)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    found = re.fullmatch(
        r"error: Interrupted: 1 of (\d+) results are kept in (\S+); start the same command again, which takes them up "
        r"and runs the others\.\n",
        said,
    )
    assert found is not None and int(found[1]) > 1
    assert len(Store(Path(found[2])).open(jobs_of(load_suite("smoke"), 1, 1, "fifo.*"))) == 1


def test_runs_that_crashed_are_repeated(tmp_path: Path) -> None:
    jobs = [replace(FIFO, seed=seed) for seed in (1, 2)]
    store = Store(tmp_path)
    store.open(jobs)
    store.write(result(jobs[0], Verdict.CRASHED))
    store.write(result(jobs[1], Verdict.FAILED))
    assert set(store.open(jobs)) == {jobs[1].name}


def test_the_same_regression_twice_at_once_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("penni_escalate.tb.flows.regress.store._FOLDER", tmp_path / "regress")
    monkeypatch.setattr("sys.argv", ["regress", "--suite", "smoke", "--test", "fifo.*"])
    folder = folder_of("smoke", jobs_of(load_suite("smoke"), 1, None, "fifo.*"))
    with Store(folder).alone(), pytest.raises(SystemExit) as ended:
        run_command(regress)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: The same regression runs already, in {folder}: let it end first.\n"
    assert not folder.exists()
    with Store(folder).alone():
        pass


@pytest.mark.parametrize(
    ("pattern", "failing", "judged", "status"),
    [("*", False, True, 1), ("fifo.*", False, False, None), ("*", True, False, 1)],
    ids=["whole", "some tests", "a failure"],
)
def test_code_coverage_is_judged_after_whole_suites(
    pattern: str,
    failing: bool,
    judged: bool,
    status: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of the runs that recorded it; a goal that is missed is a failure."""
    asked: list[Path] = []

    def all_passed(client: object, jobs: list[Job], *_: object) -> dict[str, JobResult]:
        found = {job.name: result(job, Verdict.PASSED) for job in jobs}
        if failing:
            found[jobs[0].name] = result(jobs[0], Verdict.FAILED, "data_o", "data_o differs")
        return found

    monkeypatch.setattr(command, "run_all", all_passed)
    monkeypatch.setattr(command, "connect", lambda *_: nullcontext())
    monkeypatch.setattr(command, "judge", asked.extend)
    monkeypatch.setattr(command, "update_coverage", lambda *_: None)
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "HISTORY", tmp_path / "history.jsonl")
    monkeypatch.setattr("penni_escalate.tb.flows.regress.store._FOLDER", tmp_path / "regress")
    arguments = ["--suite", "coverage", "--test", pattern]
    if status is None:
        regress(arguments, standalone_mode=False)
    else:
        with pytest.raises(SystemExit) as ended:
            regress(arguments, standalone_mode=False)
        assert ended.value.code == status
    jobs = jobs_of(load_suite("coverage"), 1, None, pattern)
    assert asked == ([ROOT / result(job, Verdict.PASSED).folder for job in jobs] if judged else [])
    said = "Code coverage is judged where all tests of a suite are run."
    assert (said in capsys.readouterr().out) is (pattern != "*")
    (path,) = (tmp_path / FOLDER).glob("coverage-*.json")
    document = json.loads(path.read_text())
    assert document == json.loads((tmp_path / "regress.json").read_text())
    assert document["whole"] is (pattern == "*") and document["made"]["commit"]
    line = json.loads((tmp_path / "history.jsonl").read_text())
    assert {key: line[key] for key in ("commit", "dirty", "time", "host")} == document["made"]


def test_the_nightly_suites_configurations_have_every_bin() -> None:
    jobs = jobs_of(load_suite("nightly"), 1)
    for unit in UNITS:
        model = load_model(unit)
        mine = {job.configuration for job in jobs if job.test.startswith(f"{unit}.")}
        met = set().union(*(model.all_bins(load_accelerator(name)) for name in mine))
        assert not set(model.all_bins()) - met, unit


def test_a_regression_of_fewer_tests_leaves_the_others_runs() -> None:
    whole = jobs_of(load_suite("smoke"), 1)
    folders = {folder_of("smoke", jobs) for jobs in (whole, whole[:3], jobs_of(load_suite("smoke"), 2))}
    assert len(folders) == 3


@pytest.mark.parametrize(
    ("test", "variant", "known"),
    [
        ("stream_core.smoke", Variant.COVERAGE, "plain"),
        ("stream_core.random", Variant.RANDOM_INITIAL, "plain, coverage"),
    ],
)
def test_a_variant_that_a_test_does_not_have(test: str, variant: Variant, known: str) -> None:
    with pytest.raises(UserError, match=f"^Test '{test}' has no variant '{variant}': use one of {known}.$"):
        build_job(Job(test, "tiny", Simulator.VERILATOR, variant, 1, 1))


def test_a_bench_from_random_registers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the FIFO alone: that random registers are given to all units' wrapper is the same for any of them."""
    monkeypatch.setattr(
        "penni_escalate.tb.units.bench.unit_design", lambda config, **kinds: unit_design(config, ("fifo",), **kinds)
    )
    job = replace(FIFO, simulator=Simulator.VERILATOR, variant=Variant.RANDOM_INITIAL)
    build_job(job)
    found = run_job(job, tmp_path)
    assert found.verdict is Verdict.PASSED
    assert found.compared > 40, "two runs of 20 transactions"
    with pytest.raises(UserError, match="Random initial values need --sim verilator"):
        build_job(replace(job, simulator=Simulator.ICARUS))


def test_a_full_disk_keeps_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("penni_escalate.tb.flows.regress.store.write_atomically", full)
    assert execute(FIFO, tmp_path) is Lost.DISK_FULL


def test_a_disk_that_is_full_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building says so in its log, a simulation by what it leaves."""
    log = tmp_path / "build.log"
    log.write_text("g++: fatal error: error writing to a.o: No space left on device\n")
    with pytest.raises(OSError, match="No space left on device"):
        check_room(tmp_path, log)
    check_room(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runner, "build_job", full)
    assert prepare(FIFO) is Lost.DISK_FULL
    assert execute(FIFO, tmp_path, Lost.DISK_FULL) is Lost.DISK_FULL


def test_a_full_disk_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def full(standalone_mode: bool) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded", "build/results/regress.json")

    with pytest.raises(SystemExit) as ended:
        run_command(full)
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "error: The disk of build/results/regress.json is full: make room and start the same command again; what there "
        "is so far is kept.\n"
    )


def _dies_once(job: Job, folder: Path, built: str = "") -> JobResult:
    """Kills its own worker the first time."""
    mark = folder / f"{job.seed}.mark"
    if job.seed == 2 and not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    assert get_worker() is not None
    return result(job)


def _full(job: Job, folder: Path, built: str = "") -> JobResult | Lost:
    return Lost.DISK_FULL if job.seed == 3 else result(job)


def test_a_killed_worker_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [replace(FIFO, seed=seed) for seed in range(1, 7)]
    monkeypatch.setattr(runner, "execute", _dies_once)
    monkeypatch.setattr(runner, "prepare", len_of_name)
    came = []
    with connect("local", 2) as client:
        found = run_all(client, jobs, Store(tmp_path), came.append)
    assert (tmp_path / "2.mark").exists(), "no worker was killed"
    assert set(found) == {job.name for job in jobs}
    assert all(entry.result.verdict is Verdict.PASSED for entry in found.values())
    assert len(came) == len(jobs)


def len_of_name(job: Job) -> str:
    """A build that has nothing to do."""
    return ""


def test_a_full_disk_ends_the_regression_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "execute", _full)
    monkeypatch.setattr(runner, "prepare", len_of_name)
    jobs = [replace(FIFO, seed=seed) for seed in (1, 2, 3)]
    with connect("local", 1) as client, pytest.raises(UserError, match=r"The disk is full: \d results are kept in"):
        run_all(client, jobs, Store(tmp_path), lambda result: None)


#: What a scheduler's commands do: start a copy of a job's script, in a process group
#: of the job's number; end a job.
SUBMIT = '#!/bin/sh\nfile=$(mktemp)\n{copy} > "$file"\nsetsid sh "$file" > "$file.log" 2>&1 &\necho "{answer}"\n'
CANCEL = '#!/bin/sh\nfor job; do kill -- "-$job"; done\n'


@pytest.mark.parametrize(
    ("scheduler", "commands"),
    [
        ("slurm", {"sbatch": SUBMIT.format(copy='cat "$1"', answer="Submitted batch job $!"), "scancel": CANCEL}),
        ("lsf", {"bsub": SUBMIT.format(copy="cat", answer="Job <$!> is submitted."), "bkill": CANCEL}),
    ],
)
def test_workers_are_a_schedulers_jobs(
    scheduler: str, commands: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands of that name stand in for the scheduler's own; workers and runs are real."""
    for name, text in commands.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(ROOT)
    jobs = [replace(FIFO, seed=seed) for seed in (1, 2)]
    described = {f"jobqueue.{scheduler}.{field}": value for field, value in (("cores", 1), ("memory", "2GB"))}
    with dask.config.set(described), connect(scheduler, 1) as client:
        found = run_all(client, jobs, Store(tmp_path / "regression"), lambda result: None)
        workers = [info["name"] for info in client.scheduler_info()["workers"].values()]
    assert [found[job.name].result.verdict for job in jobs] == [Verdict.PASSED] * 2
    assert len(workers) == 1 and str(workers[0]).startswith(f"{scheduler.upper()}Cluster")
