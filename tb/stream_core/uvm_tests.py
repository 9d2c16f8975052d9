"""The stream core's pyuvm tests: how many random layers each runs, the environment says; what they are, the seed."""

from collections.abc import Mapping, Sequence

import numpy as np

from penni_escalate.tb.stream_core.env import errors
from penni_escalate.tb.stream_core.env.agents import ActivationDriver, ConfigurationDriver, OutputMonitor, WeightDriver
from penni_escalate.tb.stream_core.env.base_test import StreamCoreTest, core_test
from penni_escalate.tb.stream_core.env.model import Expectation, counters_of, expect
from penni_escalate.tb.stream_core.env.problems import ProblemKind
from penni_escalate.tb.stream_core.env.scoreboard import expected_outputs, group_channel
from penni_escalate.tb.stream_core.env.work import Regime, Work, dense, draw_work, extreme_sparsity, other_geometry

#: Layers of a run where they come back to back.
BACK_TO_BACK = 5
#: More different output codes than this has a layer under an error: where the clamp leaves few, little would show.
CODES = 8


@core_test
class smoke(StreamCoreTest):
    """Layers one by one, free-running: values, cycles and counters."""

    async def body(self) -> None:
        """A run a layer."""
        for number in range(self.layers):
            await self.run_work(draw_work(self.numbers, self.config, f"smoke{number}", 1, Regime.FREE))


@core_test
class random_layers(StreamCoreTest):
    """One to three layers a run, free-running or under recorded stalls: values, cycles and counters."""

    async def body(self) -> None:
        """Runs until all layers are used up."""
        left = self.layers
        while left > 0:
            count = min(left, self.random.randint(1, 3))
            regime = self.random.choice((Regime.FREE, Regime.RECORDED))
            await self.run_work(draw_work(self.numbers, self.config, f"random{left}", count, regime))
            left -= count


@core_test
class back_to_back(StreamCoreTest):
    """Long runs of layers that each differ in geometry from the one before."""

    async def body(self) -> None:
        """Runs of five layers, the regimes in turn."""
        left, number = self.layers, self.random.randrange(3)
        while left > 0:
            count = min(left, BACK_TO_BACK)
            regime = tuple(Regime)[number % 3]
            name = f"back_to_back{number}"
            await self.run_work(draw_work(self.numbers, self.config, name, count, regime, other_geometry))
            left, number = left - count, number + 1


@core_test
class stalls(StreamCoreTest):
    """Random stalls that the model does not know: values, and the counters that do not depend on time."""

    async def body(self) -> None:
        """One or two layers a run."""
        left = self.layers
        while left > 0:
            count = min(left, self.random.randint(1, 2))
            await self.run_work(draw_work(self.numbers, self.config, f"stalls{left}", count, Regime.RANDOM))
            left -= count


@core_test
class sparsity_extremes(StreamCoreTest):
    """Coefficients and activations nearly all zero or nearly all not, one after the other."""

    async def body(self) -> None:
        """Two layers a run, every regime."""
        left = self.layers
        while left > 0:
            count = min(left, 2)
            regime = self.random.choice(tuple(Regime))
            work = draw_work(self.numbers, self.config, f"sparsity{left}", count, regime, extreme_sparsity)
            await self.run_work(work)
            left -= count


@core_test
class without_reset(StreamCoreTest):
    """Runs that follow one another without a reset, the core idle in between; counters are cleared by their pin."""

    async def body(self) -> None:
        """The first run from reset, the others where it ended."""
        for number in range(self.layers):
            work = draw_work(self.numbers, self.config, f"without_reset{number}", 1, Regime.RANDOM)
            await self.run_work(work, reset=number == 0)


@core_test
class reset_in_mid_pass(StreamCoreTest):
    """A reset while everything is in flight, then a run that must be right in values, cycles and counters."""

    async def body(self) -> None:
        """Cut at any cycle of a run of two layers, then a whole one."""
        for number in range(self.layers):
            regime = self.random.choice((Regime.FREE, Regime.RECORDED))
            aborted = draw_work(self.numbers, self.config, f"aborted{number}", 2, regime)
            await self.abort_work(aborted, self.random.random())
            await self.run_work(draw_work(self.numbers, self.config, f"whole{number}", 1, Regime.FREE))


