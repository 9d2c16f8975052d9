"""Bins that several coverage models share: levels of a queue, amounts of set bits, places in an order.

Each has its names in order, the bin of a number, and which of the names a configuration has.
"""

from collections.abc import Callable, Mapping

from penni_escalate.configs.accelerator import Accelerator

#: What a number of a configuration is, for example the depth of a queue.
Size = Callable[[Accelerator], int]
Only = Mapping[str, Callable[[Accelerator], bool]]

LEVELS = ("empty", "one", "between", "one free", "full")
AMOUNTS = ("none", "one", "some", "all but one", "all")
PLACES = ("first", "between", "last")


def level_bin(level: int, depth: int) -> str:
    """The bin of a queue of ``depth`` places, at least 2, that holds ``level`` entries."""
    if level in (0, depth):
        return "full" if level else "empty"
    if level == 1:
        return "one"
    return "one free" if level == depth - 1 else "between"


def levels_of(depth: Size) -> Only:
    """Levels that only deep queues have."""
    return {"between": lambda config: depth(config) > 3, "one free": lambda config: depth(config) > 2}


def amount_bin(amount: int, width: int) -> str:
    """The bin of ``amount`` of ``width`` things, at least 1."""
    if amount in (0, width):
        return "all" if amount else "none"
    if amount == 1:
        return "one"
    return "all but one" if amount == width - 1 else "some"


def amounts_of(width: Size) -> Only:
    """Amounts that only wide words have."""
    return {
        "one": lambda config: width(config) > 1,
        "some": lambda config: width(config) > 3,
        "all but one": lambda config: width(config) > 2,
    }


def place_bin(place: int, count: int) -> str:
    """The bin of a place from 0 to ``count`` - 1; a single place is the first."""
    if place == 0:
        return "first"
    return "last" if place == count - 1 else "between"


def places_of(count: Size) -> Only:
    """Places that only long orders have."""
    return {"between": lambda config: count(config) > 2, "last": lambda config: count(config) > 1}
