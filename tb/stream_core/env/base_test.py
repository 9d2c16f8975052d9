"""The base of every pyuvm test of the stream core: set-up, runs, verdict."""

import json
import os
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject
from cocotb.task import Task
from cocotb.triggers import with_timeout
from pyuvm import ConfigDB, uvm_factory, uvm_root, uvm_test

from penni_escalate.configs.accelerator import parse_accelerator
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stream_core import CoreCounter
from penni_escalate.tb.base.seeds import seed_of
from penni_escalate.tb.stream_core.env.agents import CONTEXT, Context
from penni_escalate.tb.stream_core.env.environment import StreamEnvironment
from penni_escalate.tb.stream_core.env.model import Expectation
from penni_escalate.tb.stream_core.env.names import COVERAGE, RECORD, SETTINGS
from penni_escalate.tb.stream_core.env.pins import PERIOD_STEPS, CounterPort, Timebase
from penni_escalate.tb.stream_core.env.problems import Judgement, ProblemKind, ProblemLog, judge
from penni_escalate.tb.stream_core.env.sequences import RunSequence
from penni_escalate.tb.stream_core.env.streams import load_stream, streams_of
from penni_escalate.tb.stream_core.env.work import Regime, Work
from penni_escalate.tb.stream_core.sampling import STREAMS, SampledRun, overlaps_of

#: (of the core, block, index) to value, None where it is X.
Counters = dict[tuple[bool, int, int], int | None]


def core_test(found: "type[StreamCoreTest]") -> "type[StreamCoreTest]":
    """Have cocotb find a test under the name of its class.

    pyuvm's own decorator does the same, but reads the sources of all its callers for it: with twenty tests that is
    over a quarter of the time in which a simulation starts.
    """

    async def run(_: HierarchyObject) -> None:
        await uvm_root().run_test(found)

    setattr(sys.modules[found.__module__], f"__{found.__name__}", cocotb.test(name=found.__name__)(run))
    return found