# ---- negative tests: each injects an error and passes only if the environment detects it, and nothing else -----------


class _Error(StreamCoreTest):
    """One run under an error, with a layer that the error matters for.

    The scoreboard must see the error. Beside it the outputs at the pins are compared with what a core that is right
    makes of what it is given, the error included.
    """

    regime = Regime.FREE

    def matters(self, meant: Expectation) -> bool:
        """Whether what is provoked must be seen and can be counted."""
        return True

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """How many problems of each kind must be seen."""
        raise NotImplementedError

    def tolerates(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """How many more of each kind at most may be seen."""
        return {}

    def given(self, work: Work) -> Work:
        """What the core is given in the place of the work that is meant."""
        return work

    def done(self, meant: Expectation) -> Expectation:
        """What a core that is right does."""
        return expect(self.config, self.given(meant.work))

    async def body(self) -> None:
        """Draw until it matters, and run."""
        while True:
            work = draw_work(self.numbers, self.config, "error", 1, self.regime, dense)
            meant = expect(self.config, work)
            if len(np.unique(meant.trace.outputs)) > CODES and self.matters(meant):
                break
        self.provoked = self.provokes(meant)
        self.tolerated = self.tolerates(meant)
        bus = self.env.agents["outputs"].monitor.bus
        pins = group_channel("output group at the pins", ProblemKind.VALUE, bus.stream, self.faults)
        pins.expect(expected_outputs(self.done(meant)))
        bus.add_callback(pins.observe)
        await self.run_work(work)


class _OtherPixels(_Error):
    """The core is given other pixels than were meant, in one pass of one group a pixel: each group is a pixel."""

    def pixels(self, count: int) -> Sequence[int]:
        """The meant pixel, of so many, in the place of each."""
        raise NotImplementedError

    def given(self, work: Work) -> Work:
        """These pixels."""
        return errors.with_pixels(work, self.pixels(len(work.inputs[0].maps)))

    def matters(self, meant: Expectation) -> bool:
        """One pass, one group a pixel."""
        return len(meant.loads) == 1 and meant.work.inputs[0].maps.shape[1] == 1


@core_test
class errors_dropped_group(_OtherPixels):
    """A group is left out. Those behind it come a pixel too early: the outputs that still come are another image's."""

    overrides = ((ActivationDriver, errors.DroppingDriver),)

    def pixels(self, count: int) -> Sequence[int]:
        """Any pixel in the place of the last: what depends on it does not come."""
        return [*errors.second_dropped(range(count)), count - 1]

    def matters(self, meant: Expectation) -> bool:
        """An output comes before the last pixel is missed."""
        if not super().matters(meant):
            return False
        trace = self.done(meant).trace
        return bool(trace.output_cycle[0] < trace.input_cycle[-1])

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """Every group from the second on, and the pass does not end."""
        differing = errors.differing(meant.inputs, errors.second_dropped(meant.inputs))
        return {ProblemKind.INPUT: differing, ProblemKind.STUCK: 1}

    def tolerates(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """Values and cycles of the other image, as far as it comes; counters of a pass that has not ended."""
        other = errors.consequences(meant, self.done(meant))
        return {
            ProblemKind.VALUE: other[ProblemKind.VALUE],
            ProblemKind.CYCLE: other[ProblemKind.CYCLE],
            ProblemKind.COUNTER: len(counters_of(meant)),
        }


@core_test
class errors_repeated_group(_OtherPixels):
    """A group is sent twice. Those behind it come a pixel too late: the outputs are another image's."""

    overrides = ((ActivationDriver, errors.RepeatingDriver),)

    def pixels(self, count: int) -> Sequence[int]:
        """The last comes behind the pass's end."""
        return errors.second_repeated(range(count))[:count]

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """Every group from the third on, one more than was meant, values and cycles of the other image."""
        other = errors.consequences(meant, self.done(meant))
        differing = errors.differing(meant.inputs, errors.second_repeated(meant.inputs))
        return {
            ProblemKind.INPUT: differing,
            ProblemKind.EXTRA: 1,
            ProblemKind.VALUE: other[ProblemKind.VALUE],
            ProblemKind.CYCLE: other[ProblemKind.CYCLE],
        }

    def tolerates(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """Counters: the core has begun with a pixel that belongs to no pass."""
        return {ProblemKind.COUNTER: len(counters_of(meant))}


@core_test
class errors_flipped_value(_Error):
    """A bit of the activations is flipped. The outputs are another image's, which the model knows."""

    overrides = ((ActivationDriver, errors.FlippingDriver),)

    def matters(self, meant: Expectation) -> bool:
        """The clamp does not hide it."""
        return self.provokes(meant)[ProblemKind.VALUE] > 0

    def given(self, work: Work) -> Work:
        """Another image."""
        return errors.flipped(work)

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """Every group that has a code, and what follows from them."""
        return errors.consequences(meant, self.done(meant))


@core_test
class errors_wrong_weight(_Error):
    """A basis kernel is wrong. The outputs are another layer's, which the model knows."""

    overrides = ((WeightDriver, errors.WrongWeightDriver),)

    def matters(self, meant: Expectation) -> bool:
        """The clamp does not hide it."""
        return self.provokes(meant)[ProblemKind.VALUE] > 0

    def given(self, work: Work) -> Work:
        """Another layer."""
        return errors.misweighted(work)

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """The words of the first pass, and what follows from them."""
        return errors.consequences(meant, self.done(meant))


@core_test
class errors_trailing_word(_Error):
    """A parameter comes behind the last pass. It is for a pass that does not come: nothing else is wrong."""

    overrides = ((ConfigurationDriver, errors.TrailingDriver),)

    def matters(self, meant: Expectation) -> bool:
        """One pass: behind another's the word would be one too many of the next."""
        return len(meant.loads) == 1

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """One report of what is left over."""
        return {ProblemKind.EXTRA: 1}


@core_test
class errors_unstable_input(_Error):
    """An offered group changes before it is taken. It has changed back when it is: nothing else is wrong."""

    overrides = ((ActivationDriver, errors.UnstableDriver),)

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """It changes, and changes back."""
        return {ProblemKind.STABILITY: 2}


@core_test
class errors_withdrawn_input(_Error):
    """An offered group is withdrawn before it is taken. It is offered again: nothing else is wrong."""

    overrides = ((ActivationDriver, errors.WithdrawingDriver),)

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """Once."""
        return {ProblemKind.STABILITY: 1}


@core_test
class errors_unknown_valid(_Error):
    """Valid is X for a cycle, in which the core takes nothing: nothing else is wrong."""

    needs_unknown = True

    overrides = ((ActivationDriver, errors.UnknownDriver),)

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """X is no offer either: what was offered is withdrawn."""
        return {ProblemKind.UNKNOWN: 1, ProblemKind.STABILITY: 1}


@core_test
class errors_lost_output(_Error):
    """An output group does not arrive. Those behind it are taken for the ones before them."""

    regime = Regime.RANDOM
    overrides = ((OutputMonitor, errors.LosingMonitor),)

    def matters(self, meant: Expectation) -> bool:
        """The group after the lost one is another."""
        return meant.outputs[1] != meant.outputs[2]

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """Every group that is not as the one before it, and the last is missing."""
        differing = errors.differing(meant.outputs, errors.second_dropped(meant.outputs))
        return {ProblemKind.VALUE: differing, ProblemKind.STUCK: 1}


@core_test
class errors_extra_output(_Error):
    """The last output group arrives twice: nothing else is wrong."""

    overrides = ((OutputMonitor, errors.InventingMonitor),)

    def matters(self, meant: Expectation) -> bool:
        """One pass: behind another's it would be taken for the first of the next."""
        return len(meant.loads) == 1

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """The second time."""
        return {ProblemKind.EXTRA: 1}


@core_test
class errors_late_output(_Error):
    """Output groups arrive a cycle late, with the right values."""

    overrides = ((OutputMonitor, errors.LateMonitor),)

    def provokes(self, meant: Expectation) -> Mapping[ProblemKind, int]:
        """All of them."""
        return {ProblemKind.CYCLE: len(meant.outputs)}


@core_test
class errors_nothing_compared(StreamCoreTest):
    """A test that runs nothing."""

    async def body(self) -> None:
        """Nothing."""
        self.provoked = {ProblemKind.NOTHING: 1}
