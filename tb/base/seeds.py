"""Seeds of random numbers inside a simulation."""

import hashlib
import os

_fixed: int | None = None


def seed_of(unit: str, module: str, test: str) -> int:
    """The seed of a test: that of its run, and a digest of the test's name, so that tests of one run differ.

    cocotb's own rule, but with a name that does not say where the file is: a seed that was reported before a file
    moved repeats the same run after it.
    """
    if _fixed is not None:
        return _fixed
    name = f"tb.units.{unit}.{module}.{test}"
    return int(os.environ["COCOTB_RANDOM_SEED"]) + int(hashlib.sha1(name.encode()).hexdigest(), 16)


def fix_seed(seed: int) -> None:
    """Have every later test begin with one seed."""
    global _fixed
    _fixed = seed
