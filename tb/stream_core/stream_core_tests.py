"""Runs inside the simulator: replays the runs that runs.json names, each from reset.

A run that is aborted ends in the middle: the clock stands still while the files of the next run are laid
out, so that a single cycle of reset is all that lies between the two.

The bench's replay drivers and recorders work by themselves; Python wakes at the end of a run to read the
counters and to lay out the files of the next.
"""

import json
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer
from cocotb.utils import get_sim_time

RECORDED = ("output.txt", "z.txt")
#: What is unknown is looked for in all cores together.
UNKNOWN = Path("unknown.txt")
REPLAYED = ("load.hex", "group.hex", "load_stall.bin", "input_stall.bin", "output_stall.bin")
PERIOD_NS = 10
#: Counters of the core, and of a block.
COUNTERS = 7
#: Of a core's number among those of all cores.
CORE_BITS = 32


class StreamBench:
    """The bench's control ports."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self._clock = Clock(dut.clk_i, PERIOD_NS, unit="ns")
        #: The clock stands still, with the bench in reset: the run before was aborted.
        self._halted = False

    async def start(self) -> None:
        """Start the clock, in reset."""
        self.dut.rst_i.value = 1
        self.dut.reload_i.value = 0
        self.dut.trace_i.value = 0
        self.dut.counter_clear_i.value = 0
        self.dut.counter_core_i.value = 0
        self.dut.counter_block_i.value = 0
        self.dut.counter_index_i.value = 0
        self._clock.start()
        await self.cycles(4)

    async def cycles(self, count: int) -> None:
        """Wait; ends just after a falling edge, where inputs may change safely."""
        await Timer(count * PERIOD_NS, unit="ns")

    async def replay(self, settings: dict) -> tuple[float, int]:
        """Play one run to its end; returns the seconds that it took, and when its cycle 0 began, in ps."""
        if self._halted:
            # The reset that the next edge brings is the core's only one.
            self.dut.rst_i.value = 0
        else:
            self.dut.rst_i.value = 1
        for count in ("load_count", "group_count", "pass_count"):
            of_cores = (core[count] << CORE_BITS * n for n, core in enumerate(settings["cores"]))
            getattr(self.dut, f"{count}_i").value = sum(of_cores)
        self.dut.limit_i.value = settings["limit"]
        self.dut.trace_i.value = int(settings["trace"])
        await self.cycles(2)
        self.dut.reload_i.value = 1
        await self.cycles(2)
        self.dut.reload_i.value = 0
        await self.cycles(2)
        begin = time.perf_counter()
        if self._halted:
            self._clock.start(start_high=False)
            self._halted = False
        self.dut.rst_i.value = 0
        # The bench passes the release on with the next edge, which may be due at this very time.
        await RisingEdge(self.dut.clk_i)
        begin_ps = get_sim_time("step")
        await RisingEdge(self.dut.end_o)
        if settings["aborted"]:
            await self._cut()
        seconds = time.perf_counter() - begin
        await self.cycles(2)
        return seconds, begin_ps

    async def _cut(self) -> None:
        """Pass a reset on to the core with the next edge, and stop the clock before the core sees it."""
        self.dut.rst_i.value = 1
        await RisingEdge(self.dut.clk_i)
        await FallingEdge(self.dut.clk_i)
        self._clock.stop()
        self._halted = True

    async def counter(self, core: bool, block: int, index: int) -> list[int | None]:
        """Read a performance counter of each core; None where it is X."""
        self.dut.counter_core_i.value = int(core)
        self.dut.counter_block_i.value = block
        self.dut.counter_index_i.value = index
        await self.cycles(4)
        bits = str(self.dut.counter_o.value)
        ends = range(len(bits), 0, -CORE_BITS)
        values = (bits[end - CORE_BITS : end] for end in ends)
        return [int(value, 2) if set(value) <= {"0", "1"} else None for value in values]

    async def counters(self, blocks: int, count: int = COUNTERS) -> list[dict[str, Any]]:
        """All counters of each core: its own, and those of each block."""
        own = [await self.counter(True, 0, index) for index in range(count)]
        of_blocks = [[await self.counter(False, block, index) for index in range(count)] for block in range(blocks)]
        return [
            {"core": [values[n] for values in own], "blocks": [[values[n] for values in block] for block in of_blocks]}
            for n in range(len(own[0]))
        ]

    async def clear_counters(self) -> None:
        """Set all counters to 0."""
        self.dut.counter_clear_i.value = 1
        await self.cycles(2)
        self.dut.counter_clear_i.value = 0
        await self.cycles(2)


@cocotb.test()
async def play_runs(dut) -> None:
    """Plays every run; comparing is done outside, from what was recorded."""
    bench = StreamBench(dut)
    await bench.start()
    names = json.loads(Path("runs.json").read_text())
    assert names, "runs.json names no run"
    for name in names:
        folder = Path(name)
        settings = json.loads((folder / "run.json").read_text())
        places = [Path(core["folder"]) for core in settings["cores"]]
        for place in places:
            place.mkdir(exist_ok=True)
            for replayed in REPLAYED:
                (place / replayed).write_bytes((folder / place / replayed).read_bytes())
        seconds, begin_ps = await bench.replay(settings)
        for place in places:
            for record in RECORDED:
                if (place / record).is_file():
                    (folder / place / record).write_bytes((place / record).read_bytes())
        if UNKNOWN.is_file():
            (folder / UNKNOWN).write_bytes(UNKNOWN.read_bytes())
        recorded: dict[str, object] = {
            "seconds": seconds,
            "begin_ps": begin_ps,
            "unknown": int(dut.unknown_o.value),
        }
        if not settings["aborted"]:
            cores = await bench.counters(settings["blocks"])
            await bench.clear_counters()
            # The index behind the last names no counter and reads 0 as well.
            for core, cleared in zip(cores, await bench.counters(settings["blocks"], COUNTERS + 1), strict=True):
                left = [count for counts in (cleared["core"], *cleared["blocks"]) for count in counts]
                core["left_by_clear"] = None if None in left else sum(left)
            recorded["cores"] = cores
        (folder / "counters.json").write_text(json.dumps(recorded))
