"""Collector against the cycle model: drains done lines, requantizes, and assembles groups.

The bench stands in for the blocks, and an encoder that may refuse in any cycle. The model's last two stages are
the encoder's.
"""

from dataclasses import replace

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from penni_escalate.golden.cycle.collector import STAGES, make_collector, step_collector
from penni_escalate.golden.cycle.psum_line_buffer import make_psum_line_buffer
from penni_escalate.golden.cycle.work import awaited_lines, psum_line, psum_lines, psum_place, window, work_of
from penni_escalate.golden.schedule import BYTES_OF_LOGIT, Pass
from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.tb.base.geometry_classes import GeometryDeck, place_of
from penni_escalate.tb.base.load_port import LoadPort
from penni_escalate.tb.base.stimulus import Throttle, pack
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.passes import random_pass, transfers_of
from penni_escalate.tb.units.lockstep.signals import Sample

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
    abort_reach = 200

    def __init__(self, dut: HierarchyObject) -> None:
        super().__init__(dut)
        self.deck = GeometryDeck(self.config)

    def begin(self) -> None:
        """Random passes; blocks that finish their lines one by one."""
        if self.episode > 1:
            self._note_reset()
        config = self.config
        port = LoadPort(config)
        drawn = [random_pass(self.numbers, config, self.deck).work for _ in range(self.random.randint(1, 4))]
        passes = [self._with_all_outputs(work) for work in drawn]
        self.work = work_of(passes, [0] * len(passes), self.sizes)
        self.loads = [
            (p, transfer)
            for p, work in enumerate(passes)
            for transfer in transfers_of(port, work, {LoadKind.TABLE}, self.random)
        ]
        self.loaded = 0
        #: Groups of a pixel of each pass.
        self.per_pixel = self.work.codes * self.sizes.code_groups
        groups = self.work.result_height * self.work.result_width * self.per_pixel
        self.last_groups = set((np.cumsum(groups) - 1).tolist())
        self.pass_of_group = np.repeat(np.arange(len(passes)), groups).tolist()
        self.first_group = np.cumsum(groups) - groups
        self.total = int(groups.sum())
        #: Lines of all earlier passes.
        self.rows_before = np.cumsum(self.work.out_height) - self.work.out_height
        for work in passes:
            several = "several" if work.outputs < config.rows else "one a row"
            self.coverage.sample({"outputs": "one" if work.outputs == 1 else several})
            pool = work.pool
            self.coverage.sample({"pool": f"{pool.size}, stride {pool.stride}" if pool.size > 1 else "none"})
        self.model = make_collector(self.total, self.sizes)
        self.lines = make_psum_line_buffer(self.sizes)
        #: Lines begun by each block, counted over all passes.
        self.begun = [0] * config.blocks
        self.rows = int(self.work.out_height.sum())
        #: Of each output line, counted over all passes: its pass, and its psum lines as a bit mask.
        self.pass_of_row = np.repeat(np.arange(len(passes)), self.work.out_height).tolist()
        self.lines_of_row = [
            int(psum_lines(self.work, p, row - int(self.rows_before[p]))) for row, p in enumerate(self.pass_of_row)
        ]
        self.freed = 0
        self.shown: list[int] | None = None
        #: Largest psum of block 0 in the window that is read.
        self.largest = 0
        self.left = 0
        self.passes_left = 0
        #: In these episodes one block is slow, and passes start, where they can, as the one before ends.
        self.slow_block = self.random.randrange(config.blocks) if self.random.random() < 0.3 else -1
        self.late_starts = self.random.random() < 0.3
        self.done_throttle, self.out_throttle, self.load_throttle = (Throttle(self.random) for _ in range(3))

    def _with_all_outputs(self, work: Pass) -> Pass:
        """Of half the passes all outputs have parameters: a layer seldom has a channel for each of every block."""
        # By numbers of their own: what follows does not depend on them.
        (source,) = self.numbers.spawn(1)
        if work.outputs == 1 or source.random() < 0.5:
            return work
        free, shape = work.multiplier == 0, work.multiplier.shape
        return replace(
            work,
            multiplier=np.where(free, source.integers(1, 1 << 16, shape), work.multiplier),
            shift=np.where(free, source.integers(20, 40, shape), work.shift),
        )

    def _finish_lines(self) -> None:
        """Blocks finish lines: each in its own time, where the psum lines are free."""
        if not self.done_throttle():
            return
        for b in range(self.config.blocks):
            row = self.begun[b]
            if b == self.slow_block and self.random.random() < 0.9:
                continue
            if row == self.rows or self.random.random() < 0.3:
                continue
            p, mask = self.pass_of_row[row], self.lines_of_row[row]
            if p >= self.model.loaded[0] or any(mask & lines for lines in self.lines_of_row[self.freed : row]):
                continue
            for output in range(int(self.work.outputs[p])):
                line = int(psum_line(self.work, p, row - int(self.rows_before[p]), output // self.config.taps))
                several = bool(self.work.outputs[p] > 1)
                ways = slice(output % self.config.taps, None, self.config.taps) if several else slice(None)
                psums = self._new_psums(p, b, output)[ways]
                self.lines.psum[b, line, ways] = psums - self.work.bias[p, b, output]
            self.lines.done[b] |= mask
            self.begun[b] += 1

    def _new_psums(self, p: int, b: int, output: int) -> np.ndarray:
        """Psums of a line: some near the codes' range, some anything."""
        width = self.lines.psum.shape[2]
        shift, multiplier = int(self.work.shift[p, b, output]), max(int(self.work.multiplier[p, b, output]), 1)
        reach = min(2**31 - 1, (400 << shift) // multiplier + 1)
        psums = np.asarray(self.numbers.integers(-reach, reach + 1, width))
        if self.work.logits[p]:
            psums = np.asarray(self.numbers.integers(-(2**31), 2**31, width))
        if self.random.random() < 0.2:
            extremes = np.array([-(2**31), 2**31 - 1, 0])
            chosen = self.numbers.random(width) < 0.5
            psums = np.where(chosen, self.numbers.choice(extremes, width), psums)
        return psums

    def _load(self) -> dict[str, int]:
        """The next parameters, where their bank is free."""
        if self.loaded == len(self.loads):
            return {}
        number, transfer = self.loads[self.loaded]
        if number - self.passes_left >= 2 or not self.load_throttle():
            return {}
        words = self.widths.words.values()
        word = max(word.bits for word in words if word.kind in (LoadKind.TABLE, LoadKind.PASS))
        place = (transfer.block or 0) % self.config.load_words * word
        inputs = {"load_bank_i": number % 2, "load_data_i": transfer.data << place}
        if transfer.kind is LoadKind.PASS:
            model, work = self.model, self.work
            p = int(model.work[0])
            at_end = model.row[0] == work.result_height[p] - 1 and model.column[0] == work.result_width[p] - 1
            if self.late_starts and model.loaded[0] == p + 1 and not at_end:
                return {}
            return inputs | {"load_pass_i": 1}
        assert transfer.block is not None
        return inputs | {"load_table_i": 1 << transfer.block}

    def drive(self) -> Inputs:
        """Load, finish lines, show psums, take groups or not."""
        inputs = self._load()
        self._finish_lines()
        done = int(np.bitwise_and.reduce(self.lines.done))
        self.coverage.met("line waits for one block", done != int(np.bitwise_or.reduce(self.lines.done)))
        psums = self.shown or [self.random.getrandbits(32) for _ in range(self.config.blocks)]
        inputs |= {"done_i": done, "values_ready_i": int(self.out_throttle())}
        return inputs | {f"psum_{b}_i": value for b, value in enumerate(psums)}

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """The group at the output; then one edge; then the read and the line that is freed."""
        model, taps = self.model, self.config.taps
        group = int(model.stages[OUTPUT])
        self.expect(sample, "values_valid_o", group >= 0)
        if group >= 0:
            of = self.pass_of_group[group]
            in_pixel = (group - int(self.first_group[of])) % int(self.per_pixel[of])
            self.expect(sample, "values_o", pack(model.outputs[group], 8))
            self.expect(sample, "values_eop_o", in_pixel == self.per_pixel[of] - 1)
            self.expect(sample, "values_last_o", group in self.last_groups)
            self.transactions += inputs["values_ready_i"]
        self.coverage.met("stalled", not inputs["values_ready_i"])
        self.coverage.met("two passes loaded", int(model.loaded[0]) - self.passes_left == 2)
        place = p, row, column, code, _, window_row, window_column = self._to_read()
        output = 0 if p < len(self.work.logits) and self.work.logits[p] else code
        starts = bool(inputs.get("load_pass_i"))
        takes = bool(inputs["values_ready_i"])
        self._note_pipe(inputs["done_i"], takes, group)
        free, leaving = self._step(bool(inputs["values_ready_i"]), starts)
        reads = place != self._to_read()
        self.expect(sample, "drain_read_o", reads)
        self.expect(sample, "drain_free_o", free)
        if free:
            self.lines.done[:] &= ~free
            rows = free.bit_count() // int(self.work.steps[self.pass_of_row[self.freed]])
            self.coverage.sample({"lines freed": "one" if rows == 1 else "several"})
            self.freed += rows
            following = self.lines_of_row[self.freed] if self.freed < self.rows else 0
            there = following and inputs["done_i"] & following == following
            self.coverage.sample({"next line": "done" if there else "not done"})
            self.shown = None
        if reads:
            top, rows = window(self.work, p, row, self.work.out_height[p])
            left, columns = window(self.work, p, column, self.work.out_width[p])
            line = int(psum_line(self.work, p, top + window_row, output // taps))
            at = int(psum_place(self.work, self.sizes, p, left + window_column, output))
            self.expect(sample, "drain_line_o", line)
            self.expect(sample, "drain_entry_o", at // taps)
            self.expect(sample, "drain_way_o", at % taps)
            self.expect(sample, "drain_output_o", output)
            self.expect(sample, "drain_parameters_o", p % 2)
            psums = self.lines.psum[:, line, at] + self.work.bias[p, :, output]
            self.shown = [int(value) & WORD for value in psums]
            self.coverage.met("largest psum", 2**31 - 1 in psums)
            self.coverage.met("pass after pass", p != int(model.work[0]) and model.work[0] < model.loaded[0])
            self.coverage.met("one-column line", self.work.result_width[p] == 1)
            first = place[4:] == (0, 0, 0)
            if self.work.pool_size[p] > 1:
                self._note_window(p, row, column, (rows, columns), (window_row, window_column), psums)
            if first:
                self._note_column(p, row, column, code)
            if self._column_ends(place):
                self._note_end(p, row, column, starts)
        if leaving >= 0:
            self.left += 1
            self.passes_left += leaving in self.last_groups
        self.loaded += "load_data_i" in inputs

    def _range(self, p: int) -> str:
        if self.work.low[p] < 0:
            return "signed"
        return "unsigned" if self.work.high[p] == 255 else "with a ceiling"

    def _to_read(self) -> tuple[int, ...]:
        """What is read next: pass, row, column, output or byte of a logit, part, and place in the window."""
        m = self.model
        registers = (m.work, m.row, m.column, m.code, m.part, m.window_row, m.window_column)
        return tuple(int(register[0]) for register in registers)

    def _column_ends(self, place: tuple[int, ...]) -> bool:
        """With this read all codes of the column are read."""
        return self._to_read()[:3] != place[:3]

    def _note_window(
        self, p: int, row: int, column: int, size: tuple[int, int], place: tuple[int, int], psums: np.ndarray
    ) -> None:
        """How much of a window lies inside, and whether a later output of it is larger, in block 0."""
        work = self.work
        whole = int(work.pool_size[p])
        cut = {
            "above or left" if at == 0 and work.pool_padding[p] else "below or right"
            for at, count in zip((row, column), size, strict=True)
            if count < whole
        }
        self.coverage.sample({"window": " and ".join(sorted(cut)) if cut else "whole"})
        if place == (0, 0):
            self.largest = int(psums[0])
        else:
            self.coverage.sample({"later output": "larger" if psums[0] > self.largest else "not larger"})
            self.largest = max(self.largest, int(psums[0]))

    def _note_column(self, p: int, row: int, column: int, code: int) -> None:
        """The column that is read, and its codes."""
        config, work, model = self.config, self.work, self.model
        width, height = int(work.result_width[p]), int(work.result_height[p])
        line = int(psum_line(work, p, window(work, p, row, work.out_height[p])[0], 0))
        at = "first" if line == 0 else "last" if line == work.lines[p] - 1 else "between"
        output, last_code = 0 if work.logits[p] else code, code + 1 == work.codes[p]
        if work.logits[p]:
            self.coverage.sample({"byte of a logit": place_of(code, BYTES_OF_LOGIT)})
        else:
            several = work.outputs[p] > 1
            of_column = "the only one" if not several else "last" if last_code else "before the last"
            self.coverage.sample({"output of the column": of_column})
            all_rows = of_column == "last" and work.outputs[p] == config.rows
            given = bool((work.multiplier[p, :, : config.rows] > 0).all())
            self.coverage.met("parameters for every output", all_rows and given)
        self.coverage.sample({"line of the pass": place_of(row, height), "column": place_of(column, width), "line": at})
        self.coverage.met("widest line", width == config.width_max and column == width - 1)
        used = work.multiplier[p, :, output] > 0
        first = int(model.entered[0])
        codes = model.outputs[first : first + self.sizes.code_groups].reshape(-1)[: config.blocks][used].tolist()
        low, high = int(work.low[p]) & 255, int(work.high[p]) & 255
        self.coverage.met("clamped value", high in codes)
        for name, there in (
            ("lower end", low in codes),
            ("upper end", high in codes),
            ("inside", not {low, high} >= set(codes)),
        ):
            if there:
                self.coverage.sample({"range": self._range(p), "code": name})
        apart = max(self.begun) - min(self.begun)
        self.coverage.sample(
            {
                "blocks apart": "none" if not apart else "one" if apart == 1 else "several",
                "channels": "all blocks" if used.all() else "some blocks",
            }
        )

    def _note_end(self, p: int, row: int, column: int, starts: bool) -> None:
        """What follows the last column of a pass."""
        work, model = self.work, self.model
        width = int(work.result_width[p])
        if row < work.result_height[p] - 1 or column < width - 1:
            return
        self.coverage.met("pass starts as one ends", starts)
        if p + 1 < len(work.out_width):
            following = int(work.result_width[p + 1])
            kinds = ("codes", "logits")
            change = f"{kinds[int(work.logits[p])]}, {kinds[int(work.logits[p + 1])]}"
            self.coverage.sample({"results of the next pass": change})
            self.coverage.sample(
                {
                    "next pass": "loaded" if model.loaded[0] > p + 1 + starts else "not loaded",
                    "next width": "narrower" if following < width else "wider" if following > width else "same",
                }
            )

    def _note_pipe(self, done: int, takes: bool, group: int) -> None:
        """What each end has to do, and the passes in between."""
        model, config = self.model, self.config
        if self._to_read()[4:] != (0, 0, 0):
            select = "parts left"
        elif model.work[0] == model.loaded[0]:
            select = "no pass"
        else:
            lines = int(awaited_lines(self.work, int(model.work[0]), int(model.row[0])))
            select = "column to read" if done & lines == lines else "no line"
        self.coverage.sample(
            {
                "select": select,
                "encoder": "takes" if takes else "refuses",
                "output": "full" if group >= 0 else "empty",
            }
        )
        self.coverage.met("free refused", bool(model.shown[0] and model.lines[0] and not takes))
        if max(self.begun) - min(self.begun) == config.psum_lines:
            self.coverage.sample({"blocks apart": "all lines"})
        inside = [self.pass_of_group[number] for number in model.stages[: OUTPUT + 1].tolist() if number >= 0]
        if inside and inside[0] != inside[-1]:
            bounds = [(int(self.work.low[p]), int(self.work.high[p])) for p in (inside[0], inside[-1])]
            self.coverage.sample({"clamps in the pipe": "equal" if bounds[0] == bounds[1] else "different"})

    def _note_reset(self) -> None:
        """What the episode before left in the registers, if it was aborted."""
        model = self.model
        p = int(model.work[0])
        if p == len(self.work.out_width):
            return
        for name, held in (
            ("column", model.column[0]),
            ("line of the pass", model.row[0]),
            (
                "line",
                int(psum_line(self.work, p, window(self.work, p, int(model.row[0]), self.work.out_height[p])[0], 0)),
            ),
            ("output", model.code[0] and not self.work.logits[p]),
            ("byte", model.code[0] and self.work.logits[p]),
            ("window", model.window_row[0] or model.window_column[0]),
            ("odd bank", model.work[0] % 2),
            ("part", model.part[0]),
            ("group in the pipe", (model.stages[: OUTPUT + 1] >= 0).any()),
        ):
            if held:
                self.coverage.sample({"reset": name})

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
