"""Stands for the program yosys, which its Python package does not bring: runs commands in the library that it does.

    python yosys_program.py [-q] [-l LOG] [-p COMMANDS] [SCRIPT ...]

As the program does, it ends with 1 after the first error, which it prints.
"""

import argparse
import os
import sys

from pyosys import libyosys


def main(arguments: list[str]) -> None:
    """Run scripts, then the commands of ``-p``, on one design.

    With ``-q`` or a log only errors are printed; the log has everything.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("-q", action="store_true", dest="quiet")
    parser.add_argument("-l", dest="log")
    parser.add_argument("-p", action="append", dest="commands", default=[])
    parser.add_argument("scripts", nargs="*")
    chosen = parser.parse_args(arguments)
    # Yosys prints everything where the process does, and errors beside that.
    if chosen.quiet or chosen.log:
        printed = os.open(chosen.log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(printed, sys.stdout.fileno())
    design = libyosys.Design()
    for script in chosen.scripts:
        design.run_pass(f"script {script}")
    for command in chosen.commands:
        for part in filter(None, map(str.strip, command.split(";"))):
            design.run_pass(part)


if __name__ == "__main__":
    main(sys.argv[1:])
