"""What every unit bench shares: the cycle loop, episodes, comparing, counting and reporting.

In every cycle a bench chooses inputs, which reach the unit right after the clock edge, and samples
all outputs before the next. It compares them with the model, moves the model over the edge, and
goes on. An episode is a stretch from reset with its own random work and stall patterns; some end
early, in the middle of everything, so that reset is seen to clear what it must.

Assumption: outputs are functions of the registers and of the inputs of the same cycle.
"""

import json
import os
import random
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge
from cocotb.utils import get_sim_time

from penni_escalate.configs.accelerator import Accelerator, parse_accelerator
from penni_escalate.golden.cycle.sizes import Sizes, sizes_of
from penni_escalate.rtl.widths import Widths
from penni_escalate.tb.base.coverage import Collector, load_model
from penni_escalate.tb.base.result import AROUND
from penni_escalate.tb.base.seeds import seed_of
from penni_escalate.tb.units.lockstep.signals import Sample, UnitSignals, UnresolvedError

#: Environment: what the bench is told from outside the simulator.
SETTINGS = "UNIT_SETTINGS"
#: Folder, below the simulation's, of the benches' results: one file a bench.
RESULTS = "results"
#: Folder, likewise, of their functional coverage.
COVERAGE = "coverage"
PERIOD_NS = 10
#: Cycles shown of a failure.
SHOWN = 4


#: Port name to value.
Inputs = Mapping[str, int]


