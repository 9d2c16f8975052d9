"""What the codes of a tensor mean."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Codes:
    """What the codes of a tensor mean: the real value of code 1, and their range."""

    scale: float
    signed: bool

    @property
    def low(self) -> int:
        """Smallest code."""
        return -128 if self.signed else 0

    @property
    def high(self) -> int:
        """Largest code."""
        return 127 if self.signed else 255
