"""What the simulation of mutants and whoever starts it agree on."""

#: Environment: the unit, the runs (number of a mutant, function of the bench), what chooses the mutant, and the seconds
#: of computing that each has, as JSON.
PLAN = "MUTANTS_PLAN"
#: Names the run under way: of a simulation that did not come to an end, the run that did not.
STARTED = "started"


def outcome_name(number: int, function: str) -> str:
    """The file that a run leaves."""
    return f"mutant_{number}_{function}.json"