class MismatchError(AssertionError):
    """The unit and the model differ; ``check`` names what fired: a port, or what was worked out from ports."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(message)
        self.check = check


class UnitBench:
    """One unit in lockstep with its model; a subclass says what is driven and expected."""

    #: Name of the unit, and the instance of the wrapper that is driven.
    unit: ClassVar[str]
    instance: ClassVar[str] = ""
    #: Name of the test that runs the bench.
    test: ClassVar[str] = "lockstep"
    #: Valid and ready outputs: they must be 0 or 1 in every cycle.
    handshakes: tuple[str, ...] = ()
    #: Points of the unit's coverage that every run of this bench must hit, though not every bench of the unit can.
    required: tuple[str, ...] = ()
    #: Whether episodes may end early.
    abortable: ClassVar[bool] = True
    #: Share of the episodes that do, and the cycles within which the end comes.
    abort_share: ClassVar[float] = 0.2
    abort_reach: ClassVar[int] = 60
    #: Cycles without a transaction after which the bench gives up.
    timeout: ClassVar[int] = 2000

    def __init__(self, dut: HierarchyObject) -> None:
        settings = json.loads(os.environ[SETTINGS])
        self.config: Accelerator = parse_accelerator(settings["config"], SETTINGS)
        self.sizes: Sizes = sizes_of(self.config)
        self.widths = Widths(self.config)
        self.target: int = settings["transactions"]
        seed = seed_of(self.unit, f"{self.unit}_tests", self.test)
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        layout = json.loads(Path(settings["layout"]).read_text())
        name = self.instance or self.unit
        self.dut = dut
        self._instances = tuple(layout)
        self.signals = UnitSignals(dut, name, layout[name])
        self.transactions = 0
        self.comparisons = 0
        self.cycle = 0
        self.episode = 0
        self.coverage = Collector(load_model(self.unit), self.config)
        #: Episodes that ended early.
        self.aborted = 0
        self._history: deque[tuple[int, Inputs, Sample]] = deque(maxlen=SHOWN)
        #: What the model gave for the outputs that were compared, a cycle each.
        self._wanted: deque[dict[str, int]] = deque(maxlen=AROUND)

    # ---- what a subclass says --------------------------------------------------------------------

    def begin(self) -> None:
        """Prepare an episode: new work, the model after reset."""

    def drive(self) -> Inputs:
        """Inputs of the coming cycle; what is not named is 0."""
        raise NotImplementedError

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Compare the outputs of a cycle with the model, and move the model over the edge."""
        raise NotImplementedError

    def ended(self) -> bool:
        """Whether the episode's work is done and every queue is empty."""
        raise NotImplementedError

    def waiting(self) -> str:
        """What the episode still waits for, for the report of a bench that is stuck."""
        return ""

    # ---- for the subclass ------------------------------------------------------------------------

    def expect(self, sample: Sample, name: str, value: int) -> None:
        """Compare one output; negative values as two's complement."""
        self.comparisons += 1
        got = sample[name]
        # A model's value may be NumPy's, which no record can hold.
        wanted = int(value) & ((1 << self.signals.outputs[name][1]) - 1)
        self._wanted[-1][name] = wanted
        if got != wanted:
            raise MismatchError(name, f"{name}: expected {wanted:#x}, got {got:#x}")

    def compare(self, what: str, got: object, wanted: object) -> None:
        """Compare something that was worked out from outputs."""
        self.comparisons += 1
        if got != wanted:
            raise MismatchError(what, f"{what}: expected {wanted}, got {got}")

    # ---- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run episodes until the target is met; raises MismatchError at the first difference."""
        problem = check = ""
        begin = time.perf_counter()
        try:
            await self._start()
            while self.transactions < self.target or self.lacking():
                await self._episode()
                if self.episode > 20 * (self.target + 10):
                    raise MismatchError("lacking", f"{self.episode} episodes did not meet: {', '.join(self.lacking())}")
            assert self.comparisons >= self.transactions > 0, "nothing was compared"
        except (MismatchError, UnresolvedError) as error:
            problem = self._report(str(error))
            check = error.check if isinstance(error, MismatchError) else "X"
            raise AssertionError(problem) from None
        except Exception as error:
            problem = self._report(f"{type(error).__name__}: {error}")
            raise
        finally:
            result = {
                "unit": self.unit,
                "instance": self.instance or self.unit,
                "seconds": time.perf_counter() - begin,
                "transactions": self.transactions,
                "comparisons": self.comparisons,
                "cycles": self.cycle,
                "episodes": self.episode,
                "aborted": self.aborted,
                "problem": problem,
                "check": check,
                # The run ends with its first difference.
                "detected_ps": get_sim_time("step") if problem else None,
                "wanted": self._wanted_of(check, get_sim_time("step")) if problem else [],
            }
            name = self.instance or self.unit
            (Path(RESULTS) / f"{name}.json").write_text(json.dumps(result))
            self.coverage.write(Path(COVERAGE) / f"{name}.json")

    def lacking(self) -> list[str]:
        """Bins that this run must hit and has not."""
        return self.coverage.lacking(*self.required)

    async def _start(self) -> None:
        self.dut.clk.value = 0
        for name in self._instances:
            getattr(self.dut, f"{name}_enable").value = 0
        self.signals.enable.value = 1
        self.signals.write_word(0)
        Clock(self.dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
        self._edge = FallingEdge(self.dut.clk)
        await self._edge

    async def _reset(self) -> None:
        """One or two cycles of reset with random inputs: one must do, a second must not undo it."""
        if "rst_i" not in self.signals.inputs:
            return
        offset, _ = self.signals.inputs["rst_i"]
        words = [self.random.getrandbits(self.signals.input_bits) | 1 << offset for _ in range(2)]
        for word in words[self.episode % 2 :]:
            self.signals.write_word(word)
            await self._edge

    async def _episode(self) -> None:
        self.episode += 1
        self._history.clear()
        self._wanted.clear()
        self.begin()
        await self._reset()
        aborted_at = (
            self.random.randrange(1, self.abort_reach)
            if self.abortable and self.random.random() < self.abort_share
            else -1
        )
        before, since = self.transactions, 0
        while not self.ended():
            if since == aborted_at:
                self.aborted += 1
                break
            inputs = self.drive()
            self.signals.write(inputs)
            await self._edge
            sample = self.signals.read()
            self._history.append((self.cycle, inputs, sample))
            self._wanted.append({})
            if not sample.resolved:
                for name in self.handshakes:
                    sample[name]
            self.check(inputs, sample)
            self.cycle += 1
            since += 1
            if since % self.timeout == 0:
                if self.transactions == before:
                    problem = f"no transaction in {self.timeout} cycles; waiting for {self.waiting()}"
                    raise MismatchError("no transaction", problem)
                before = self.transactions

    def _wanted_of(self, name: str, now: int) -> list[tuple[int, int]]:
        """Times and values that the model gave for an output in the cycles up to ``now``."""
        last = len(self._wanted) - 1
        cycles = [(now - (last - n) * 1000 * PERIOD_NS, found) for n, found in enumerate(self._wanted)]
        return [(time, found[name]) for time, found in cycles if name in found]

    def _report(self, problem: str) -> str:
        lines = [f"{self.unit}, episode {self.episode}, cycle {self.cycle}: {problem}"]
        for cycle, inputs, sample in self._history:
            driven = " ".join(f"{name}={value:x}" for name, value in inputs.items())
            lines.append(f"  cycle {cycle} in:  {driven}")
            lines.append(f"  cycle {cycle} out: {sample.describe()}")
        return "\n".join(lines)
