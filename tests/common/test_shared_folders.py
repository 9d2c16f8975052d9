"""Folders under build/ that processes share: of each kind 200 simultaneous starts, each of which must see a whole one.

The tools are replaced by quick ones that write as the real ones do: a file is emptied, then filled part by part.
"""

import json
import multiprocessing
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess
from xml.etree import ElementTree

import pytest
from numba.core import caching

from penni_escalate.common.provenance import provenance
from penni_escalate.common.results import append_line
from penni_escalate.common.shared_folder import failed_folder, made, replaced, written
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.rtl import hand_over
from penni_escalate.rtl.generator import TEMPLATES, render_template
from penni_escalate.rtl.hand_over import generate
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base import netlist, simulator
from penni_escalate.tb.base.bench import Shape
from penni_escalate.tb.base.job import Job, Variant
from penni_escalate.tb.base.netlist import synthesise
from penni_escalate.tb.base.result import Result, Verdict
from penni_escalate.tb.base.simulator import Design, Outcome, Simulator, build
from penni_escalate.tb.flows.coverage_json import update_coverage
from penni_escalate.tb.flows.formal.sby import Answer, Mode, run_task
from penni_escalate.tb.flows.mutants.equivalence import proved_equivalent
from penni_escalate.tb.flows.mutants.generation import GeneratedMutant, draw
from penni_escalate.tb.flows.regress.job_result import JobResult
from penni_escalate.tb.flows.regress.summary import write_junit
from penni_escalate.tb.flows.report import site
from penni_escalate.tb.flows.result_store import Origin, ResultFile
from penni_escalate.tb.units import unit_bench
from penni_escalate.tb.units.lockstep import wrapper
from penni_escalate.tb.units.lockstep.base import RESULTS
from penni_escalate.tb.units.mutants import run as benches
from penni_escalate.tb.units.mutants.designs import Choosable
from penni_escalate.tb.units.mutants.names import STARTED, outcome_name
from penni_escalate.tb.units.unit_bench import run_units
from tests.tb.flows.test_result_store import Found

STARTS = 200
#: Seconds after which the starts are given up.
LIMIT = 120
TINY = load_accelerator("tiny")
#: What a tool writes.
TEXT = "wire of a text that is long enough to be read by half;\n" * 400
MODULE = f"module m;\n{TEXT}endmodule\n"
FIFO = render_template(TEMPLATES, "fifo.v.j2", TINY)
CONTEXT = multiprocessing.get_context("fork")

#: Something that processes do at the same time, given their number.
Work = Callable[[int], None]
#: Replaces the tools and says what is to be done in a folder.
Kind = Callable[[Path, pytest.MonkeyPatch], Work]
KINDS: dict[str, Kind] = {}


def kind(function: Kind) -> Kind:
    """A kind of folder."""
    KINDS[function.__name__] = function
    return function


