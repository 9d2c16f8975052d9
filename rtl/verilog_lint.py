"""python -m penni_escalate.rtl.verilog_lint: verible and slang over what is generated for every preset and shape.

verible judges the style, slang the language. Verilator's lint, which takes longer, is among the tests.
"""

import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pyslang.driver import Driver

from penni_escalate.configs.accelerator import PRESET_FOLDER, Accelerator, load_accelerator
from penni_escalate.rtl.hand_over import generate
from penni_escalate.rtl.layout import WIDTH

#: Rules of verible that do not hold here, and why.
VERIBLE_EXCEPTIONS: Mapping[str, str] = {
    "always-comb": "always_comb is SystemVerilog; the Verilog is that of 2005",
    "explicit-parameter-storage-type": "Verilog 2005 has no type that a vector of bits could be given",
    "unpacked-dimensions-range-ordering": "[N] in place of [0:N-1] is SystemVerilog",
}
#: Warnings of slang that do not hold here, and why.
SLANG_EXCEPTIONS: Mapping[str, str] = {
    "sign-conversion": "a leading 0 makes a vector a positive number, and $signed would say no more",
    "arith-op-mismatch": "a register and a net of signed bits are two types for slang",
}


def configurations() -> Iterator[Accelerator]:
    """The presets, and the shapes at the edges of the configuration's rules."""
    for path in sorted((*PRESET_FOLDER.glob("*.yaml"), *PRESET_FOLDER.glob("shapes/*.yaml"))):
        yield load_accelerator(str(path))


def verible(files: list[Path]) -> bool:
    """Whether verible finds nothing in files; it prints what it finds."""
    settings = (f"line-length=length:{WIDTH}", "parameter-name-style=localparam_style:ALL_CAPS")
    rules = ",".join((*settings, *(f"-{name}" for name in VERIBLE_EXCEPTIONS)))
    program = Path(sysconfig.get_path("scripts")) / "verible-verilog-lint"
    return subprocess.run([program, f"--rules={rules}", *files], check=False).returncode == 0


def slang(files: list[Path], top: str) -> bool:
    """Whether slang finds nothing in files, with every warning on; it prints what it finds."""
    driver = Driver()
    driver.addStandardArgs()
    options = ["-Weverything", "-Werror", *(f"-Wno-{name}" for name in SLANG_EXCEPTIONS), "--top", top]
    driver.parseCommandLine(" ".join(["slang", *options, *(f'"{file}"' for file in files)]))
    if not (driver.processOptions() and driver.parseAllSources()):
        return False
    driver.reportCompilation(driver.createCompilation(), quiet=True)
    return driver.reportDiagnostics(quiet=True)


def clean(config: Accelerator, folder: Path) -> bool:
    """Generate a configuration into ``folder``, and whether both find nothing there."""
    files = generate(config, folder)
    bench = folder / f"{files[-1].stem}_bench.sv"
    return all([verible([*files, bench]), slang([*files, bench], bench.stem)])


def main() -> int:
    """1 where they find something."""
    with tempfile.TemporaryDirectory() as place:
        return 0 if all([clean(config, Path(place) / config.name) for config in configurations()]) else 1


if __name__ == "__main__":
    sys.exit(main())
