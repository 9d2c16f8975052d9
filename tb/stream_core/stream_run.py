"""Runs of the stream core: files in, cocotb in between, records out, compared with the cycle model."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.common.shared_folder import locked, written
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stalls import Stalls
from penni_escalate.golden.cycle.stream_core import CoreCounter, Trace, simulate
from penni_escalate.golden.schedule import Pass, load_words
from penni_escalate.golden.sparsemap import SparseTensor
from penni_escalate.rtl.generator import render, render_template
from penni_escalate.tb.base.handshake_checker import RECORD as UNKNOWN
from penni_escalate.tb.base.handshake_checker import checker_text
from penni_escalate.tb.base.load_port import LoadPort, bits_to_int, bytes_to_int
from penni_escalate.tb.base.random_work import STALL_LENGTH
from penni_escalate.tb.base.simulator import PERIOD_PS, Design, Outcome, Simulator, run, unended

HDL = Path(__file__).resolve().parent / "hdl"
#: The units whose streams are driven: one core, or all clusters.
CORE, CLUSTERS = "stream_core", "clusters"
#: Transfers that the bench's memories hold.
REPLAY_DEPTH = 65536
MODULE = "penni_escalate.tb.stream_core.stream_core_tests"
#: Folders of a batch's runs: those of an earlier batch are removed.
_RUNS = "[0-9][0-9][0-9]*_*"
#: Cycles that a run which is aborted takes at least.
LEAST_ABORTED = 2
#: Takes the place of a counter that is X.
_UNKNOWN = -1
#: What the simulation writes when a run has ended: the counters, and when the run's cycle 0 began.
RECORD = "counters.json"


@dataclass(frozen=True)
class StreamRun:
    """Passes to run back to back from reset.

    Attributes:
        name: unique in its batch; a folder is named after it.
        inputs: the input of each pass.
        trace_z: compare every z too, not only outputs and counters.
        layers: of which the passes are.
        aborted_at: cycles after which reset ends the run, for a single cycle; the next run of the batch begins
            in the cycle after it. None: the run comes to its end.
    """

    name: str
    passes: list[Pass]
    inputs: list[SparseTensor]
    stalls: Stalls
    trace_z: bool = False
    layers: int = 1
    aborted_at: int | None = None


@dataclass(frozen=True)
class Prediction:
    """A run with what the cycle model says of it; ``loads`` are the load port's transfers."""

    run: StreamRun
    loads: list[int]
    trace: Trace


@dataclass(frozen=True)
class Difference:
    """One value or cycle that is not what the cycle model says.

    Attributes:
        what: 'value', 'cycle', 'counter', 'z', 'z cycle' or a sentence on the whole run.
        place: where in the run: for outputs (pass, row, column, channel), else words; empty for the whole run.
        cycle: the RTL's cycle, -1 where there is none.
    """

    what: str
    place: tuple[int, int, int, int] | str
    expected: int | str
    got: int | str
    cycle: int


@dataclass(frozen=True)
class Comparison:
    """Verdict on one run.

    Attributes:
        values: output values compared; cycles: output cycles compared; z: z values and cycles compared.
        value_mismatches, cycle_mismatches: how many differ (a counter counts as a cycle).
        differences: the first of them, some of each kind.
        rtl_cycles: cycle in which the last output group left, plus one; 0 where none did.
        outputs: uint8 (groups, GROUP): the RTL's outputs, unpacked; groups that never came are 0.
        block_counters, core_counters: the RTL's; 0 of a run that was aborted.
        aborted: reset ended the run; what came before is compared, and nothing may have come to be compared.
        idle: there was no pass to run, and nothing but counters of 0 to compare.
        begin_ps: simulation time at which the run's cycle 0 began; None where the run did not come to its end.
    """

    values: int
    cycles: int
    z: int
    value_mismatches: int
    cycle_mismatches: int
    differences: tuple[Difference, ...]
    rtl_cycles: int
    outputs: np.ndarray
    block_counters: np.ndarray
    core_counters: np.ndarray
    aborted: bool = False
    idle: bool = False
    begin_ps: int | None = None

    @property
    def ok(self) -> bool:
        """Something was compared, except in a run that was aborted or had no pass, and nothing differs."""
        compared = self.aborted or self.idle or (self.values > 0 and self.cycles > 0)
        return compared and not self.value_mismatches and not self.cycle_mismatches

    @property
    def first_cycle(self) -> int | None:
        """The first cycle in which something differs; None where nothing that differs has a cycle."""
        return min((difference.cycle for difference in self.differences if difference.cycle >= 0), default=None)

    @property
    def detected_ps(self) -> int | None:
        """Simulation time of the edge that ends the cycle of the first difference that has one; None where none has."""
        cycle = next((difference.cycle for difference in self.differences if difference.cycle >= 0), None)
        return None if cycle is None or self.begin_ps is None else self.begin_ps + (cycle + 1) * PERIOD_PS


