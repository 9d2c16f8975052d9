"""What one run of a test is, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from penni_escalate.common.errors import UserError
from penni_escalate.tb.base.simulator import Simulator


class Variant(StrEnum):
    """What is simulated."""

    #: The generated Verilog.
    PLAIN = "plain"
    #: With Verilator's code coverage.
    COVERAGE = "coverage"
    #: From random registers, twice with different ones: a unit's bench under Verilator.
    RANDOM_INITIAL = "random_initial"


class Status(StrEnum):
    """How a run ended."""

    PASSED = "passed"
    #: The design and the model differ, or nothing was compared.
    FAILED = "failed"
    #: The simulation, or the worker it ran on, ended without a result.
    CRASHED = "crashed"


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
        return f"make rerun JOB={self.name} WAVES=1"


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


@dataclass(frozen=True)
class Verdict:
    """What a run found.

    Attributes:
        compared: values that were compared with the model.
        transactions: what a bench counts as its unit's work; runs of the stream core.
        layers: layers that the stream core ran.
        problem: the first difference; empty where there is none.
        check: names what fired, for buckets; empty where nothing did.
        narrowed: a smaller run with the same difference, where there is one.
        noticed_ps: when the first difference was noticed, in ps from the start of the simulation and so of its
            recording: the edge that ends the cycle in which it stood. None where that is not known.
    """

    status: Status
    compared: int = 0
    transactions: int = 0
    layers: int = 0
    cycles: int = 0
    problem: str = ""
    check: str = ""
    narrowed: Job | None = None
    noticed_ps: int | None = None


@dataclass(frozen=True)
class JobResult:
    """A run's verdict with what the regression adds.

    Attributes:
        folder: of the run, from the project's root.
        waves: the recorded signals of the repetition that failed too, from the project's root; empty where there are
            none.
        repeated: whether the repetition with waves failed too; None where there was none.
        noticed_ps: as the verdict's, but of the repetition, whose waves are kept.
    """

    job: Job
    verdict: Verdict
    seconds: float
    folder: str
    waves: str = ""
    repeated: bool | None = None
    noticed_ps: int | None = None
