"""What a run found: one type for unit benches, pyuvm tests, batches of runs, netlists and proofs."""

from dataclasses import dataclass
from enum import StrEnum

from penni_escalate.tb.base.job import Job


class Verdict(StrEnum):
    """How a run ended."""

    PASSED = "passed"
    #: The design and the model differ, or nothing was compared.
    FAILED = "failed"
    #: The simulation, the prover, or the worker it ran on, ended without a verdict.
    CRASHED = "crashed"


def verdict_of(ok: bool, ended: bool = True) -> Verdict:
    """The verdict of a run that found nothing wrong, or something, or did not come to its end."""
    return Verdict.PASSED if ok else Verdict.FAILED if ended else Verdict.CRASHED


#: Cycles before and after a difference of which a result keeps what the model gave: no picture shows more.
AROUND = 16


@dataclass(frozen=True)
class Wanted:
    """What the model gave for a signal in the cycle that ends at ``time_ps`` of the simulation.

    Attributes:
        low, bits: the part of the signal that it is for; all of it where ``bits`` is None.
    """

    signal: str
    time_ps: int
    value: int
    low: int = 0
    bits: int | None = None

    @property
    def name(self) -> str:
        """The signal, or the part of it, as Verilog names it."""
        return self.signal if self.bits is None else f"{self.signal}[{self.low + self.bits - 1}:{self.low}]"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run of a test found.

    Attributes:
        unit: whose test it is.
        test: its name within the unit.
        config: name of the configuration.
        tool: simulator or prover.
        size: what was asked for: transactions of a unit's bench, runs of the stream core, layers of a pyuvm test.
        compared: values that were compared with the model.
        transactions: what a bench counts as its unit's work; runs of the stream core.
        layers: layers that the stream core ran.
        cycles: simulated.
        problem: the first difference; empty where there is none.
        check: names what fired first; empty where nothing did.
        narrowed: a smaller run with the same difference, where there is one.
        detected_ps: when the first difference was detected, in ps from the start of the simulation and so of its
            recording: the edge that ends the cycle in which it stood. None where that is not known.
        wanted: of the signals that can differ, in the cycles round the difference; empty where that is not known.
        place: folder, below the run's, of the simulation that found the difference; empty where there is one alone.
        nothing_to_compare: the test provokes that nothing is compared: 0 in ``compared`` is then right.
    """

    unit: str
    test: str
    config: str
    tool: str
    seed: int = 0
    size: int = 0
    verdict: Verdict
    compared: int = 0
    transactions: int = 0
    layers: int = 0
    cycles: int = 0
    problem: str = ""
    check: str = ""
    narrowed: Job | None = None
    detected_ps: int | None = None
    wanted: tuple[Wanted, ...] = ()
    place: str = ""
    nothing_to_compare: bool = False
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """As testplans give it."""
        return f"{self.unit}.{self.test}"

    @property
    def ok(self) -> bool:
        """Whether something was compared, or proved, and nothing differs."""
        return self.verdict is Verdict.PASSED