def stream_design(
    config: Accelerator,
    folder: Path,
    *,
    top: str = CORE,
    trace: bool = True,
    waves: bool = False,
    coverage: bool = False,
    long_runs: bool = False,
) -> Design:
    """Write the Verilog of a configuration and a bench into a folder whose name begins with ``folder``.

    Returns what to build. The arguments are those of ``bench_design`` and ``Design``.
    """
    files = render(config)
    return replace(
        bench_design(config, folder, files, files, top=top, trace=trace, waves=waves, coverage=coverage),
        long_runs=long_runs,
    )


def place_of(config: Accelerator, core: int) -> str:
    """The folder, below a run's, of what one of the bench's cores is sent and gives."""
    return f"cluster_{core}" if config.clusters > 1 else "."


def bench_design(
    config: Accelerator,
    folder: Path,
    core: Mapping[str, str],
    files: Mapping[str, str],
    *,
    top: str = CORE,
    trace: bool = True,
    waves: bool = False,
    coverage: bool = False,
) -> Design:
    """Write the Verilog and the bench round a stream core, or round all clusters; returns what to build.

    Args:
        top: the unit whose streams are driven. With the stream core the design's configuration is that of one cluster.
        folder: begins the name of the folder that they are written into.
        core: the Verilog by file name.
        files: the generated Verilog by file name, for the hierarchy and its handshakes; of a netlist, what it was
            made of.
        trace: record z; ``core`` then holds what TRACE_Z adds.
    """
    if top == CORE:
        config = replace(config, clusters=1)
    bench, checker = "stream_bench.v", "handshake_checker.v"
    texts = {
        **core,
        bench: render_template(HDL, "stream_bench.v.j2", config, top=top),
        checker: checker_text(config, files, top, "stream_bench.u_core"),
    }
    place = written(folder, texts)
    return Design(
        top="stream_bench",
        config=config,
        sources=(*(place / name for name in core), HDL / "replay_driver.v", place / checker, place / bench),
        controls=(HDL / "blocks.vlt", HDL / "stream_bench.vlt"),
        defines=("TRACE_Z",) if trace else (),
        waves=waves,
        coverage=coverage,
    )


def exceeds_bench_memory(config: Accelerator, passes: Sequence[Pass]) -> str | None:
    """Why the bench cannot hold a run of these passes; None where it can."""
    groups = sum(p.geometry.height * p.geometry.width * len(p.groups) for p in passes)
    transfers = sum(load_words(p, config) for p in passes)
    if max(groups, transfers) <= REPLAY_DEPTH:
        return None
    return (
        f"{groups} input groups and {transfers} load transfers are more than the {REPLAY_DEPTH} of each that the bench "
        "holds, use a larger configuration or a smaller layer"
    )


def predict(config: Accelerator, work: StreamRun) -> Prediction:
    """Run the cycle model. Raises UserError where the run is too large for the bench."""
    problem = exceeds_bench_memory(config, work.passes)
    if problem is not None:
        raise UserError(f"Run '{work.name}' cannot be simulated: {problem}.")
    loads = [load_words(p, config) for p in work.passes]
    return to_replay(config, work, simulate(config, work.passes, work.inputs, loads, work.stalls))


