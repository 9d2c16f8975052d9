"""How simulators are called: what designs share is compiled once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from penni_escalate.tb.base import programs
from penni_escalate.tb.base.programs import Sources, share_runtime

SOURCES = Sources(top="m", files=(), defines=(), arguments=(), waves=False)
CLASSES = (
    "VM_COVERAGE = {}\nVM_CLASSES_FAST += \\\n  Vtop \\\n\nVM_GLOBAL_FAST += \\\n  verilated \\\n  verilated_vpi \\\n\n"
)


def verilated(folder: Path, coverage: int = 0) -> Path:
    """What Verilator writes of a design that matters here; its name and its own switches do not."""
    folder.mkdir()
    (folder / "Vtop.mk").write_text(
        f"include Vtop_classes.mk\nVM_DESIGN = {folder.name}\n%.o:\n\tc++ -DVM_COVERAGE=$(VM_COVERAGE) -o $@\n"
    )
    (folder / "Vtop_classes.mk").write_text(CLASSES.format(coverage))
    return folder


@pytest.mark.parametrize("status", [0, 2])
def test_verilators_library_is_compiled_once(status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each choice of switches; where it does not compile, the design's own make says what is wrong."""
    compiled: list[str] = []

    def make(command: Sequence[str], place: Path, environment: Mapping[str, str], log: Path) -> int:
        objects = [word for word in command if word.endswith(".o")]
        assert objects == ["verilated.o", "verilated_vpi.o"] and (place / "Vtop.mk").is_file()
        compiled.append((place / "Vtop_classes.mk").read_text())
        for name in objects:
            (place / name).write_text(f"object {len(compiled)}")
        return status

    monkeypatch.setattr(programs, "run_logged", make)
    monkeypatch.setattr(programs, "BUILD", tmp_path / "build")
    places = [verilated(tmp_path / name, coverage) for name, coverage in (("a", 0), ("b", 0), ("c", 1))]
    for place in places:
        share_runtime(SOURCES, place)
    found = [place / "verilated_vpi.o" for place in places]
    if status:
        assert not any(path.exists() for path in found)
    else:
        assert [path.read_text() for path in found] == ["object 1", "object 1", "object 2"]
        assert compiled == [CLASSES.format(0), CLASSES.format(1)]
