"""Basis MAC against the cycle model: every product's place, sum and cycle, and every line that closes.

The bench stands in for the rows (z) and the psum lines (which are closed, and freed some time after they are done).
"""

from dataclasses import replace
from typing import NamedTuple, Self

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from penni_escalate.golden.cycle.basis_mac import (
    BasisMac,
    closing_lines,
    first_output,
    last_output,
    make_basis_mac,
    reached_columns,
    step_basis_mac,
)
from penni_escalate.golden.cycle.psum_line_buffer import make_psum_line_buffer, step_psum_line_buffer
from penni_escalate.golden.cycle.work import psum_line, psum_lines, psum_place, work_of
from penni_escalate.golden.schedule import Pass
from penni_escalate.golden.winograd import COLUMNS, OUTPUTS
from penni_escalate.golden.winograd import WEIGHTS as PAIR_WEIGHTS
from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.tb.base.geometry_classes import GeometryDeck, border_of, classes_of, place_of
from penni_escalate.tb.base.load_port import LoadPort
from penni_escalate.tb.base.stimulus import Throttle, ValidSource
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.block_loads import BlockLoads
from penni_escalate.tb.units.lockstep.passes import one_block, random_pass, transfers_of
from penni_escalate.tb.units.lockstep.signals import Sample

KINDS = {LoadKind.TABLE, LoadKind.BASIS, LoadKind.EXPONENTS}
PORTS = {
    LoadKind.TABLE: "load_table_i",
    LoadKind.BASIS: "load_basis_i",
    LoadKind.EXPONENTS: "load_exponent_i",
    LoadKind.PASS: "load_pass_i",
}
WORD = (1 << 32) - 1
#: Share of pixels whose z are 0, and how coverage names it.
ZERO_SHARES = {0.0: "dense", 0.3: "mixed", 0.9: "sparse"}
WEIGHTS = {-128: "lowest", 127: "highest"}


class Walk(NamedTuple):
    """Where the walk stands: pass, pixel, the output that tap 0 adds into, and the step of several outputs."""

    work: int
    row: int
    column: int
    y: int
    x: int
    step: int

    @classmethod
    def of(cls, mac: BasisMac) -> Self:
        """The model's registers."""
        registers = (mac.walk_work, mac.walk_row, mac.walk_column, mac.walk_y, mac.walk_x, mac.walk_step)
        return cls(*(int(register[0]) for register in registers))


class Target:
    """What the RTL must show a cycle after an issue, and a cycle later."""

    def __init__(self, line: int, place: int, sums: list[int], parameters: int, step: int) -> None:
        self.line = line
        self.place = place
        self.sums = sums
        self.parameters = parameters
        self.step = step


