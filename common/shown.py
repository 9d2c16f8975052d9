"""Values from outside as messages show them: in one line, printable, and of a length that is read."""

import reprlib

#: Characters of a value, and of a rule or path that has values in it.
_VALUE, _TEXT = 100, 400


class _Shown(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = _VALUE
        self.maxlist = self.maxtuple = 8

    def repr_int(self, x: int, level: int) -> str:
        # Python does not write down integers of thousands of digits.
        return f"an integer of {x.bit_length()} bits" if x.bit_length() > 4 * _VALUE else super().repr_int(x, level)


_SHOWN = _Shown()


def shown(value: object) -> str:
    """A value as Python writes it, a text with quotes: long ones shortened, what cannot be printed as an escape.

    >>> shown("conv1"), shown(3), shown("a" + chr(10) + "b")
    ("'conv1'", '3', "'a\\\\nb'")
    """
    return printable(_SHOWN.repr(value), 2 * _VALUE)


def printable(text: str, most: int = _TEXT) -> str:
    """A text without characters that move the cursor or colour the screen, and of about ``most`` characters at most."""
    whole = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: most + 1])
    return whole if len(whole) <= most else f"{whole[: most - 3]}..."