def write_slowly(path: Path, text: str) -> None:
    """As a tool does: the file is there before its text, of which a reader may see a part."""
    with path.open("w") as file:
        for part in range(3):
            file.flush()
            time.sleep(0.0005)
            file.write(text[part * len(text) // 3 : (part + 1) * len(text) // 3])


def check_whole(found: str | None, *expected: str) -> None:
    """Raises AssertionError that says how much of a text was seen: pytest's own compares the lines, for minutes."""
    if found not in expected:
        raise AssertionError(f"{len(found or '')} characters are seen of {len(expected[0])}: {(found or '')[:40]!r}")


class Crowd:
    """STARTS processes that do the same at the same time, one kind after the other."""

    def __init__(self) -> None:
        self._order = CONTEXT.Array("c", 4096)
        self._told, self._ready, self._done = (CONTEXT.Barrier(STARTS + 1) for _ in range(3))
        self._processes = [CONTEXT.Process(target=self._live, args=(n,), daemon=True) for n in range(STARTS)]
        for process in self._processes:
            process.start()

    def _live(self, number: int) -> None:
        while True:
            self._told.wait()
            name, folder = json.loads(self._order.value)
            try:
                with pytest.MonkeyPatch.context() as patch:
                    try:
                        work = KINDS[name](Path(folder), patch)
                    finally:
                        self._ready.wait(LIMIT)
                    work(number)
            except BaseException:
                (Path(folder) / f"{number}.problem").write_text(traceback.format_exc())
            self._done.wait(LIMIT)

    def start(self, name: str, folder: Path) -> None:
        """Let all do what a kind says; fails where one fails."""
        self._order.value = json.dumps([name, str(folder)]).encode()
        for barrier in (self._told, self._ready, self._done):
            barrier.wait(LIMIT)
        found = [path.read_text() for path in sorted(folder.glob("*.problem"))]
        assert not found, f"{len(found)} of {STARTS} starts failed, the first:\n{found[0]}"

    def end(self) -> None:
        for process in self._processes:
            process.kill()


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    """Those processes: they have to be made but once."""
    found = Crowd()
    yield found
    found.end()


# ---- the mechanism -------------------------------------------------------------------------------


def test_makers_that_are_killed_leave_nothing_half(tmp_path: Path) -> None:
    """Every maker but those of odd number dies in the middle; the first odd one makes the folder for all."""
    folder = tmp_path / "shared" / "folder"

    def make(number: int, place: Path) -> None:
        (place / "first").write_text("x")
        if number % 2 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        (place / "second").write_text("y")

    def work(number: int) -> None:
        made(folder, lambda place: make(number, place))
        assert {path.name for path in folder.iterdir()} == {"first", "second"}

    # The first is alone, so that one is killed whatever the order of the others.
    killed: list[int] = []
    for numbers in ([0], range(1, 41)):
        processes = {number: CONTEXT.Process(target=work, args=(number,)) for number in numbers}
        for process in processes.values():
            process.start()
        for process in processes.values():
            process.join(LIMIT)
        killed += [number for number, process in processes.items() if process.exitcode == -signal.SIGKILL]
        assert all(process.exitcode in (0, -signal.SIGKILL) for process in processes.values())
        assert folder.exists() is (0 not in processes)
    assert 0 in killed and all(number % 2 == 0 for number in killed)
    assert {path.name for path in folder.parent.iterdir()} == {"folder", ".folder.lock"}


def test_a_maker_that_fails_leaves_its_folder_under_another_name(tmp_path: Path) -> None:
    folder = tmp_path / "folder"

    def fail(place: Path) -> None:
        (place / "log").write_text("why")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        made(folder, fail)
    assert not folder.exists()
    assert (failed_folder(folder) / "log").read_text() == "why"
    assert made(folder, lambda place: (place / "log").write_text("well"))
    assert not made(folder, fail)
    assert (folder / "log").read_text() == "well"
    assert not failed_folder(folder).exists()
    with pytest.raises(ValueError, match="no"), replaced(folder) as place:
        fail(place)
    assert (folder / "log").read_text() == "well", "the last one stays"
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_has_a_name_for_each_content(tmp_path: Path) -> None:
    one, other = written(tmp_path / "x", {"a": "1"}), written(tmp_path / "x", {"a": "2"})
    assert one != other
    assert [(path / "a").read_text() for path in (one, other)] == ["1", "2"]
    assert written(tmp_path / "x", {"a": "1"}) == one


# ---- each kind -----------------------------------------------------------------------------------


def quick_yosys(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """In place of Yosys: writes what the scripts ask for, and fails where another works in its folder."""

    def run(command: Sequence[str], cwd: Path, **_: object) -> CompletedProcess:
        base = (cwd / "base.il").read_text() if (cwd / "base.il").is_file() else ""
        texts = {
            "stat.json": '{"design": {"num_cells_by_type": {"$_AND_": 1}}}',
            "netlist.il": TEXT,
            "netlist.v": MODULE,
            "generated.ys": "mutate -ctrl mutant_i 16 1 -mode inv -cell x -port A -portbit 0\n" * 9,
            **({} if base else {"base.il": TEXT}),
        }
        for name, text in texts.items():
            write_slowly(cwd / name, text)
        if base:
            check_whole((cwd / "base.il").read_text(), base)
        return CompletedProcess(command, 0, "", "")

    patch.setattr("subprocess.run", run)


@kind
def netlists(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    quick_yosys(folder, patch)
    patch.setattr(netlist, "FOLDER", folder / "netlists")

    def work(number: int) -> None:
        found = synthesise({"m.v": f"module m; // {number % 2}\nendmodule\n"}, "m")
        check_whole(found.text, MODULE)
        check_whole(found.rtlil.read_text(), TEXT)

    return work


@kind
def generated_mutants(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    quick_yosys(folder, patch)
    shape = Shape("fifo", {}, "generated")

    def work(number: int) -> None:
        drawing = draw("fifo", shape, {file_name("fifo"): FIFO}, 4 + number % 2, folder / "generated" / "fifo")
        assert len(drawing.mutants) == 4 + number % 2
        check_whole(drawing.text, MODULE)
        check_whole(drawing.base.read_text(), TEXT)

    return work


@kind
def proofs_of_equivalence(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    quick_yosys(folder, patch)

    def work(number: int) -> None:
        base = folder / f"{number}.il"
        base.write_text(f"{number}\n{TEXT}")
        assert proved_equivalent(
            base, "generated", GeneratedMutant(1, "inv", "inv", "-mode inv", ""), folder / "equivalence"
        )

    return work


@kind
def verilog_of_designs(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    patch.setattr(wrapper, "render_template", lambda *_, **__: "")

    def work(number: int) -> None:
        texts = {f"{name}.v": f"{number % 2}\n{TEXT}" for name in "abcd"}
        design = wrapper.write_instances(TINY, folder / "rtl", [], texts)
        for path in design.sources:
            check_whole(path.read_text(), texts.get(path.name, ""))
        assert (design.sources[0].parent / "layout.json").read_text() == "{}"

    return work


@kind
def verilog_in_a_folder_of_the_users(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    """Of two configurations that are written into one folder, one is there at the end."""
    texts = lambda config, folder, prefix: {f"{name}.v": f"{config}\n{TEXT}" for name in "abcdefgh"}  # noqa: E731
    patch.setattr(hand_over, "contents", texts)

    def work(number: int) -> None:
        generate(number % 2, folder / "rtl")  # type: ignore[arg-type]

    return work


@kind
def builds(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    """Two designs of one name, whose texts differ."""

    def compiled(command: Sequence[str], place: Path, environment: object, log: Path) -> int:
        write_slowly(log, "log")
        write_slowly(place / "simulation", Path(command[-1]).read_text())
        return 0

    patch.setattr(simulator, "run_logged", compiled)
    patch.setattr(simulator, "check_simulator", lambda name: None)
    patch.setattr(simulator, "icarus_version", lambda: "12")

    def work(number: int) -> None:
        text = f"{number % 2}\n{TEXT}"
        source = folder / str(number) / "m.v"
        source.parent.mkdir()
        source.write_text(text)
        design = Design(top="m", config=TINY, sources=(source,), folder=folder / "sim")
        build(design, Simulator.ICARUS)
        for _ in range(3):
            check_whole((design.build_folder(Simulator.ICARUS) / "simulation").read_text(), text)
            time.sleep(0.001)

    return work


class Sby:
    """In place of SymbiYosys: finds a counterexample, whose trace is the Verilog."""

    pid = 0

    def __init__(self, command: Sequence[str], cwd: Path, **_: object) -> None:
        self.folder = cwd

    def __enter__(self) -> "Sby":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def communicate(self) -> tuple[str, None]:
        task = self.folder / "task"
        task.mkdir()
        write_slowly(task / "trace.vcd", (self.folder / "m.v").read_text())
        write_slowly(task / "logfile.txt", "summary: counterexample trace: task/trace.vcd\nDONE (FAIL, rc=2)\n")
        return "", None


@kind
def proofs(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    patch.setattr("subprocess.Popen", Sby)
    texts = [f"{number}\n{TEXT}" for number in range(2)]

    def work(number: int) -> None:
        finding = run_task(folder / "m", {"m.v": texts[number % 2]}, "m", Mode.BMC, 1, "smtbmc")
        assert (finding.answer, finding.trace) == (Answer.FAIL, folder / "m" / "task" / "trace.vcd")
        # For a moment there may be none, while that of a later start takes its place.
        with suppress(FileNotFoundError):
            check_whole(finding.trace.read_text(), *texts)

    return work


@kind
def runs_of_a_bench(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    def run(design: Design, sim: Simulator, module: str, place: Path, seed: int, **_: object) -> Outcome:
        part = {"unit": "fifo", "transactions": 400, "comparisons": 900, "cycles": seed, "seconds": 0.0}
        text = json.dumps(part | {"problem": "", "check": "", "detected_ps": None})
        write_slowly(place / RESULTS / f"{seed % 3}.json", text)
        return Outcome(1, 0, place / "log")

    patch.setattr(unit_bench, "run", run)
    design = Design("m", TINY, (folder / "m.v",))

    def work(number: int) -> None:
        (result,) = run_units(design, Simulator.ICARUS, ["fifo"], seed=number, folder=folder / "run")
        assert result.ok, result.problem
        assert result.cycles == number

    return work


@kind
def runs_of_mutants(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    def run(design: Design, sim: Simulator, module: str, place: Path, **_: object) -> Outcome:
        name = outcome_name(int(design.top) % 3, "lockstep")
        write_slowly(place / STARTED, name)
        write_slowly(place / name, json.dumps({"problem": "p", "check": design.top, "instance": "fifo"}))
        return Outcome(1, 0, place / "log")

    patch.setattr(benches, "run", run)

    def work(number: int) -> None:
        mutants = Choosable(Design(str(number), TINY, (folder / "m.v",)), ())
        found = benches.run_bench(mutants, ["fifo.lockstep"], [number % 3], 1, folder / "run")
        assert [finding.check for finding in found[number % 3]] == [str(number)]

    return work


@kind
def result_files(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    file = ResultFile("found.json", "found", Found, lambda result: result.name, lambda results: {"all": len(results)})
    job = Job("fifo.lockstep", "tiny", Simulator.ICARUS, Variant.PLAIN, 1, 1)
    passed = Result(unit="fifo", test="lockstep", config="tiny", tool="icarus", verdict=Verdict.PASSED)
    runs = [JobResult(job, passed, 1.0, "x")] * 10
    origin = Origin({}, "x", provenance())

    def work(number: int) -> None:
        file.update(folder, origin, [Found("fifo", str(number))], 1.0)
        update_coverage({"fifo": {str(number): number}}, {}, folder)
        append_line(folder / "history.jsonl", json.dumps({"number": number}))
        write_junit(runs, folder / "regress.xml")
        assert len(ElementTree.parse(folder / "regress.xml").findall(".//testcase")) == len(runs)

    return work


@kind
def the_report(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    def pages(report: object) -> Iterator[tuple[str, str]]:
        for name in ("failures.html", "index.html"):
            yield name, TEXT
            time.sleep(0.01)

    patch.setattr(site, "_pages", pages)
    patch.setattr(site, "_summary", lambda *_: {})
    patch.setattr(site, "with_logs", lambda folder, facts: (facts, {}))
    for name in ("read_facts", "checklist", "snapshot_of", "verdict_of", "remember", "failures_of"):
        patch.setattr(site, name, lambda *_: [])

    def work(number: int) -> None:
        page = site.write_site(folder / "results", folder / "report")
        with suppress(FileNotFoundError):
            check_whole(page.read_text(), TEXT)

    return work


@kind
def functions_that_numba_compiled(folder: Path, patch: pytest.MonkeyPatch) -> Work:
    """A function for arguments of five kinds, whose source was changed: what the older one left must not be taken."""
    compiled = folder / "numba"
    compiled.mkdir(exist_ok=True)
    for number in range(1, 6):
        (compiled / f"function.{number}.nbc").write_bytes(pickle.dumps("of the older source"))

    def work(number: int) -> None:
        kept = caching.IndexDataCacheFile(str(compiled), "function", "new source")
        key = number % 5
        if kept.load(key) is None:
            kept.save(key, f"{key}\n{TEXT}")
        check_whole(kept.load(key), f"{key}\n{TEXT}")

    return work


@pytest.mark.parametrize("name", KINDS)
def test_simultaneous_starts(name: str, crowd: Crowd, tmp_path: Path) -> None:
    crowd.start(name, tmp_path)
    if name == "result_files":
        assert json.loads((tmp_path / "found.json").read_text())["all"] == STARTS
        assert len(json.loads((tmp_path / "coverage.json").read_text())["units"]["fifo"]) == STARTS
        lines = (tmp_path / "history.jsonl").read_text().splitlines()
        assert sorted(json.loads(line)["number"] for line in lines) == list(range(STARTS))
    if name == "verilog_in_a_folder_of_the_users":
        assert len({path.read_text() for path in (tmp_path / "rtl").glob("*.v")}) == 1
