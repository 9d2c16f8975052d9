"""Collector against the cycle model: drains done lines, requantizes, and assembles groups.

The bench plays the blocks, and an encoder that may refuse in any cycle. The model's last two stages are
the encoder's.
"""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from golden.cycle.collector import STAGES, make_collector, step_collector
from golden.cycle.psum_lines import make_psum_lines
from golden.cycle.work import work_of
from tb.load_port import LoadKind, LoadPort
from tb.lockstep.base import Inputs, UnitBench
from tb.lockstep.passes import random_pass, transfers_of
from tb.lockstep.signals import Sample
from tb.lockstep.stimulus import Pace, pack

WORD = (1 << 32) - 1
#: The stage whose register is the collector's output: two before the encoder's last.
OUTPUT = STAGES - 3


class CollectorBench(UnitBench):
    """A transaction is a group that is handed over.

    Assumptions: a bank of parameters is written only when the last group of the pass before the last has
    left the encoder; a psum stands from the cycle after its read until the next read or until its line
    is freed.
    """

    unit = "collector"
    handshakes = ("values_valid_o",)

    def begin(self) -> None:
        """Random passes; blocks that finish their lines one by one."""
        config = self.config
        port = LoadPort(config)
        passes = [random_pass(self.numbers, config).work for _ in range(self.random.randint(1, 4))]
        self.work = work_of(passes, [0] * len(passes), self.sizes)
        self.loads = [
            (p, transfer)
            for p, work in enumerate(passes)
            for transfer in transfers_of(port, work, {LoadKind.CHANNEL}, self.random)
        ]
        self.loaded = 0
        per_column = config.blocks // config.group
        columns = self.work.out_height * self.work.out_width
        self.last_groups = set((np.cumsum(columns * per_column) - 1).tolist())
        self.total = int(columns.sum()) * per_column
        self.model = make_collector(self.total, self.sizes)
        self.lines = make_psum_lines(self.sizes)
        #: Lines begun by each block, counted over all passes.
        self.begun = [0] * config.blocks
        self.rows = int(self.work.out_height.sum())
        self.freed = 0
        self.shown: list[int] | None = None
        self.left = 0
        self.passes_left = 0
        self.done_pace, self.out_pace, self.load_pace = (Pace(self.random) for _ in range(3))

    def _pass_of_row(self, row: int) -> int:
        """The pass that an output row, counted over all passes, belongs to."""
        return int(np.searchsorted(self.work.lines_before, row, side="right")) - 1

    def _finish_lines(self) -> None:
        """Blocks finish lines: each in its own time, at most PSUM_LINES ahead of the one freed last."""
        if not self.done_pace():
            return
        for b in range(self.config.blocks):
            row = self.begun[b]
            if row == self.rows or row - self.freed >= self.config.psum_lines or self.random.random() < 0.3:
                continue
            p = self._pass_of_row(row)
            if p >= self.model.loaded[0]:
                continue
            line = row % self.config.psum_lines
            psums = self._new_psums(p, b)
            self.lines.psum[b, line] = psums - self.work.bias[p, b]
            self.lines.done[b] |= 1 << line
            self.begun[b] += 1

    def _new_psums(self, p: int, b: int) -> np.ndarray:
        """Psums of a line: some near the codes' range, some anything."""
        width = self.config.width_max
        shift, multiplier = int(self.work.shift[p, b]), max(int(self.work.multiplier[p, b]), 1)
        reach = min(2**31 - 1, (400 << shift) // multiplier + 1)
        psums = self.numbers.integers(-reach, reach + 1, width)
        if self.random.random() < 0.2:
            extremes = np.array([-(2**31), 2**31 - 1, 0])
            psums = np.where(self.numbers.random(width) < 0.5, self.numbers.choice(extremes, width), psums)
        return psums

    def _load(self) -> dict[str, int]:
        """The next parameters, where their bank is free."""
        if self.loaded == len(self.loads):
            return {}
        number, transfer = self.loads[self.loaded]
        if number - self.passes_left >= 2 or not self.load_pace():
            return {}
        inputs = {"load_bank_i": number % 2, "load_data_i": transfer.data}
        if transfer.kind is LoadKind.PASS:
            return inputs | {"load_pass_i": 1}
        assert transfer.block is not None
        return inputs | {"load_channel_i": 1 << transfer.block}

    def drive(self) -> Inputs:
        """Load, finish lines, show psums, take groups or not."""
        inputs = self._load()
        self._finish_lines()
        done = int(np.bitwise_and.reduce(self.lines.done))
        self.coverage.met("line waits for one block", done != int(np.bitwise_or.reduce(self.lines.done)))
        psums = self.shown or [self.random.getrandbits(32) for _ in range(self.config.blocks)]
        inputs |= {"done_i": done, "values_ready_i": int(self.out_pace())}
        return inputs | {f"psum_{b}_i": value for b, value in enumerate(psums)}

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """The group at the output; then one edge; then the read and the line that is freed."""
        model, taps = self.model, self.config.taps
        group = int(model.stages[OUTPUT])
        self.expect(sample, "values_valid_o", group >= 0)
        if group >= 0:
            per_column = self.config.blocks // self.config.group
            self.expect(sample, "values_o", pack(model.outputs[group], 8))
            self.expect(sample, "values_eop_o", group % per_column == per_column - 1)
            self.expect(sample, "values_last_o", group in self.last_groups)
            self.transactions += inputs["values_ready_i"]
        self.coverage.met("stalled", not inputs["values_ready_i"])
        self.coverage.met("two passes loaded", int(model.loaded[0]) - self.passes_left == 2)
        place = p, row, column = int(model.work[0]), int(model.row[0]), int(model.column[0])
        starts = bool(inputs.get("load_pass_i"))
        free, leaving = self._step(bool(inputs["values_ready_i"]), starts)
        reads = place != (int(model.work[0]), int(model.row[0]), int(model.column[0]))
        self.expect(sample, "drain_read_o", reads)
        self.expect(sample, "drain_free_o", free)
        if free:
            self.lines.done[:] &= ~free
            self.freed += 1
            self.shown = None
        if reads:
            line = int(self.work.lines_before[p] + row) % self.config.psum_lines
            self.expect(sample, "drain_line_o", line)
            self.expect(sample, "drain_entry_o", column // taps)
            self.expect(sample, "drain_bank_o", column % taps)
            self.expect(sample, "drain_parameters_o", p % 2)
            psums = self.lines.psum[:, line, column] + self.work.bias[p]
            self.shown = [int(value) & WORD for value in psums]
            self.coverage.met("largest psum", 2**31 - 1 in psums)
            self.coverage.met("pass after pass", p != int(model.work[0]) and model.work[0] < model.loaded[0])
            self.coverage.met("one-column line", self.work.out_width[p] == 1)
            codes = model.outputs[model.entered[0]]
            self.coverage.met("clamped value", int(self.work.high[p]) & 255 in codes)
        if leaving >= 0:
            self.left += 1
            self.passes_left += leaving in self.last_groups
        self.loaded += "load_data_i" in inputs

    def _step(self, ready: bool, starts: bool) -> tuple[int, int]:
        """One edge of the model: the lines freed, and the group that leaves the encoder, -1 for none."""
        last = STAGES - 1
        leaving = int(self.model.stages[last])
        # The model's encoder refuses only while its last register is full: fill it, and look to that here.
        self.model.stages[last] = 0
        free, _ = step_collector(self.model, self.lines, self.sizes, self.work, ready, starts)
        if not ready:
            self.model.stages[last] = leaving
            return free, -1
        return free, leaving

    def ended(self) -> bool:
        """Every group has left."""
        return self.left == self.total

    def waiting(self) -> str:
        """Groups and lines that are left."""
        return f"{self.total - self.left} groups to leave, {self.rows - self.freed} lines to be freed"


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random passes, one after the other without a reset."""
    await CollectorBench(dut).run()
