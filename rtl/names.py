"""Names of the generated modules and files: one prefix, then the unit."""

import re

from penni_escalate.common.errors import UserError

#: Prefix of the modules where the user asks for no other, and in every test.
DEFAULT_PREFIX = "esc_"
_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")


def check_prefix(prefix: str) -> None:
    """Raises UserError for a prefix with which no Verilog identifier can begin, or a long one."""
    if not _PREFIX.fullmatch(prefix):
        raise UserError(
            f"Prefix '{prefix}' cannot begin the name of a Verilog module: use 1 to 32 letters, digits and "
            f"underscores, the first no digit, as in '{DEFAULT_PREFIX}'."
        )


def module_name(unit: str, prefix: str = DEFAULT_PREFIX) -> str:
    """The Verilog module of a unit."""
    return prefix + unit


def file_name(unit: str, prefix: str = DEFAULT_PREFIX) -> str:
    """The file of a unit: one module a file, named after it."""
    return f"{module_name(unit, prefix)}.v"


def unit_of(name: str, prefix: str = DEFAULT_PREFIX) -> str:
    """The unit of a module or of its file; of another name, that name without a suffix."""
    return name.removesuffix(".v").removeprefix(prefix)
