"""Psum line buffer against the cycle model: additions, forwarding, closing, draining and freeing.

The bench stands in for the MAC (issue, a cycle later the target, a cycle later the sums) and the collector.
"""

from typing import NamedTuple

import cocotb
from cocotb.handle import HierarchyObject

from penni_escalate.golden.cycle.psum_line_buffer import make_psum_line_buffer, step_psum_line_buffer
from penni_escalate.tb.base.stimulus import Throttle, pack
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.signals import Sample

WORD = (1 << 32) - 1
EXTREMES = (0, 1, WORD, 1 << 31, (1 << 31) - 1)


class Issue(NamedTuple):
    """What the MAC issued in one cycle: columns of a line from ``column`` on, a sum each, and lines closed."""

    line: int
    column: int
    sums: tuple[int, ...]
    close: int


NOTHING = Issue(0, 0, (), 0)


class PsumLineBufferBench(UnitBench):
    """A transaction is an addition or a read for draining.

    Assumptions: a line is added to only while it is not closed, and drained only when it is done; one
    bank of biases serves a line from its first addition until it is freed, and stays as it is.
    """

    unit = "psum_line_buffer"
    timeout = 4000

    def __init__(self, dut: HierarchyObject) -> None:
        super().__init__(dut)
        #: Lines and ways whose psum stood at the output while something was added to another line in the same way.
        self.held_beside: set[tuple[int, int]] = set()

    def begin(self) -> None:
        """Lines free, biases about to be loaded."""
        if self.episode > 1:
            self._note_reset()
        self.model = make_psum_line_buffer(self.sizes._replace(blocks=1))
        self.bias = [[0], [0]]
        self.to_load = [0, 1]
        self.bank: list[int] = []
        lines = self.config.psum_lines
        #: Bank of biases of each line in use, None for a free one.
        self.uses: list[int | None] = [None] * lines
        self.written: list[set[int]] = [set() for _ in range(lines)]
        self.pipe = [NOTHING, NOTHING]
        self.current = 0
        self.held: tuple[int, int] | None = None
        self.drained = 0
        self.left = self.random.randrange(20, 400)
        #: Of each line: 0 where the pass has one output, else the step, whose ways hold outputs of their own.
        self.step = [self._new_step() for _ in range(lines)]
        #: Issues of the last two cycles, NOTHING where there was none.
        self.recent = [NOTHING, NOTHING]
        #: Cycles that the psum at the output stands; cycle in which each line was freed.
        self.stands = 0
        self.freed = [-1] * lines
        self.issue_throttle, self.drain_throttle = Throttle(self.random), Throttle(self.random)
        self.close_share = self.random.choice((0.01, 0.05, 0.3))
        #: Few reads of a line, or so many that nearly every column is among them.
        self.free_share = self.random.choice((0.02, 0.2))

    def _new_step(self) -> int:
        return self.random.choice((0, *range(1, self.widths.steps_max + 1))) if self.widths.outputs_max > 1 else 0

    def _outputs_of(self, line: int) -> range:
        """The outputs whose sums the ways of a line hold; all ways are of output 0 where the pass has one."""
        step, taps = self.step[line], self.config.taps
        return range((step - 1) * taps, min(step * taps, self.widths.outputs_max)) if step else range(1)

    def _output_at(self, line: int, way: int) -> int:
        return self._outputs_of(line)[way if self.step[line] else 0]

    def _choose_load(self) -> dict[str, int]:
        """A bias for a bank that no line uses."""
        idle = [bank for bank in (0, 1) if bank not in self.uses]
        if self.to_load and self.to_load[0] in idle:
            bank = self.to_load.pop(0)
        elif idle and not self.to_load and idle[0] != self.current and self.random.random() < 0.1:
            bank = idle[0]
            self.coverage.met("bias changes")
        else:
            return {}
        self.bias[bank] = [
            self.random.choice(EXTREMES) if self.random.random() < 0.3 else self.random.getrandbits(32)
            for _ in range(self.widths.outputs_max)
        ]
        return {"load_i": 1, "load_bank_i": bank, "load_bias_i": pack(self.bias[bank], 32)}

    def _choose_issue(self) -> Issue:
        """An addition near the last ones, and lines that close with it."""
        closed = int(self.model.closed[0])
        lines = [line for line in range(self.config.psum_lines) if not (closed >> line) & 1]
        if not lines or self.to_load or not self.left:
            return NOTHING
        line, column = 0, 0
        sums: tuple[int, ...] = ()
        if self.issue_throttle():
            near = [(issue.line, issue.column) for issue in self.recent if issue.sums and issue.line in lines]
            others = [other for other in lines if self._waits_beside() and self.held and other != self.held[0]]
            if others and self.held and self.random.random() < 0.7:
                taps = self.config.taps
                line, column = self.random.choice(others), self.held[1] % taps
                column += self.random.randrange(self.config.width_max // taps) * taps
            elif near and self.random.random() < 0.6:
                line, column = self.random.choice(near)
                if self.random.random() < 0.4:
                    line = self.random.choice(lines)
                elif self.random.random() < 0.2:
                    column = max(0, column - self.random.randrange(self.config.taps))
            else:
                line, column = self.random.choice(lines), self.random.randrange(self.config.width_max)
                if self.random.random() < 0.2:
                    column = self.random.choice((0, self.config.width_max - 1))
            most = min(self.config.taps, self.config.width_max - column)
            if self.step[line]:
                column -= column % self.config.taps
                most = len(self._outputs_of(line))
            count = self.random.randint(1, most)
            sums = tuple(
                self.random.choice(EXTREMES) if self.random.random() < 0.3 else self.random.getrandbits(32)
                for _ in range(count)
            )
            self.left -= 1
        close = 0
        if self.random.random() < self.close_share:
            for other in self.random.sample(lines, self.random.randint(1, len(lines))):
                close |= 1 << other
        return Issue(line, column, sums, close)

    def _choose_drain(self) -> dict[str, int]:
        """Read a column of a done line, or free the line that was read."""
        done = [line for line in range(self.config.psum_lines) if (int(self.model.done[0]) >> line) & 1]
        if not done or not self.drain_throttle() or (self._waits_beside() and self.random.random() < 0.7):
            return {}
        if self.held is not None and self.held[0] in done and self.random.random() < self.free_share:
            return {"drain_free_i": 1 << self.held[0]}
        line = self.held[0] if self.held is not None and self.held[0] in done else self.random.choice(done)
        columns = sorted(self.written[line])
        column = self.random.choice((0, self.config.width_max - 1, self.random.randrange(self.config.width_max)))
        if columns and self.random.random() < 0.7:
            column = self.random.choice([c for c in columns if not self._held_before(line, c)] or columns)
        way = column % self.config.taps
        if self.step[line] and way >= len(self._outputs_of(line)):
            way = 0
        bank = self.uses[line]
        assert bank is not None
        return {
            "drain_read_i": 1,
            "drain_line_i": line,
            "drain_entry_i": column // self.config.taps,
            "drain_way_i": way,
            "drain_output_i": self._output_at(line, way),
            "drain_parameters_i": bank,
        }

    def _held_before(self, line: int, column: int) -> bool:
        return (line, column % self.config.taps) in self.held_beside

    def _waits_beside(self) -> bool:
        """Whether the psum at the output is of a memory that has not held beside an addition yet."""
        return (
            self.held is not None and self.held[1] in self.written[self.held[0]] and not self._held_before(*self.held)
        )

    def drive(self) -> Inputs:
        """Issue, the target of the last issue, the sums of the one before, and the drain."""
        inputs = self._choose_load()
        self.issue = self._choose_issue()
        for line in range(self.config.psum_lines):
            used = (self.issue.sums and self.issue.line == line) or (self.issue.close >> line) & 1
            if used and self.uses[line] is None:
                self.uses[line] = self.current
        if self.random.random() < 0.02 and not self.to_load and not inputs:
            self.current = 1 - self.current
        target, addition = self.pipe
        inputs |= {"close_i": self.issue.close, "target_done_i": target.close}
        if target.sums:
            bank = self.uses[target.line]
            assert bank is not None
            inputs |= {
                "target_valid_i": 1,
                "target_line_i": target.line,
                "target_entry_i": target.column // self.config.taps,
                "target_way_i": target.column % self.config.taps,
                "target_mask_i": (1 << len(target.sums)) - 1,
                "target_step_i": self.step[target.line],
                "target_parameters_i": bank,
            }
        inputs["sum_i"] = pack(addition.sums, 32) if addition.sums else self.random.getrandbits(32 * self.config.taps)
        return inputs | self._choose_drain()

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Closed, done, and the psum that the drain shows."""
        model, issue = self.model, self.issue
        self.expect(sample, "closed_o", int(model.closed[0]))
        self.expect(sample, "done_o", int(model.done[0]))
        if self.held is not None:
            self.expect(sample, "drain_psum_o", self.drained)
            self._note_beside(inputs, *self.held)
        self.coverage.met("all lines closed", int(model.closed[0]) == (1 << self.config.psum_lines) - 1)
        self.coverage.met("several lines close at once", issue.close.bit_count() > 1)
        self._note_sides(inputs)
        if issue.sums:
            self._note_addition(issue)
            for tap, value in enumerate(issue.sums):
                model.psum[0, issue.line, issue.column + tap] += value
                self.written[issue.line].add(issue.column + tap)
            self.transactions += 1
        self.recent = [self.recent[1], issue]
        free = inputs.get("drain_free_i", 0)
        self.coverage.met("free and close in one cycle", free != 0 and issue.close != 0)
        if self.held is not None:
            self.stands += 1
        if inputs.get("drain_read_i"):
            self._note_drain(inputs)
            line = inputs["drain_line_i"]
            column = inputs["drain_entry_i"] * self.config.taps + inputs["drain_way_i"]
            bank = inputs["drain_parameters_i"]
            self.held = (line, column)
            self.drained = (int(model.psum[0, line, column]) + self.bias[bank][inputs["drain_output_i"]]) & WORD
            self.coverage.met("entry never written", column not in self.written[line])
            self.coverage.met("line never written", not self.written[line])
            self.transactions += 1
        if free and self.held is not None:
            self._note_held()
            self.freed[self.held[0]] = self.cycle
            self.uses[self.held[0]] = None
            self.written[self.held[0]] = set()
            self.step[self.held[0]] = self._new_step()
            self.held = None
        step_psum_line_buffer(model, self.sizes, 0, issue.close, free)
        self.pipe = [issue, self.pipe[0]]

    def _columns(self, issue: Issue) -> range:
        return range(issue.column, issue.column + len(issue.sums))

    def _note_addition(self, issue: Issue) -> None:
        """Each entry that is added to, against the issues of the last two cycles."""
        earlier, last = self.recent
        taps, model = self.config.taps, self.model
        for column, value in zip(self._columns(issue), issue.sums, strict=True):
            repeat = "longer or never"
            for before, name in ((earlier, "two cycles later"), (last, "next cycle")):
                if before.line == issue.line and column in self._columns(before):
                    repeat = name
            psum = int(model.psum[0, issue.line, column])
            self.coverage.sample(
                {
                    "repeat": repeat,
                    "entry": "written" if column in self.written[issue.line] else "not written",
                    "added column": self._place(column),
                    "sum": "wraps" if (psum % 2**32) + value % 2**32 >= 2**32 else "stays",
                }
            )
            self.coverage.met("same entry in consecutive cycles", repeat == "next cycle")
            self.coverage.met("same entry two cycles apart", repeat == "two cycles later")
            self.coverage.met("same column of another line", last.line != issue.line and column in self._columns(last))
            if taps > 1:
                other = repeat == "next cycle" and column - last.column != column - issue.column
                self.coverage.met("same entry through another tap", other)
        step = self.step[issue.line]
        ways = "one output" if not step else "last step" if step == self.widths.steps_max else "before the last"
        self.coverage.sample({"added for": ways})
        if taps > 1:
            turns = issue.column % taps + len(issue.sums) > taps
            self.coverage.sample({"taps": "turn around" if turns else "in order"})
        if self.freed[issue.line] >= 0:
            since = self.cycle - self.freed[issue.line]
            self.coverage.sample({"line in use again": "at once" if since == 1 else "soon" if since < 4 else "later"})
            self.freed[issue.line] = -1

    def _place(self, column: int) -> str:
        return "first" if column == 0 else "last" if column == self.config.width_max - 1 else "between"

    def _note_drain(self, inputs: Inputs) -> None:
        """The entry that is read, and what else happens in its way."""
        line, way = inputs["drain_line_i"], inputs["drain_way_i"]
        column = inputs["drain_entry_i"] * self.config.taps + way
        entry = "written" if column in self.written[line] else "not written"
        self.coverage.sample(
            {
                "drained entry": entry if self.written[line] else "of an untouched line",
                "drained column": self._place(column),
                "bank": str(inputs["drain_parameters_i"]),
                "drained output": "the only one"
                if not self.step[line]
                else "first"
                if not inputs["drain_output_i"]
                else "others",
            }
        )
        self._note_held()
        target = self.pipe[0]
        together = any(other % self.config.taps == way for other in self._columns(target))
        self.coverage.met("drain and addition in one way", together)
        self.coverage.met("lines of two passes", {0, 1} <= set(self.uses))

    def _note_beside(self, inputs: Inputs, line: int, column: int) -> None:
        """An addition that a held psum of the same way must not notice: the memory has one read port."""
        target, way = self.pipe[0], column % self.config.taps
        if target.line == line or {"drain_read_i", "drain_free_i"} & set(inputs) or column not in self.written[line]:
            return
        if any(other % self.config.taps == way and other != column for other in self._columns(target)):
            self.held_beside.add((line, way))
        memories = self.config.psum_lines * self.config.taps
        self.coverage.met("every memory holds beside additions", len(self.held_beside) == memories)

    def _note_held(self) -> None:
        """The psum at the output gives way."""
        if self.held is not None:
            held = "one" if self.stands == 1 else "two or three" if self.stands < 4 else "longer"
            self.coverage.sample({"psum held": held})
        self.stands = 0

    def _note_sides(self, inputs: Inputs) -> None:
        """What MAC and collector do in a cycle."""
        closed, lines = int(self.model.closed[0]).bit_count(), self.config.psum_lines
        self.coverage.sample(
            {
                "closed lines": "all"
                if closed == lines
                else "none"
                if not closed
                else "one"
                if closed == 1
                else "several",
                "mac": "adds" if self.issue.sums else "rests",
                "collector": "reads" if "drain_read_i" in inputs else "frees" if "drain_free_i" in inputs else "rests",
            }
        )

    def _note_reset(self) -> None:
        """What the episode before left in the registers, if it was aborted."""
        for name, held in (
            ("written entries", any(self.written)),
            ("closed lines", self.model.closed[0]),
            ("done lines", self.model.done[0]),
            ("addition on its way", any(issue.sums for issue in self.pipe)),
        ):
            if held:
                self.coverage.sample({"reset": name})

    def ended(self) -> bool:
        """All additions were made and no closed line waits."""
        return not self.left and not self.model.closed[0] and self.pipe == [NOTHING, NOTHING]

    def waiting(self) -> str:
        """Additions to make and lines closed."""
        return f"{self.left} additions, closed lines {int(self.model.closed[0]):b}, done {int(self.model.done[0]):b}"


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random additions and drains."""
    await PsumLineBufferBench(dut).run()
