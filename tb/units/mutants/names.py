"""What the simulation of mutants and whoever starts it agree on."""

from signal import SIGPROF

#: Environment: the unit, the runs (number of a mutant, function of the bench), what chooses the mutant, and the seconds
#: of computing that each has, as JSON.
PLAN = "MUTANTS_PLAN"
#: Names the run under way: of a simulation that did not come to an end, the run that did not.
STARTED = "started"
#: Ends the simulation of a mutant that has had its seconds: the timer of ITIMER_PROF sends it, and nobody else does.
LIMIT_SIGNAL = SIGPROF


def outcome_name(number: int, function: str) -> str:
    """The file that a run leaves."""
    return f"mutant_{number}_{function}.json"
