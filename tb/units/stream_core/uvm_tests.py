"""The stream core's pyuvm tests: how many random layers each runs, the environment says; what they are, the seed."""

import pyuvm

from tb.env.base_test import StreamCoreTest
from tb.env.work import Regime, dense, draw_work, extreme_sparsity, other_geometry

#: Layers of a run where they come back to back.
BACK_TO_BACK = 5


@pyuvm.test()
class smoke(StreamCoreTest):  # noqa: N801  # a test's name is its class's
    """Layers one by one, free-running: values, cycles and counters."""

    async def body(self) -> None:
        """A run a layer."""
        for number in range(self.layers):
            await self.run_work(draw_work(self.numbers, self.config, f"smoke{number}", 1, Regime.FREE))


@pyuvm.test()
class random_layers(StreamCoreTest):  # noqa: N801
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
class back_to_back(StreamCoreTest):  # noqa: N801
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
class stalls(StreamCoreTest):  # noqa: N801
    """Random stalls that the model does not know: values, and the counters that do not depend on time."""

    async def body(self) -> None:
        """One or two layers a run."""
        left = self.layers
        while left > 0:
            count = min(left, self.random.randint(1, 2))
            await self.run_work(draw_work(self.numbers, self.config, f"stalls{left}", count, Regime.RANDOM))
            left -= count


@pyuvm.test()
class sparsity_extremes(StreamCoreTest):  # noqa: N801
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
class without_reset(StreamCoreTest):  # noqa: N801
    """Runs that follow one another without a reset, the core idle in between; counters are cleared by their pin."""

    async def body(self) -> None:
        """The first run from reset, the others where it ended."""
        for number in range(self.layers):
            work = draw_work(self.numbers, self.config, f"without_reset{number}", 1, Regime.RANDOM)
            await self.run_work(work, reset=number == 0)


@pyuvm.test()
class reset_in_mid_pass(StreamCoreTest):  # noqa: N801
    """A reset while everything is in flight, then a run that must be right in values, cycles and counters."""

    async def body(self) -> None:
        """Cut at any cycle of a run of two layers, then a whole one."""
        for number in range(self.layers):
            regime = self.random.choice((Regime.FREE, Regime.RECORDED))
            cut = draw_work(self.numbers, self.config, f"cut{number}", 2, regime)
            await self.cut_work(cut, self.random.random())
            await self.run_work(draw_work(self.numbers, self.config, f"whole{number}", 1, Regime.FREE))
