"""Scoreboard: load words, input groups and output groups against the reference model, and the drain at the end."""

from collections import Counter
from collections.abc import Callable

from pyuvm import uvm_analysis_export, uvm_scoreboard, uvm_subscriber

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stream_core import CoreCounter
from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.tb.stream_core.env.agents import context_of
from penni_escalate.tb.stream_core.env.channel import Channel, Expected
from penni_escalate.tb.stream_core.env.model import Expectation, counters_of
from penni_escalate.tb.stream_core.env.pins import Beat
from penni_escalate.tb.stream_core.env.problems import ProblemKind, ProblemLog
from penni_escalate.tb.stream_core.env.streams import Stream, codes_of, describe_load, kind_of

#: Cycles after the end in which nothing more may come.
LINGER = 20
#: Cycles between two looks at the queues.
_LOOK = 8


class LoadChannel:
    """The load port: a pass's words come in any order, its PASS word last.

    Attributes:
        compared: words that were expected.
    """

    def __init__(self, scoreboard: "Scoreboard") -> None:
        self.compared = 0
        self._scoreboard = scoreboard
        self._passes: list[tuple[int, ...]] = []
        self._number = 0
        self._seen: list[int] = []

    def expect(self, loads: tuple[tuple[int, ...], ...]) -> None:
        """A run begins: the words of its passes."""
        self.discard()
        self._passes = list(loads)

    def discard(self) -> None:
        """Expect nothing any more."""
        self._passes = []
        self._number = 0
        self._seen = []

    @property
    def pending(self) -> int:
        """Passes that must still be started."""
        return len(self._passes) - self._number

    def observe(self, beat: Beat) -> None:
        """A word was taken; the one that starts a pass closes it."""
        self._seen.append(beat.word)
        if kind_of(self._scoreboard.load, beat.word) != LoadKind.PASS:
            return
        if not self.pending:
            self._scoreboard.problems.note(
                ProblemKind.EXTRA, f"load port: a pass is started in cycle {beat.cycle}, none is expected"
            )
        else:
            self._compare(beat)
            self._number += 1
        self._seen = []

    def _compare(self, beat: Beat) -> None:
        wanted, seen = Counter(self._passes[self._number]), Counter(self._seen)
        self.compared += sum((wanted & seen).values())
        if wanted == seen:
            return
        lines = [f"load port: the words of pass {self._number}, started in cycle {beat.cycle}, differ"]
        for title, words in (("expected, not seen", wanted - seen), ("seen, not expected", seen - wanted)):
            shown = [describe_load(self._scoreboard.load, word) for word in words.elements()]
            lines += [f"  {title}: {text}" for text in shown[:4]]
            lines += [f"  {title}: {len(shown) - 4} more"] if len(shown) > 4 else []
        self._scoreboard.problems.note(ProblemKind.LOAD, "\n".join(lines))

    def note_left_over(self) -> None:
        """A run has ended: words behind its last pass belong to none."""
        if self._seen:
            shown = [describe_load(self._scoreboard.load, word) for word in self._seen[:4]]
            text = f"load port: {len(self._seen)} words came behind the last pass: {', '.join(shown)}"
            self._scoreboard.problems.note(ProblemKind.EXTRA, text)

    def describe_stuck(self) -> str:
        """What is missing."""
        return (
            f"load port: pass {self._number} of {len(self._passes)} is not started, "
            f"{len(self._seen)} of its {len(self._passes[self._number])} words came"
        )


