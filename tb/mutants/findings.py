"""What a test says of a mutant."""

from dataclasses import dataclass


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
