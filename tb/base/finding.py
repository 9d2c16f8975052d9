"""What a test says of a mutant."""

from collections.abc import Iterable
from dataclasses import dataclass

from penni_escalate.common.errors import UserError

#: Checks of a run that came to no end, of one in which the bench itself failed, and of one whose simulator died.
ENDLESS, BROKEN, DIED = "endless", "broken bench", "simulator died"


@dataclass(frozen=True)
class Finding:
    """One test against one mutant.

    Attributes:
        check: what fired first: a port, a quantity, ``X``, ``no transaction``; empty where nothing did.
        problem: in the test's words; empty where nothing fired.
        instance: which of the unit's shapes the test drives.
    """

    test: str
    check: str = ""
    problem: str = ""
    instance: str = ""

    @property
    def fired(self) -> bool:
        """Whether the test failed."""
        return bool(self.check)

    @property
    def detected(self) -> bool:
        """Whether the test failed because of what it looks at: a bench or simulator that breaks detects nothing."""
        return self.fired and self.check not in (BROKEN, DIED)

    @property
    def died(self) -> bool:
        """Whether the simulator died, so that the test says nothing."""
        return self.check == DIED


def check_baseline(unit: str, findings: Iterable[Finding]) -> None:
    """Raises UserError where a test fails without a mutant: then it says nothing of mutants."""
    for finding in findings:
        if finding.fired:
            raise UserError(
                f"Test '{finding.test}' fails without a mutant of {unit} ({finding.problem.splitlines()[0]}): "
                "put the design or the test right first."
            )
