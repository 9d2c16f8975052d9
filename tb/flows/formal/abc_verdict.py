"""Stands for the program yosys-abc between sby and ABC: prints a verdict that sby knows, whichever command found it.

sby calls it as ``yosys-abc -c 'command; command'`` in the folder of a task and reads the verdict from what it prints.
It does not know what ABC prints where iprove settles a property: so the verdict comes from a file that ABC writes, and
is printed in the words of pdr and bmc3.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from penni_escalate.tb.base.yosys import abc

#: Commands that can settle the property; the status is asked for after each.
_PROVERS = ("pdr", "iprove", "bmc3")


def asking(commands: str, status: str) -> str:
    """ABC's commands with one after each prover that writes its status; ``status`` begins the names of these files."""
    parts: list[str] = []
    for command in filter(None, (part.strip() for part in commands.split(";"))):
        parts.append(command)
        if command.split()[0] in _PROVERS:
            parts.append(f"write_status {status}{len(parts)}")
    return "; ".join(parts)


def verdict(texts: list[str], frames: int = 0) -> str:
    """What ABC would have printed; the first prover that came to an end has the word.

    Args:
        texts: the status files, in the order of the provers.
        frames: how far a bounded search was to go; 0 where none was asked for.
    """
    for text in texts:
        unknown = re.match(r"snl_UNK (\d+)", text)
        # ABC names the last frame that it got through.
        if frames and unknown and int(unknown[1]) >= frames - 1:
            return f"No output asserted in {frames} frames."
        found = re.match(r"snl_(SAT|UNSAT) (-?\d+)", text)
        if found and found[1] == "UNSAT":
            return "Property proved."
        if found:
            return f'Output 0 of miter "design" was asserted in frame {max(0, int(found[2]))}.'
    return "Undecided."


def main(arguments: list[str]) -> int:
    """Run the commands after ``-c``."""
    with tempfile.TemporaryDirectory(dir=".", prefix="abc_") as folder:
        place = Path(folder)
        # ABC fails where it has no counterexample to write; the status files alone say what was found.
        subprocess.run([str(abc()), "-c", asking(arguments[1], f"{folder}/status_")], stdout=2, check=False)
        files = sorted(place.glob("status_*"), key=lambda path: int(path.name.removeprefix("status_")))
        bounded = re.search(r"\bbmc3 -F (\d+)", arguments[1])
        print(verdict([path.read_text() for path in files], int(bounded[1]) if bounded else 0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
