"""Deliberate faults: a text of the generated Verilog, and what takes its place."""

from collections.abc import Mapping

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render_text
from penni_escalate.rtl.names import file_name


def replace_once(
    files: Mapping[str, str], unit: str, old: str, new: str, config: Accelerator, where: str
) -> dict[str, str]:
    """The files with ``old`` of a unit's file replaced by ``new``; both may use the templates' names.

    Raises UserError, which begins with ``where``, where ``old`` is not there, or there more than once.
    """
    name = file_name(unit)
    wanted = render_text(old, config)
    count = files.get(name, "").count(wanted)
    if count != 1:
        raise UserError(f"{where} replaces '{wanted}', which is in {name} {count} times: it must be there once.")
    return {**files, name: files[name].replace(wanted, render_text(new, config))}