class Scoreboard(uvm_scoreboard):
    """Compares what was seen with the expectation of the run.

    Values always; cycles and all counters where stalls are none or recorded; else the counters that do not depend on
    time.

    Attributes:
        values: output values compared; cycles: cycles and counters compared.
    """

    def build_phase(self) -> None:
        """A channel a stream, and what feeds them."""
        context = context_of(self)
        self.timebase = context.timebase
        self.problems = context.problems
        self.load = context.streams["load"]
        self.config: Accelerator = self.cdb_get("CONFIG")
        self.values = 0
        self.counters_compared = 0
        self.loads = LoadChannel(self)
        self.inputs = group_channel("input group", ProblemKind.INPUT, context.streams["input"], self.problems)
        self.outputs = group_channel("output group", ProblemKind.VALUE, context.streams["output"], self.problems)
        self.expectation: Expectation | None = None
        self._moved = 0
        implementation = uvm_subscriber.uvm_AnalysisImp
        self.expectations: uvm_analysis_export = implementation("expectations", self, self.begin)
        seen = {"load": self._see_load, "input": self._see_input, "output": self._see_output}
        self.exports: dict[str, uvm_analysis_export] = {
            stream: implementation(f"{stream}_export", self, see) for stream, see in seen.items()
        }

    @property
    def cycles(self) -> int:
        """Cycles and counters compared."""
        return self.outputs.cycles + self.counters_compared

    def begin(self, expectation: Expectation) -> None:
        """A run begins."""
        self.expectation = expectation
        self._moved = self.timebase.cycle if self.timebase.running else 0
        self.loads.expect(expectation.loads)
        self.inputs.expect([Expected(word, None, f"group {n}") for n, word in enumerate(expectation.inputs)])
        self.outputs.expect(expected_outputs(expectation))

    def _see_load(self, beat: Beat) -> None:
        self._moved = beat.cycle
        self.loads.observe(beat)

    def _see_input(self, beat: Beat) -> None:
        self._moved = beat.cycle
        self.inputs.observe(beat)

    def _see_output(self, beat: Beat) -> None:
        self._moved = beat.cycle
        self.values += self.config.group
        self.outputs.observe(beat)

    @property
    def pending(self) -> bool:
        """Something must still come."""
        return bool(self.loads.pending or self.inputs.pending or self.outputs.pending)

    @property
    def stuck(self) -> bool:
        """Nothing has moved for longer than a core that works may take."""
        assert self.expectation is not None
        return self.timebase.cycle - self._moved > self.expectation.timeout

    async def drain(self) -> None:
        """The end of a run: every queue empties, the core falls idle, and nothing more comes.

        Gives up, with a problem that shows the heads of the queues, when nothing moves for ``timeout`` cycles.
        """
        while self.pending and not self.stuck:
            await self.timebase.cycles(_LOOK)
        heads = [channel.describe_stuck() for channel in (self.loads, self.inputs, self.outputs) if channel.pending]
        busy = self.timebase.dut.busy_o
        while not heads and busy.value != 0 and not self.stuck:
            await self.timebase.cycles(1)
        if not heads and busy.value != 0:
            heads = [f"busy is {busy.value} though everything has left"]
        if heads:
            text = f"nothing moves in cycle {self.timebase.cycle}\n  " + "\n  ".join(heads)
            self.problems.note(ProblemKind.STUCK, text)
        await self.timebase.cycles(LINGER)
        if not heads:
            self.loads.note_left_over()

    def discard(self) -> None:
        """Expect nothing any more: the run was aborted by a reset, or has been drained."""
        self.expectation = None
        self.loads.discard()
        self.inputs.discard()
        self.outputs.discard()

    def compare_counters(self, found: dict[tuple[bool, int, int], int | None]) -> None:
        """Compare counters that were read after the run: (of the core, block, index) to value, None where X."""
        assert self.expectation is not None
        for place, wanted in counters_of(self.expectation).items():
            self.counters_compared += 1
            got = found[place]
            if got != wanted:
                core, block, index = place
                name = (
                    f"{CoreCounter(index).name} of the core" if core else f"{BlockCounter(index).name} of block {block}"
                )
                shown = "X" if got is None else got
                self.problems.note(ProblemKind.COUNTER, f"{name}: expected {wanted}, got {shown}")


def group_channel(name: str, mismatch: ProblemKind, stream: Stream, problems: ProblemLog) -> Channel:
    """A channel of groups, input or output."""
    return Channel(name, mismatch, _shown(stream), stream.ports, problems)


def _shown(stream: Stream) -> Callable[[int], str]:
    """What tables show of a group of a stream."""

    def show(word: int) -> str:
        fields = stream.unpack(word)
        flags = "".join(f" {name}" for name in ("eop", "last") if fields[name])
        return f"{codes_of(stream, word)}{flags}"

    return show


def expected_outputs(expectation: Expectation) -> list[Expected]:
    """The output groups of a run."""
    cycles = expectation.cycles or (None,) * len(expectation.outputs)
    return [
        Expected(word, cycle, "pass {} row {} column {} channel {}".format(*place))
        for word, cycle, place in zip(expectation.outputs, cycles, expectation.places, strict=True)
    ]
