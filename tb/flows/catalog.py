"""Every test there is, found where it is written: a new bench is a test without being entered anywhere."""

from functools import cache

from penni_escalate.common.errors import UserError
from penni_escalate.common.units import UNITS
from penni_escalate.tb.base.bench import Test, bench_of


@cache
def catalog() -> dict[str, Test]:
    """All tests by name."""
    tests = [test for unit in sorted(UNITS) for test in bench_of(unit).tests(unit)]
    return {test.name: test for test in tests}


def find_test(name: str) -> Test:
    """A test by its name. Raises UserError for one that is not there."""
    try:
        return catalog()[name]
    except KeyError:
        raise UserError(f"Test '{name}' is not known: use one of {', '.join(catalog())}.") from None