def to_replay(config: Accelerator, work: StreamRun, trace: Trace) -> Prediction:
    """A run whose trace is known, with the words that the bench replays."""
    port = LoadPort(config)
    return Prediction(work, [word for p in work.passes for word in port.transfers(p)], trace)


def _group_words(config: Accelerator, tensors: Sequence[SparseTensor]) -> list[str]:
    bits = config.group
    coded: dict[int, list[str]] = {}
    for tensor in tensors:
        if id(tensor) in coded:
            continue
        pixels, groups, _ = tensor.maps.shape
        words = coded[id(tensor)] = []
        for pixel in range(pixels):
            for group in range(groups):
                eop = group == groups - 1
                last = eop and pixel == pixels - 1
                head = (last << 1 | eop) << bits | bits_to_int(tensor.maps[pixel, group])
                words.append(f"{head << 8 * bits | bytes_to_int(tensor.values[pixel, group]):x}")
    return [word for tensor in tensors for word in coded[id(tensor)]]


def _stall_lines(pattern: np.ndarray) -> str:
    repeated = np.resize(pattern, STALL_LENGTH).astype(int)
    return "\n".join(map(str, repeated)) + "\n"


def write_run(config: Accelerator, predictions: Sequence[Prediction], folder: Path) -> None:
    """The files that the bench replays on each of its cores."""
    cores = []
    for core, prediction in enumerate(predictions):
        work, name = prediction.run, place_of(config, core)
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        words = _group_words(config, work.inputs)
        (place / "load.hex").write_text("\n".join(f"{word:x}" for word in prediction.loads) + "\n")
        (place / "group.hex").write_text("\n".join(words) + "\n")
        for stream, pattern in (
            ("load", work.stalls.load),
            ("input", work.stalls.input),
            ("output", work.stalls.output),
        ):
            (place / f"{stream}_stall.bin").write_text(_stall_lines(pattern))
        counts = {"load_count": len(prediction.loads), "group_count": len(words), "pass_count": len(work.passes)}
        cores.append({"folder": name, **counts})
    # A design that is twice as slow as predicted is wrong in any case.
    limit = 2 * max(prediction.trace.cycles for prediction in predictions) + 1000
    aborted_at = predictions[0].run.aborted_at
    settings = {
        "cores": cores,
        # Python sees the end a cycle after the limit, and the bench passes the reset on in the next.
        "limit": limit if aborted_at is None else aborted_at - LEAST_ABORTED,
        "aborted": aborted_at is not None,
        "trace": any(prediction.run.trace_z for prediction in predictions),
        "blocks": config.blocks,
    }
    (folder / "run.json").write_text(json.dumps(settings))


def run_batch(
    design: Design,
    simulator: Simulator,
    predictions: Sequence[Prediction],
    folder: Path,
    seed: int,
    advance: Callable[[], None] = lambda: None,
    plusargs: Sequence[str] = (),
) -> tuple[Outcome, list[Comparison]]:
    """Simulate runs one after the other in one simulator process and compare each with its prediction.

    Of a design with several clusters, as many predictions in turn run side by side, one on each cluster.
    ``advance`` is called after each run that has been simulated; ``plusargs`` go to the simulator. Where the simulation
    did not come to its end, the comparisons say nothing of the design.
    Raises ValueError where a run is aborted outside its time.
    """
    for prediction in predictions:
        aborted_at = prediction.run.aborted_at
        if aborted_at is not None and not LEAST_ABORTED <= aborted_at < prediction.trace.cycles:
            raise ValueError(
                f"run {prediction.run.name} of {prediction.trace.cycles} cycles cannot be aborted at {aborted_at}"
            )
    folder = folder.resolve()
    cores = design.config.clusters
    together = [predictions[n : n + cores] for n in range(0, len(predictions), cores)]
    # As ``_RUNS`` has it.
    names = [f"{number:03d}_{some[0].run.name}" for number, some in enumerate(together)]
    with locked(folder):
        for old in folder.glob(_RUNS):
            shutil.rmtree(old)
        for name, some in zip(names, together, strict=True):
            write_run(design.config, some, folder / name)
        (folder / "runs.json").write_text(json.dumps(names))
        with _watched([folder / name / RECORD for name in names], advance):
            outcome = run(design, simulator, MODULE, folder, seed=seed, plusargs=plusargs)
        if outcome.ended and (outcome.failed or not all((folder / name / RECORD).is_file() for name in names)):
            # The bench fails by no difference: comparing is done here.
            outcome = unended(outcome.log)
        return outcome, [
            compare(design.config, prediction, folder / name, core)
            for some, name in zip(together, names, strict=True)
            for core, prediction in enumerate(some)
        ]