class StreamCoreTest(uvm_test):
    """Raises and drops the objection, and fails unless something was compared and nothing is wrong.

    A negative test injects an error: its body says how many problems of each kind must be seen, and it fails when there
    are fewer or more. An error must not be a cloak for what is wrong with the core: what the core makes of it must be
    right.

    Attributes:
        provoked: problems that must be seen, and how many of each kind; empty: there must be none.
        tolerated: problems that may follow from the error, and how many more of each kind at most: what nobody can
            count beforehand.
        faults: problems that no error explains; there must be none.
    """

    #: Only a simulator that has X can run it.
    needs_unknown: ClassVar[bool] = False
    #: Component classes to replace: the environment's, and what takes its place.
    overrides: ClassVar[tuple[tuple[type, type], ...]] = ()

    async def body(self) -> None:
        """What the test does: a subclass runs works."""
        raise NotImplementedError

    # ---- phases ----------------------------------------------------------------------------------

    def build_phase(self) -> None:
        """Settings, pins, and the environment."""
        settings = json.loads(os.environ[SETTINGS])
        self.config = parse_accelerator(settings["config"], SETTINGS)
        self.layers: int = settings["layers"]
        self.seed = seed_of("stream_core", "uvm_tests", type(self).__name__)
        self.numbers = np.random.default_rng(self.seed)
        self.random = random.Random(self.seed)
        self.timebase = Timebase(cocotb.top)
        self.problems = ProblemLog(self.timebase.now)
        self.counter_port = CounterPort(self.timebase)
        self.provoked: Mapping[ProblemKind, int] = {}
        self.tolerated: Mapping[ProblemKind, int] = {}
        self.faults = ProblemLog(self.timebase.now)
        self._error = ""
        self._begin = time.perf_counter()
        config = self.config
        context = Context(
            timebase=self.timebase,
            problems=self.problems,
            streams=streams_of(config),
            seed=self.seed,
        )
        ConfigDB().set(None, "*", CONTEXT, context)
        ConfigDB().set(None, "*", "CONFIG", config)
        for original, override in self.overrides:
            uvm_factory().set_type_override_by_type(original, override)
        self.env = StreamEnvironment.create("env", self)

    async def run_phase(self) -> None:
        """The body, between raising and dropping the objection."""
        self.raise_objection()
        try:
            self.timebase.start()
            await self.body()
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}"
            self.logger.exception("the test's body failed")
        finally:
            self.drop_objection()

    def check_phase(self) -> None:
        """The verdict, for the runner in a file, for cocotb as an exception."""
        board = self.env.scoreboard
        if not board.values and not self._error:
            self.problems.note(ProblemKind.NOTHING, "no output value was compared")
        if board.pending:
            self.problems.note(ProblemKind.STUCK, "a queue is not empty at the end of the test")
        judgement = self._judge()
        if not self.provoked:
            self.env.coverage.save(COVERAGE)
        record = {
            **judgement._asdict(),
            "wanted": [asdict(value) for value in judgement.wanted],
            "compared": board.values + board.cycles,
            "cycles": self.timebase.now() // PERIOD_STEPS,
            "seen": {kind.value: count for kind, count in self.problems.counts.items()},
            "seconds": time.perf_counter() - self._begin,
        }
        Path(RECORD).write_text(json.dumps(record))
        assert not judgement.problem, judgement.problem

    def _judge(self) -> Judgement:
        if self._error:
            # The body's failure has ended the simulation.
            return Judgement(self._error, "exception", self.timebase.now())
        return judge(self.faults, {}, {}) if self.faults.counts else judge(self.problems, self.provoked, self.tolerated)

    # ---- for the body ----------------------------------------------------------------------------

    async def run_work(self, work: Work, *, reset: bool = True) -> None:
        """Run passes from reset to their end: everything drained, counters compared.

        Args:
            reset: False goes on where the run before ended; then ``work`` cannot be compared in cycles.
        """
        expectation = self.env.announce(work)
        load = self.env.load_port.monitor.bus
        waits = load.waits
        if reset:
            self.timebase.assert_reset()
            await self.timebase.release_reset()
        else:
            assert expectation.cycles is None, "cycles are counted from reset"
            await self.counter_port.clear()
        running = cocotb.start_soon(self._sequence(expectation).start())
        board = self.env.scoreboard
        await board.drain()
        if not running.done():
            # The core stands still and sequences wait for it: a reset lets them end.
            await self._stop(running)
        else:
            counters = await self._counters()
            board.compare_counters(counters)
            if not self.problems.counts:
                self.env.coverage.write(self._sampled(expectation, counters, load.waits - waits))
        board.discard()

    async def abort_work(self, work: Work, share: float) -> None:
        """Run passes from reset and reset the core after a share of their cycles; what came until then is compared."""
        expectation = self.env.announce(work)
        self.timebase.assert_reset()
        await self.timebase.release_reset()
        running = cocotb.start_soon(self._sequence(expectation).start())
        await self.timebase.cycles(1 + int(share * expectation.trace.cycles))
        last = self.timebase.cycle - 1
        await self._stop(running)
        board = self.env.scoreboard
        board.outputs.check_overdue(last)
        self.env.coverage.sample_reset(
            passes_started=len(work.passes) - board.loads.pending,
            groups_left=len(expectation.outputs) - board.outputs.pending,
        )
        board.discard()

    def _sampled(self, expectation: Expectation, counters: Counters, load_waits: int) -> SampledRun:
        work = expectation.work
        block = [[counters[False, b, int(c)] for c in BlockCounter] for b in range(self.config.blocks)]
        return SampledRun(
            passes=work.passes,
            inputs=work.inputs,
            outputs=expectation.trace.outputs,
            core_counters=np.array([counters[True, 0, int(c)] for c in CoreCounter], np.int64),
            block_counters=np.array(block, np.int64),
            regime=work.regime.value,
            throttle={stream: work.share(stream) for stream in STREAMS},
            # Under stalls that the model does not know it does not know cycles either.
            overlaps=None if work.regime is Regime.RANDOM else overlaps_of(expectation.trace, work.inputs),
            load_waits=load_waits,
        )

    def _sequence(self, expectation: Expectation) -> RunSequence:
        return RunSequence(expectation, self.env.sequencers, load_stream(self.config))

    async def _stop(self, running: Task) -> None:
        """Reset; the drivers then discard what they are given, so the run's sequences end."""
        self.timebase.assert_reset()
        await with_timeout(running, 1, "us")

    async def _counters(self) -> Counters:
        read = self.counter_port.read
        found = {(True, 0, int(core)): await read(True, 0, int(core)) for core in CoreCounter}
        for block in range(self.config.blocks):
            for counter in BlockCounter:
                found[False, block, int(counter)] = await read(False, block, int(counter))
        return found