class BasisMacBench(BlockLoads, UnitBench):
    """A transaction is a pixel that is taken.

    Assumptions: a bank of parameters is written only when all lines of the pass before the last are
    free again, and at most two passes are pending; a line that is not closed has been drained.
    """

    ports = PORTS

    unit = "basis_mac"
    abort_reach = 400
    #: Lines may take long to be freed.
    timeout = 5000
    handshakes = ("z_ready_o", "target_valid_o")
    required = ("no z while the walk works",)

    def __init__(self, dut: HierarchyObject) -> None:
        super().__init__(dut)
        self.deck = GeometryDeck(self.config)

    def begin(self) -> None:
        """Random passes; z of random density."""
        if self.episode > 1:
            self._note_reset()
        self.one = self.sizes._replace(blocks=1)
        port = LoadPort(self.config)
        count = self.random.randint(1, 5)
        passes: list[Pass] = []
        for _ in range(count):
            passes.append(self._new_pass(passes[-1] if passes else None))
        self.passes = passes
        # A kernel that covers the image is loaded as one of a single place.
        self.classes = [{} if work.summed else classes_of(work.geometry) for work in passes]
        self.work = work_of(passes, [0] * count, self.one)
        self.loads = [
            (p, transfer) for p, work in enumerate(passes) for transfer in transfers_of(port, work, KINDS, self.random)
        ]
        self.loaded = 0
        self.mac = make_basis_mac(self.one)
        self.lines = make_psum_line_buffer(self.one)
        #: Output lines not freed yet, of each pass.
        self.unfreed = [int(rows) for rows in self.work.out_height]
        self.pixels = int((self.work.height * self.work.width).sum())
        self.taken = 0
        self.issued: Target | None = None
        self.added: Target | None = None
        self.closing = 0
        #: Rows of the pixel being walked whose z is an end of the range.
        self.extremes: list[tuple[int, str]] = []
        self.valid_source, self.free_throttle, self.load_throttle = (
            ValidSource(self.random),
            Throttle(self.random),
            Throttle(self.random),
        )
        #: Cycles that a line takes to be drained, and those left of the oldest.
        self.drain_time = self.random.choice((0, 0, 10, 30))
        self.drain_left = self.drain_time
        self.late_starts = self.random.random() < 0.3
        self.zero_share = self.random.choice(tuple(ZERO_SHARES))
        self.z = self._new_z()
        for work in passes:
            self._note_table(work.selection[0].tolist())
            several = "several" if work.outputs < self.config.rows else "one a row"
            self.coverage.sample({"outputs": "one" if work.outputs == 1 else several})
            if self.config.winograd:
                self.coverage.sample({"columns come": "in pairs" if work.winograd else "as taps have them"})
            if work.summed:
                g = work.geometry
                lines = "several lines" if g.height > 1 else "one line"
                self.coverage.sample({"sum over all pixels": lines if g.width > 1 else "one column"})
        for g in (work.geometry for work in passes):
            self.coverage.met("stride above kernel", g.stride > g.kernel_height)

    def _new_pass(self, before: Pass | None) -> Pass:
        """A pass, some with the geometry of the one before.

        One in three has weights and exponents at the ends of their ranges. Sums may wrap around.
        """
        if before is None or self.random.random() < 0.8:
            work = one_block(random_pass(self.numbers, self.config, self.deck).work)
        else:
            work = replace(before, kernels=self.numbers.integers(-128, 128, before.kernels.shape, np.int8))
        # Any row may take any kernel, whatever the schedule makes of it.
        if self.random.random() < 0.5:
            rows = self.config.rows
            drawn = self.random.choices(range(rows), k=rows) if self.random.random() < 0.5 else self._shuffled(rows)
            selection = np.array([drawn], np.uint8)
            work = replace(work, selection=selection)
        if self.random.random() < 0.7:
            return work
        kernels = self.numbers.choice(np.array([-128, 127], np.int8), work.kernels.shape)
        if self.config.winograd and self.random.random() < 0.5:
            # The ends of a sum of weights.
            kernels[:] = kernels[..., :1]
        exponents = self.numbers.choice(np.array([0, 3, 7], np.uint8), work.exponents.shape)
        return replace(work, kernels=kernels, exponents=exponents)

    def _shuffled(self, count: int) -> list[int]:
        return self.random.sample(range(count), count)

    def _note_table(self, kernels: list[int]) -> None:
        """Which kernel each row takes."""
        shared = len(set(kernels)) < len(kernels)
        taken = "shared" if shared else "exchanged" if kernels != sorted(kernels) else "in order"
        self.coverage.sample({"row table": taken})

    def _new_z(self) -> np.ndarray:
        """z of every row: all 0, all extreme, or anything; where outputs come in pairs, now and then as before."""
        rows, limit = self.config.rows, 2 ** (self.config.z_bits - 1)
        # Else neighbouring columns would hardly ever be at the same end of the range.
        if self.config.winograd and self.taken and self.random.random() < 0.3:
            return self.z
        if self.random.random() < self.zero_share:
            return np.zeros(rows, np.int64)
        kind = self.random.random()
        if kind < 0.2:
            return np.array([self.random.choice((-limit, limit - 1)) for _ in range(rows)], np.int64)
        if kind < 0.4:
            z = np.zeros(rows, np.int64)
            z[self.random.randrange(rows)] = self.random.choice((1, -1, -limit))
            return z
        return np.array([self.random.randint(-limit, limit - 1) for _ in range(rows)], np.int64)

    def _free(self) -> int:
        """The oldest line that is done, as a bit mask, or none."""
        p = self.oldest_pass()
        if p == len(self.unfreed):
            return 0
        row = int(self.work.out_height[p]) - self.unfreed[p]
        lines = int(psum_lines(self.work, p, row))
        if int(self.lines.done[0]) & lines != lines or not self.free_throttle():
            return 0
        if self.drain_left:
            self.drain_left -= 1
            return 0
        self.drain_left = self.drain_time
        return lines

    def _load(self) -> dict[str, int]:
        """The next parameters; in some episodes a pass starts, where it can, as the one before ends."""
        mac, work = self.mac, self.work
        inputs = self.next_load()
        p = int(mac.work[0])
        if "load_pass_i" in inputs and self.late_starts and mac.loaded[0] == p + 1:
            at_end = mac.row[0] == work.height[p] - 1 and mac.column[0] == work.width[p] - 1
            if not at_end or not self.valid_source.held or mac.walk_valid[0]:
                return {}
        return inputs

    def drive(self) -> Inputs:
        """Load, offer z, show which lines are closed."""
        self.free = self._free()
        offered = self.valid_source(self.taken < self.pixels)
        inputs = self._load() | {"z_valid_i": int(offered), "closed_i": int(self.lines.closed[0])}
        return inputs | {f"z_{m}_i": int(value) for m, value in enumerate(self.z)}

    def _check_target(self, sample: Sample) -> None:
        """What was issued a cycle ago, and the sums of what was issued before."""
        target, taps = self.issued, self.config.taps
        self.expect(sample, "target_valid_o", target is not None)
        self.expect(sample, "target_done_o", self.closing)
        if target is not None:
            self.expect(sample, "target_line_o", target.line)
            self.expect(sample, "target_entry_o", target.place // taps)
            self.expect(sample, "target_way_o", target.place % taps)
            self.expect(sample, "target_step_o", target.step)
            self.expect(sample, "target_mask_o", (1 << len(target.sums)) - 1)
            self.expect(sample, "target_parameters_o", target.parameters)
        if self.added is not None:
            got = sample["sum_o"]
            for tap, value in enumerate(self.added.sums):
                self.compare(f"sum of tap {tap}", (got >> (32 * tap)) & WORD, value & WORD)

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Targets and sums of earlier issues; then one edge."""
        mac, work = self.mac, self.work
        self._check_target(sample)
        self.expect(sample, "pending_o", int(mac.loaded[0] - mac.work[0]))
        self.coverage.met("two passes pending", int(mac.loaded[0] - mac.work[0]) == 2)
        walk = Walk.of(mac)
        walking, idle = bool(mac.walk_valid[0]), bool(mac.walk_idle[0])
        line = int(psum_line(work, walk.work, walk.y, walk.step))
        before = self.lines.psum[0, line].copy()
        p, row, column = int(mac.work[0]), int(mac.row[0]), int(mac.column[0])
        starts, valid = bool(inputs.get("load_pass_i")), bool(inputs["z_valid_i"])
        running = p < mac.loaded[0]
        empty = not self.z.any()
        if running and work.winograd[p]:
            self.coverage.met("empty column behind one that is not", empty and bool(mac.before[0].any()))
            empty = empty and not mac.before[0].any()
        takes, close, dropped, products, starved, wait = step_basis_mac(
            mac, self.lines, self.one, work, 0, valid, self.z, starts
        )
        if valid:
            self.expect(sample, "z_ready_o", takes)
        self.expect(sample, "close_o", close)
        self.expect(sample, "dropped_o", dropped)
        self.expect(sample, "products_o", products)
        self.expect(sample, "starved_o", starved)
        self.expect(sample, "line_wait_o", wait)
        self.added, self.issued, self.closing = self.issued, None, close
        if products:
            several = bool(work.outputs[walk.work] > 1)
            place = int(psum_place(work, self.one, walk.work, walk.x, 0))
            _, last_x = reached_columns(work, walk.work, walk.column)
            added = min(OUTPUTS, last_x + 1 - walk.x) if work.winograd[walk.work] else products
            sums = (self.lines.psum[0, line] - before)[place : place + added]
            step = walk.step + 1 if several else 0
            self.issued = Target(line, place, [int(value) for value in sums], walk.work % 2, step)
            self._note_products(walk, products)
        self.coverage.met("dropped", dropped)
        self.coverage.met("several lines close at once", close.bit_count() > int(work.steps[walk.work]))
        self.coverage.met("line wait", wait)
        self.coverage.met("starved", starved)
        self.coverage.met("no z while the walk works", running and not valid and not starved)
        state = "line wait" if wait else "starved" if starved else "works"
        self.coverage.sample({"pixels": ZERO_SHARES[self.zero_share], "cycle": state})
        if wait:
            self.coverage.sample({"line wait of": "closing" if idle else "products"})
            self.coverage.met("dropped while the walk waits", dropped)
        self.coverage.met("fetch and walk in different passes", walking and running and walk.work != p)
        step_psum_line_buffer(self.lines, self.one, 0, close, self.free)
        if self.free:
            self.unfreed[self.oldest_pass()] -= 1
        self.loaded += "load_data_i" in inputs
        if takes and running:
            self._note_pixel(p, row, column, dropped, empty)
            self.coverage.met("pass starts as one ends", starts and mac.work[0] > p)
            self.taken += 1
            self.transactions += 1
            self.valid_source.taken()
            if not dropped:
                limit = 2 ** (self.config.z_bits - 1)
                names = {-limit: "lowest", limit - 1: "highest"}
                self.extremes = [(m, names[int(z)]) for m, z in enumerate(self.z) if int(z) in names]
            self.z = self._new_z()

    def _note_products(self, walk: Walk, products: int) -> None:
        """Ways and taps of a step, and its products of extremes."""
        config, work = self.config, self.passes[walk.work]
        if work.outputs > 1:
            last = "last" if walk.step + 1 == self.work.steps[walk.work] else "before the last"
            self.coverage.sample({"step of the outputs": last})
            return
        way = walk.x % config.taps
        if work.winograd:
            self._note_pair(walk, way)
            return
        if config.taps > 1:
            self.coverage.sample(
                {
                    "first way": "first" if way == 0 else "last" if way == config.taps - 1 else "between",
                    "taps used": "all" if products == config.taps else "one" if products == 1 else "some",
                }
            )
        g = work.geometry
        kernel_row = walk.row + g.sides.top - walk.y * g.stride
        for m, factor in self.extremes:
            exponent = int(work.exponent[0, m])
            for out in range(walk.x, walk.x + products):
                weight = int(work.basis[0, m, kernel_row, walk.column + g.sides.left - out * g.stride])
                if weight in WEIGHTS:
                    self.coverage.sample(
                        {
                            "z factor": factor,
                            "weight": WEIGHTS[weight],
                            "exponent": str(exponent) if exponent in (0, 7) else "1..6",
                        }
                    )
                    self.coverage.met("lowest product", factor == WEIGHTS[weight] == "lowest")

    def _note_pair(self, walk: Walk, way: int) -> None:
        """Where a pair lies, and its middle product of extremes."""
        work, taps = self.passes[walk.work], self.config.taps
        g = work.geometry
        first = walk.x - g.sides.left
        behind = first + COLUMNS - 1 - walk.column
        self.coverage.sample(
            {
                "pair": "whole" if walk.x + 1 < g.out_width else "one output",
                "columns behind the line": str(behind),
                "columns in front of the line": str(max(0, -first)),
                "way of the pair": "wraps between" if way == taps - 1 else "wraps" if way == taps - 2 else "stays",
            }
        )
        limit = 2 ** (self.config.z_bits - 1)
        if behind or first < 0:
            return
        kernel_row = walk.row + g.sides.top - walk.y
        # z of a row, the pair's first column first.
        for m, z in enumerate(self.mac.walk_z[0, ::-1].T.tolist()):
            total = int(work.basis[0, m, kernel_row].sum(dtype=np.int64))
            factor = {-2 * limit: "lowest", 2 * limit - 2: "highest"}.get(z[1] + z[2])
            weight = {-128 * PAIR_WEIGHTS: "lowest", 127 * PAIR_WEIGHTS: "highest"}.get(total)
            if factor and weight:
                self.coverage.sample({"sum of z": factor, "sum of weights": weight})

    def _note_pixel(self, p: int, row: int, column: int, dropped: bool, zero: bool) -> None:
        """Which kind of pixel was taken; ``zero``: the MAC has nothing to multiply."""
        work, g = self.work, self.passes[p].geometry
        stride, top, left = g.stride, g.sides.top, g.sides.left
        rows = last_output(row, stride, top, g.out_height) - first_output(row, g.kernel_height, stride, top)
        first_x, last_x = reached_columns(work, p, column)
        columns = last_x - first_x
        closes = closing_lines(work, self.one, p, row, column).bit_count() // int(work.steps[p])
        reaches = rows >= 0 and columns >= 0
        self.coverage.met("pixel that reaches no output", not reaches and not zero)
        self.coverage.met("edge under padding", (top > 0 and row == 0) or (left > 0 and column == 0))
        self.coverage.met("idle pixel that closes lines", not dropped and zero)
        vertical, horizontal = place_of(row, g.height), place_of(column, g.width)
        in_step = OUTPUTS if work.winograd[p] else self.config.taps
        one_step = rows <= 0 and columns < in_step and work.steps[p] == 1
        busy = "one step" if one_step else "several steps"
        closing = "none" if not closes else "one line" if closes == 1 else "several lines"
        hits = self.classes[p] | {
            "border": border_of(vertical, horizontal),
            "image line": vertical,
            "column": horizontal,
            "pixel": "dropped" if dropped else busy if reaches and not zero else "only closes",
            "closes": closing,
        }
        self.coverage.sample(hits)
        if zero and reaches:
            self.coverage.sample({"idle because": "z are 0", "closes": closing})
        elif not zero and (rows < 0) != (columns < 0):
            self.coverage.sample({"idle because": f"no output {'line' if rows < 0 else 'column'}", "closes": closing})
        if row == g.height - 1 and column == g.width - 1 and p + 1 < len(self.passes):
            self._note_next_pass(p, row)

    def _note_next_pass(self, p: int, row: int) -> None:
        """The last pixel of a pass was taken."""
        g, following = self.passes[p].geometry, self.passes[p + 1].geometry
        old, new = g.kernel_height * g.kernel_width, following.kernel_height * following.kernel_width
        first = first_output(row, g.kernel_height, g.stride, g.sides.top)
        left = g.out_height - first
        lines, following_lines = int(self.work.lines[p]), int(self.work.lines[p + 1])
        line = int(psum_line(self.work, p, first, 0))
        change = "fewer" if following_lines < lines else "more" if following_lines > lines else "as many"
        self.coverage.sample({"lines of the next pass": change})
        self.coverage.sample(
            {
                "next pass": "loaded" if self.mac.loaded[0] > p + 1 else "not loaded",
                "next kernel": "smaller" if new < old else "larger" if new > old else "same size",
                "next width": "narrower"
                if following.width < g.width
                else "wider"
                if following.width > g.width
                else "same",
            }
        )
        if left > 0:
            self.coverage.sample(
                {
                    "lines left": "one" if left == 1 else "several",
                    "next line": "turns around" if line + left >= lines else "above",
                }
            )

    def _note_reset(self) -> None:
        """What the episode before left in the registers, if it was aborted."""
        mac, work = self.mac, self.work
        p = int(mac.work[0])
        if p == len(work.height):
            return
        row, column = int(mac.row[0]), int(mac.column[0])
        first = first_output(row, work.kernel_height[p], work.stride[p], work.padding_top[p])
        line = int(psum_line(work, p, first, 0))
        for name, held in (
            ("column", column),
            ("image line", row),
            ("line", line),
            ("odd bank", p % 2),
            ("walk", mac.walk_valid[0]),
        ):
            if held:
                self.coverage.sample({"reset": name})

    def ended(self) -> bool:
        """Every pixel was taken and every line freed."""
        return self.taken == self.pixels and not any(self.unfreed) and self.added is None and self.issued is None

    def waiting(self) -> str:
        """Pixels and lines that are left."""
        return (
            f"{self.pixels - self.taken} pixels to be taken, lines to be freed {self.unfreed}, "
            f"{len(self.loads) - self.loaded} transfers to be loaded"
        )


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random passes, one after the other without a reset."""
    await BasisMacBench(dut).run()