@contextmanager
def _watched(files: list[Path], advance: Callable[[], None]) -> Iterator[None]:
    """Call ``advance`` once for each of ``files`` that comes to be, and for the rest at the end."""
    ended = threading.Event()

    def watch() -> None:
        waiting = files
        while waiting:
            late = ended.wait(0.2)
            left = [file for file in waiting if not file.is_file() and not late]
            for _ in range(len(waiting) - len(left)):
                advance()
            waiting = left

    monitor = threading.Thread(target=watch)
    monitor.start()
    try:
        yield
    finally:
        ended.set()
        monitor.join()


def _unpack(map_bits: int, packed: bytes, group: int) -> np.ndarray:
    values = np.zeros(group, np.uint8)
    place = 0
    for channel in range(group):
        if map_bits >> channel & 1:
            values[channel] = packed[place]
            place += 1
    if any(packed[place:]):
        raise ValueError("a packed lane beyond the map's ones is not 0")
    return values


class _Tally:
    """Counts mismatches and keeps the first few of each kind."""

    KEPT = 8

    def __init__(self) -> None:
        self.values = 0
        self.cycles = 0
        self.kept: list[Difference] = []

    def note(self, *differences: Difference, value: bool, count: int | None = None) -> None:
        """Note differences of one kind, the first of ``count``; that many they are where it is not given."""
        if value:
            self.values += len(differences) if count is None else count
        else:
            self.cycles += len(differences) if count is None else count
        if differences:
            held = sum(kept.what == differences[0].what for kept in self.kept)
            self.kept.extend(differences[: max(0, self.KEPT - held)])


def compare(config: Accelerator, prediction: Prediction, folder: Path, core: int = 0) -> Comparison:
    """Compare what a run's folder recorded of one of the bench's cores with the prediction."""
    place = folder / place_of(config, core)
    trace, tally = prediction.trace, _Tally()
    aborted_at = prediction.run.aborted_at
    outputs = np.zeros_like(trace.outputs)
    got_cycle = _compare_outputs(config, prediction, place / "output.txt", outputs, tally)
    z = _compare_z(prediction, place / "z.txt", tally) if prediction.run.trace_z else 0
    recorded = _recorded(folder)
    blocks, own = _compare_counters(config, prediction, recorded, folder, core, tally)
    return Comparison(
        values=len(got_cycle) * min(config.blocks, config.group),
        cycles=len(got_cycle) + (blocks.size + own.size if aborted_at is None else 0),
        z=z,
        value_mismatches=tally.values,
        cycle_mismatches=tally.cycles,
        differences=tuple(tally.kept),
        rtl_cycles=got_cycle[-1] + 1 if got_cycle else 0,
        outputs=outputs,
        block_counters=blocks,
        core_counters=own,
        aborted=aborted_at is not None,
        idle=not prediction.run.passes,
        begin_ps=recorded["begin_ps"] if recorded else None,
    )


def _recorded(folder: Path) -> dict | None:
    """What the simulation wrote when the run had ended; None where it did not get so far."""
    path = folder / RECORD
    return json.loads(path.read_text()) if path.is_file() else None


