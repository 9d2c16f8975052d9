"""What one run of a test is, so that anybody can repeat it."""

from dataclasses import dataclass
from enum import StrEnum

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import console_command
from penni_escalate.tb.base.simulator import Simulator


class Variant(StrEnum):
    """What is simulated."""

    #: The generated Verilog.
    PLAIN = "plain"
    #: With Verilator's code coverage.
    COVERAGE = "coverage"
    #: From random registers, twice with different ones: a unit's bench under Verilator.
    RANDOM_INITIAL = "random_initial"


@dataclass(frozen=True)
class Job:
    """One run: a test on a configuration in a simulator.

    Attributes:
        test: name, as testplans give it.
        configuration: preset, or path of a YAML file from the project's root.
        seed: everything random follows from it.
        size: transactions of a unit's bench, runs of the stream core, layers of a pyuvm test.
    """

    test: str
    configuration: str
    simulator: Simulator
    variant: Variant
    seed: int
    size: int

    @property
    def name(self) -> str:
        """Names the run uniquely; ``parse_job`` is the inverse."""
        return f"{self.test}:{self.configuration}:{self.simulator}:{self.variant}:{self.seed}:{self.size}"

    @property
    def folder(self) -> str:
        """The name as that of a folder."""
        return self.name.replace("/", "_").replace(":", "-")

    @property
    def command(self) -> str:
        """Repeats the run, with waves."""
        return f"{console_command('rerun')} {self.name} --waves"


def parse_job(text: str) -> Job:
    """The run that ``Job.name`` names. Raises UserError where the text names none."""
    parts = text.split(":")
    try:
        test, configuration, simulator, variant, seed, size = parts
        job = Job(test, configuration, Simulator(simulator), Variant(variant), int(seed), int(size))
    except ValueError:
        job = None
    if job is None or job.seed < 0 or job.size < 1:
        raise UserError(
            f"Run '{text}' is not one: it must be TEST:CONFIGURATION:SIMULATOR:VARIANT:SEED:SIZE, "
            "like fifo.lockstep:tiny:icarus:plain:1:300."
        )
    return job
