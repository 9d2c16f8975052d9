"""Paths that make and the linker do not take go through a link; a design builds and runs in a folder of any name."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.plain_paths import plain, temporary_folder
from penni_escalate.common.processes import run_logged
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base import programs, simulator
from penni_escalate.tb.base.simulator import Design, Simulator, build
from penni_escalate.tb.units.lockstep.wrapper import write_unit_bench
from penni_escalate.tb.units.unit_bench import run_units

#: Every character that some tool reads in another way.
STRANGE = " $#é:';&()"


def test_a_plain_path_stays_as_it_is(tmp_path: Path) -> None:
    assert plain(tmp_path / "x" / "a_b-1.2+%@.v") == tmp_path / "x" / "a_b-1.2+%@.v"


@pytest.mark.parametrize("character", STRANGE)
def test_a_strange_path_goes_through_a_link(character: str, tmp_path: Path) -> None:
    """Only as far as it must; a second time through the same one."""
    folder = tmp_path / f"a{character}b" / "c"
    folder.mkdir(parents=True)
    (folder / "file").write_text("found")
    link = plain(folder / "file")
    assert link.name == "file" and link.parent.name == "c" and character not in str(link).removeprefix("/")
    assert link.read_text() == "found"
    assert plain(folder / "file") == link


def test_a_strange_folder_for_temporary_files_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a b"))
    with pytest.raises(UserError, match=r"a b' has the character ' ' in its name, .*: set TMPDIR to a folder of"):
        plain(tmp_path / "c d")


def test_no_folder_for_temporary_files_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(UserError, match=r"No folder for temporary files can be used: name one .* in TMPDIR"):
        temporary_folder()


def strange_design(folder: Path) -> Design:
    return write_unit_bench(load_accelerator("tiny"), folder / "rtl", ["fifo"], builds=folder / "build")


def test_a_design_builds_and_runs_in_a_strange_folder(tmp_path: Path) -> None:
    """Sources, build and run."""
    folder = tmp_path / STRANGE
    design = strange_design(folder)
    build(design, Simulator.ICARUS)
    (result,) = run_units(design, Simulator.ICARUS, ["fifo"], folder=folder / "run", transactions=50)
    assert result.ok and result.compared > 50, result.problem


def test_verilator_and_make_take_a_strange_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What make would run names no strange folder, of a design and of Verilator's library: no compiler is called."""
    folder = tmp_path / STRANGE

    def without_compiler(command: Sequence[str], place: Path, environment: Mapping[str, str], log: Path) -> int:
        dry = ["make", "-n", *command[1:]] if command[0] == "make" else command
        status = run_logged(dry, place, environment, log)
        for made in (word for word in command if word.endswith(".o")):
            (place / made).touch()
        return status

    for module in (simulator, programs):
        monkeypatch.setattr(module, "run_logged", without_compiler)
    monkeypatch.setattr(programs, "BUILD", folder)
    design = strange_design(folder)
    build(design, Simulator.VERILATOR)
    (library,) = folder.glob("sim/verilator_library_*")
    logs = [place / "build.log" for place in (design.build_folder(Simulator.VERILATOR), library)]
    made = [line for log in logs for line in log.read_text().splitlines() if not line.startswith("make: ")]
    compiled = [line for line in made if line.startswith(("c++", "g++", "ccache"))]
    assert len(compiled) > 5
    assert not [line for line in made if STRANGE in line]