def _places(config: Accelerator, prediction: Prediction) -> list[tuple[int, int, int, int]]:
    """(pass, output row, output column, first channel) of every output group."""
    group_codes = min(config.blocks, config.group)
    return [
        (number, y, x, group * group_codes)
        for number, p in enumerate(prediction.run.passes)
        for y in range(p.result_height)
        for x in range(p.result_width)
        for group in range(p.codes * config.blocks // group_codes)
    ]


def _compare_outputs(
    config: Accelerator, prediction: Prediction, path: Path, outputs: np.ndarray, tally: _Tally
) -> list[int]:
    trace, aborted_at = prediction.trace, prediction.run.aborted_at
    lines = path.read_text().splitlines() if path.is_file() else []
    expected = len(trace.outputs) if aborted_at is None else int(np.count_nonzero(trace.output_cycle < aborted_at))
    if len(lines) != expected:
        tally.note(Difference("groups", "", expected, len(lines), -1), value=True)
    places = _places(config, prediction)
    last_groups = {n for n, place in enumerate(places) if n + 1 == len(places) or places[n + 1][0] != place[0]}
    last_of_pixel = {n for n, place in enumerate(places) if n + 1 == len(places) or places[n + 1][:3] != place[:3]}
    cycles = []
    for n, line in enumerate(lines[: len(trace.outputs)]):
        text_cycle, text_map, text_values, eop, last = line.split()
        cycle = int(text_cycle)
        cycles.append(cycle)
        flags = (str(int(n in last_of_pixel)), str(int(n in last_groups)))
        if (eop, last) != flags:
            got = "X" if _has_x(eop + last) else f"{(eop, last)}"
            tally.note(Difference("flags", places[n], f"{flags}", got, cycle), value=True)
        if _has_x(text_map + text_values):
            got = f"X (map {text_map}, values {text_values})"
            tally.note(Difference("coding", places[n], "SparseMap group", got, cycle), value=True)
            continue
        try:
            packed = int(text_values, 16).to_bytes(config.group, "little")
            outputs[n] = _unpack(int(text_map, 16), packed, config.group)
        except ValueError as error:
            tally.note(Difference("coding", places[n], "SparseMap group", str(error), cycle), value=True)
            continue
        wrong = np.flatnonzero(outputs[n] != trace.outputs[n])
        tally.note(
            *(
                Difference(
                    "value",
                    (*places[n][:3], places[n][3] + int(lane)),
                    int(trace.outputs[n, lane]),
                    int(outputs[n, lane]),
                    cycle,
                )
                for lane in wrong
            ),
            value=True,
        )
        if cycle != trace.output_cycle[n]:
            tally.note(Difference("cycle", places[n], int(trace.output_cycle[n]), cycle, cycle), value=False)
    return cycles


def _has_x(text: str) -> bool:
    """Whether a value that the bench printed has unknown bits; a digit of which only some are is X or Z."""
    return any(letter in text.lower() for letter in "xz")


def _z_place(prediction: Prediction, block: int, row: int, number: int) -> str:
    """Where a row's z of this number belongs: a row gives one for each pixel of the input, pass after pass."""
    for place, p in enumerate(prediction.run.passes):
        pixels = p.geometry.height * p.geometry.width
        if number < pixels:
            y, x = divmod(number, p.geometry.width)
            return f"pass {place}, block {block}, row {row}, input row {y}, column {x}"
        number -= pixels
    raise AssertionError("a row gives no more z than its passes have pixels")


def _compare_z(prediction: Prediction, path: Path, tally: _Tally) -> int:
    trace, aborted_at = prediction.trace, prediction.run.aborted_at
    text = path.read_text() if path.is_file() else ""
    if _has_x(text):
        before = text[: next(n for n, letter in enumerate(text) if letter in "xXzZ")].splitlines()
        cycle, block, row = map(int, before[-1].split())
        number = sum(line.split()[1:3] == [str(block), str(row)] for line in before[:-1])
        tally.note(Difference("z", _z_place(prediction, block, row, number), "a number", "X", cycle), value=True)
        return 0
    records = np.array(text.split(), np.int64).reshape(-1, 4)
    blocks, rows, _ = trace.z.shape
    found: dict[str, list[Difference]] = {"z": [], "z cycle": []}
    counts = dict.fromkeys(found, 0)
    for b in range(blocks):
        for m in range(rows):
            mine = records[(records[:, 1] == b) & (records[:, 2] == m)]
            z_cycle = trace.z_cycle[b, m]
            # A row writes its z in order.
            pixels = len(z_cycle) if aborted_at is None else int(np.count_nonzero(z_cycle < aborted_at))
            if len(mine) != pixels:
                where = f"block {b}, row {m}"
                tally.note(Difference("z count", where, pixels, len(mine), -1), value=True)
                continue
            for what, column, expected in (("z", 3, trace.z[b, m, :pixels]), ("z cycle", 0, z_cycle[:pixels])):
                wrong = np.flatnonzero(mine[:, column] != expected)
                counts[what] += len(wrong)
                found[what] += [
                    Difference(
                        what,
                        _z_place(prediction, b, m, int(n)),
                        int(expected[n]),
                        int(mine[n, column]),
                        int(mine[n, 0]),
                    )
                    for n in wrong[: _Tally.KEPT]
                ]
    for what, differences in found.items():
        # Each row's are in order of time.
        earliest = sorted(differences, key=lambda difference: difference.cycle)
        tally.note(*earliest, value=what == "z", count=counts[what])
    return len(records)


def _known(count: int | None) -> int | str:
    """A counter as it is told: X where the simulation read no number."""
    return "X" if count is None or count == _UNKNOWN else int(count)


def _compare_counters(
    config: Accelerator, prediction: Prediction, recorded: dict | None, folder: Path, number: int, tally: _Tally
) -> tuple[np.ndarray, np.ndarray]:
    trace = prediction.trace
    blocks = np.zeros((config.blocks, len(BlockCounter)), np.int64)
    core = np.zeros(len(CoreCounter), np.int64)
    if recorded is None:
        tally.note(Difference("run", "", "counters", "the simulation ended before they were read", -1), value=False)
        return blocks, core
    if recorded["unknown"]:
        unknown = folder / UNKNOWN
        lines = unknown.read_text().splitlines() if unknown.is_file() else []
        cycle, _, names = lines[0].partition(" ") if lines else ("-1", "", "")
        found = f"X on {names}" if names else "X"
        tally.note(Difference("run", "", "0 or 1 on every valid and ready", found, int(cycle)), value=True)
    if prediction.run.aborted_at is not None:
        return blocks, core
    counted = recorded["cores"][number]
    if counted["left_by_clear"] != 0:
        left = _known(counted["left_by_clear"])
        tally.note(Difference("counter", "the core after clearing", 0, left, -1), value=False)
    blocks[:] = [[_UNKNOWN if count is None else count for count in counts] for counts in counted["blocks"]]
    core[:] = [_UNKNOWN if count is None else count for count in counted["core"]]
    for counter in BlockCounter:
        for b in np.flatnonzero(blocks[:, counter] != trace.block_counters[:, counter]):
            expected, got = int(trace.block_counters[b, counter]), _known(blocks[b, counter])
            where = f"{counter.name.lower()} of block {b}"
            tally.note(Difference("counter", where, expected, got, -1), value=False)
    for core_counter in CoreCounter:
        expected, got = int(trace.core_counters[core_counter]), _known(core[core_counter])
        if expected != got:
            tally.note(Difference("counter", core_counter.name.lower(), expected, got, -1), value=False)
    return blocks, core


def _output_place(number: int, row: int, column: int, channel: int) -> str:
    return f"pass {number}, row {row}, column {column}, channel {channel}"


def describe(difference: Difference, output_place: Callable[[int, int, int, int], str] = _output_place) -> str:
    """One line: what, where, expected, got, cycle; ``output_place`` says where an output is."""
    place, cycle = difference.place, f", cycle {difference.cycle}" if difference.cycle >= 0 else ""
    where = (place or "the run") if isinstance(place, str) else output_place(*place)
    return f"{difference.what} at {where}: expected {difference.expected}, got {difference.got}{cycle}"
