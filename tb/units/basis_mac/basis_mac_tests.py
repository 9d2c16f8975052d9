"""Basis MAC against the cycle model: every product's place, sum and cycle, and every line that closes.

The bench plays the rows (z) and the psum lines (which are closed, and freed some time after they are done).
"""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from golden.cycle.basis_mac import first_output, last_output, make_basis_mac, step_basis_mac
from golden.cycle.psum_lines import make_psum_lines, step_psum_lines
from golden.cycle.work import work_of
from tb.load_port import LoadKind, LoadPort
from tb.lockstep.base import Inputs, UnitBench
from tb.lockstep.block_loads import BlockLoads
from tb.lockstep.passes import one_block, random_pass, transfers_of
from tb.lockstep.signals import Sample
from tb.lockstep.stimulus import Offer, Pace

KINDS = {LoadKind.BASIS, LoadKind.EXPONENTS}
PORTS = {LoadKind.BASIS: "load_basis_i", LoadKind.EXPONENTS: "load_exponent_i", LoadKind.PASS: "load_pass_i"}
WORD = (1 << 32) - 1


class Target:
    """What the RTL must show a cycle after an issue, and a cycle later."""

    def __init__(self, line: int, column: int, sums: list[int], parameters: int) -> None:
        self.line = line
        self.column = column
        self.sums = sums
        self.parameters = parameters


class BasisMacBench(BlockLoads, UnitBench):
    """A transaction is a pixel that is taken.

    Assumptions: a bank of parameters is written only when all lines of the pass before the last are
    free again, and at most two passes are pending; a line that is not closed has been drained.
    """

    ports = PORTS

    unit = "basis_mac"
    handshakes = ("z_ready_o", "target_valid_o")

    def begin(self) -> None:
        """Random passes; z of random density."""
        self.one = self.sizes._replace(blocks=1)
        port = LoadPort(self.config)
        count = self.random.randint(1, 5)
        passes = [one_block(random_pass(self.numbers, self.config).work) for _ in range(count)]
        self.work = work_of(passes, [0] * count, self.one)
        self.loads = [
            (p, transfer) for p, work in enumerate(passes) for transfer in transfers_of(port, work, KINDS, self.random)
        ]
        self.loaded = 0
        self.mac = make_basis_mac(self.one)
        self.lines = make_psum_lines(self.one)
        #: Output lines not freed yet, of each pass.
        self.unfreed = [int(rows) for rows in self.work.out_height]
        self.pixels = int((self.work.height * self.work.width).sum())
        self.taken = 0
        self.issued: Target | None = None
        self.added: Target | None = None
        self.closing = 0
        self.offer, self.free_pace, self.load_pace = Offer(self.random), Pace(self.random), Pace(self.random)
        self.zero_share = self.random.choice((0.0, 0.3, 0.9))
        self.z = self._new_z()
        for g in (work.geometry for work in passes):
            self.coverage.met("stride above kernel", g.stride > g.kernel_height)

    def _new_z(self) -> np.ndarray:
        """z of every row: all 0, all extreme, or anything."""
        rows, limit = self.config.rows, 2 ** (self.config.z_bits - 1)
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
        line = int(self.work.lines_before[p] + row) % self.config.psum_lines
        if not (int(self.lines.done[0]) >> line) & 1 or not self.free_pace():
            return 0
        return 1 << line

    def drive(self) -> Inputs:
        """Load, offer z, show which lines are closed."""
        self.free = self._free()
        offered = self.offer(self.taken < self.pixels)
        inputs = self.next_load() | {"z_valid_i": int(offered), "closed_i": int(self.lines.closed[0])}
        return inputs | {f"z_{m}_i": int(value) for m, value in enumerate(self.z)}

    def _check_target(self, sample: Sample) -> None:
        """What was issued a cycle ago, and the sums of what was issued before."""
        target, taps = self.issued, self.config.taps
        self.expect(sample, "target_valid_o", target is not None)
        self.expect(sample, "target_done_o", self.closing)
        if target is not None:
            self.expect(sample, "target_line_o", target.line)
            self.expect(sample, "target_entry_o", target.column // taps)
            self.expect(sample, "target_bank_o", target.column % taps)
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
        walks = int(mac.walk_work[0]), int(mac.walk_y[0]), int(mac.walk_x[0])
        line = int(work.lines_before[walks[0]] + walks[1]) % self.config.psum_lines
        before = self.lines.psum[0, line].copy()
        p, row, column = int(mac.work[0]), int(mac.row[0]), int(mac.column[0])
        starts, valid = bool(inputs.get("load_pass_i")), bool(inputs["z_valid_i"])
        running = p < mac.loaded[0]
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
            sums = self.lines.psum[0, line, walks[2] : walks[2] + products] - before[walks[2] : walks[2] + products]
            self.issued = Target(line, walks[2], [int(value) for value in sums], walks[0] % 2)
            limit = 2 ** (self.config.z_bits - 1)
            self.coverage.met("lowest product", -limit in mac.walk_z[0] and -128 in work.kernels[walks[0]])
        self.coverage.met("dropped", dropped)
        self.coverage.met("several lines close at once", close.bit_count() > 1)
        self.coverage.met("line wait", wait)
        self.coverage.met("starved", starved)
        step_psum_lines(self.lines, self.one, 0, close, self.free)
        if self.free:
            self.unfreed[self.oldest_pass()] -= 1
        self.loaded += "load_data_i" in inputs
        if takes and running:
            self._note_pixel(p, row, column, dropped)
            self.taken += 1
            self.transactions += 1
            self.offer.taken()
            self.z = self._new_z()

    def _note_pixel(self, p: int, row: int, column: int, dropped: bool) -> None:
        """Which kind of pixel was taken."""
        work = self.work
        stride, padding = work.stride[p], work.padding[p]
        rows = last_output(row, stride, padding, work.out_height[p]) - first_output(
            row, work.kernel_height[p], stride, padding
        )
        columns = last_output(column, stride, padding, work.out_width[p]) - first_output(
            column, work.kernel_width[p], stride, padding
        )
        self.coverage.met("pixel that reaches no output", rows < 0 or columns < 0)
        self.coverage.met("border", padding > 0 and 0 in (row, column))
        self.coverage.met("idle pixel that closes lines", not dropped and not self.z.any())

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
