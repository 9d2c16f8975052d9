"""Faults put into a design's Verilog, in a folder of their own: that of the right one is shared."""

from dataclasses import replace
from pathlib import Path

from penni_escalate.common.shared_folder import written
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base.simulator import Design


def with_faults(design: Design, folder: Path, *changes: tuple[str, str, str]) -> Design:
    """The design with changed text (unit, what is there, what takes its place), written and built below ``folder``."""
    right = design.sources[0].parent
    texts = {path.name: path.read_text() for path in right.iterdir()}
    for unit, old, new in changes:
        file = file_name(unit)
        assert old in texts[file], f"'{old}' is not in {file} any more"
        texts[file] = texts[file].replace(old, new, 1)
    wrong = written(folder / "rtl", texts)
    sources = (wrong / path.name if path.parent == right else path for path in design.sources)
    return replace(design, sources=tuple(sources), folder=folder / "sim")
