"""The stream core's pyuvm tests: how many random layers each runs, the environment says; what they are, the seed."""

import pyuvm

from tb.env import errors
from tb.env.agents import ActivationDriver, ConfigurationDriver, OutputWatcher, WeightDriver
from tb.env.base_test import StreamCoreTest
from tb.env.model import expect
from tb.env.problems import ProblemKind
from tb.env.work import Regime, Work, dense, draw_work, extreme_sparsity, other_geometry

#: Layers of a run where they come back to back.
BACK_TO_BACK = 5


@pyuvm.test()
class smoke(StreamCoreTest):
    """Layers one by one, free-running: values, cycles and counters."""

    async def body(self) -> None:
        """A run a layer."""
        for number in range(self.layers):
            await self.run_work(draw_work(self.numbers, self.config, f"smoke{number}", 1, Regime.FREE))


@pyuvm.test()
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


@pyuvm.test()
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


@pyuvm.test()
class stalls(StreamCoreTest):
    """Random stalls that the model does not know: values, and the counters that do not depend on time."""

    async def body(self) -> None:
        """One or two layers a run."""
        left = self.layers
        while left > 0:
            count = min(left, self.random.randint(1, 2))
            await self.run_work(draw_work(self.numbers, self.config, f"stalls{left}", count, Regime.RANDOM))
            left -= count


@pyuvm.test()
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


@pyuvm.test()
class without_reset(StreamCoreTest):
    """Runs that follow one another without a reset, the core idle in between; counters are cleared by their pin."""

    async def body(self) -> None:
        """The first run from reset, the others where it ended."""
        for number in range(self.layers):
            work = draw_work(self.numbers, self.config, f"without_reset{number}", 1, Regime.RANDOM)
            await self.run_work(work, reset=number == 0)


@pyuvm.test()
class reset_in_mid_pass(StreamCoreTest):
    """A reset while everything is in flight, then a run that must be right in values, cycles and counters."""

    async def body(self) -> None:
        """Cut at any cycle of a run of two layers, then a whole one."""
        for number in range(self.layers):
            regime = self.random.choice((Regime.FREE, Regime.RECORDED))
            cut = draw_work(self.numbers, self.config, f"cut{number}", 2, regime)
            await self.cut_work(cut, self.random.random())
            await self.run_work(draw_work(self.numbers, self.config, f"whole{number}", 1, Regime.FREE))


# ---- negative tests: each injects an error and passes only if the environment notices it -----------------------------


class _Error(StreamCoreTest):
    """One run under an error, with a layer that the error matters for."""

    regime = Regime.FREE

    def matters(self, work: Work) -> bool:
        """Whether what is provoked must be seen."""
        return True

    def changed(self, work: Work, other: Work) -> bool:
        """The outputs of two works differ."""
        return expect(self.config, work).outputs != expect(self.config, other).outputs

    async def body(self) -> None:
        """Draw until it matters, and run."""
        while True:
            work = draw_work(self.numbers, self.config, "error", 1, self.regime, dense)
            if self.matters(work):
                break
        await self.run_work(work)


@pyuvm.test()
class errors_dropped_group(_Error):
    """A group is left out."""

    overrides = ((ActivationDriver, errors.DroppingDriver),)
    provoked = frozenset({ProblemKind.INPUT, ProblemKind.STUCK})


@pyuvm.test()
class errors_repeated_group(_Error):
    """A group is sent twice."""

    overrides = ((ActivationDriver, errors.RepeatingDriver),)
    provoked = frozenset({ProblemKind.INPUT})


@pyuvm.test()
class errors_flipped_value(_Error):
    """A bit of the activations is flipped."""

    overrides = ((ActivationDriver, errors.FlippingDriver),)
    provoked = frozenset({ProblemKind.INPUT, ProblemKind.VALUE})

    def matters(self, work: Work) -> bool:
        """The clamp does not hide it."""
        return self.changed(work, errors.flipped(work))


@pyuvm.test()
class errors_wrong_weight(_Error):
    """A basis kernel is wrong."""

    overrides = ((WeightDriver, errors.WrongWeightDriver),)
    provoked = frozenset({ProblemKind.LOAD, ProblemKind.VALUE})

    def matters(self, work: Work) -> bool:
        """The clamp does not hide it."""
        return self.changed(work, errors.misweighted(work))


@pyuvm.test()
class errors_trailing_word(_Error):
    """A parameter comes behind the last pass."""

    overrides = ((ConfigurationDriver, errors.TrailingDriver),)
    provoked = frozenset({ProblemKind.EXTRA})


@pyuvm.test()
class errors_unstable_input(_Error):
    """An offered group changes before it is taken."""

    overrides = ((ActivationDriver, errors.UnstableDriver),)
    provoked = frozenset({ProblemKind.STABILITY})


@pyuvm.test()
class errors_withdrawn_input(_Error):
    """An offered group is withdrawn before it is taken."""

    overrides = ((ActivationDriver, errors.WithdrawingDriver),)
    provoked = frozenset({ProblemKind.STABILITY})


@pyuvm.test()
class errors_unknown_valid(_Error):
    """Valid is X for a cycle."""

    needs_unknown = True

    overrides = ((ActivationDriver, errors.UnknownDriver),)
    provoked = frozenset({ProblemKind.UNKNOWN})


@pyuvm.test()
class errors_lost_output(_Error):
    """An output group does not arrive."""

    regime = Regime.RANDOM
    overrides = ((OutputWatcher, errors.LosingWatcher),)
    provoked = frozenset({ProblemKind.VALUE, ProblemKind.STUCK})

    def matters(self, work: Work) -> bool:
        """The group after the lost one is another."""
        outputs = expect(self.config, work).outputs
        return outputs[1] != outputs[2]


@pyuvm.test()
class errors_extra_output(_Error):
    """The last output group arrives twice."""

    overrides = ((OutputWatcher, errors.InventingWatcher),)
    provoked = frozenset({ProblemKind.EXTRA})


@pyuvm.test()
class errors_late_output(_Error):
    """Output groups arrive a cycle late."""

    overrides = ((OutputWatcher, errors.LateWatcher),)
    provoked = frozenset({ProblemKind.CYCLE})


@pyuvm.test()
class errors_nothing_compared(StreamCoreTest):
    """A test that runs nothing."""

    provoked = frozenset({ProblemKind.NOTHING})

    async def body(self) -> None:
        """Nothing."""
