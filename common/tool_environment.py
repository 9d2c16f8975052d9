"""The environment of the programs that build and run simulations and netlists: made here, not inherited.

What another project has left in the caller's environment (cocotb's, Verilator's, make's, the compiler's and Python's
variables) changes no run.
"""

import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from penni_escalate.common.paths import BUILD, IMPORTS
from penni_escalate.common.plain_paths import plain, temporary_folder

#: All that is handed on: who the user is, where programs and their libraries are, and where numba keeps what it has
#: compiled.
HANDED_ON = ("HOME", "USER", "LOGNAME", "PATH", "LD_LIBRARY_PATH", "TZ", "NUMBA_CACHE_DIR")


def verilator_root() -> Path:
    """Folder of the Python package that Verilator comes in."""
    return plain(Path(sysconfig.get_paths()["purelib"]) / "verilator")


def _callers_own() -> list[str]:
    """The folders of the caller's PYTHONPATH."""
    return [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]


def installed_packages_first() -> None:
    """Put what is installed with this package before the caller's PYTHONPATH: another project's cocotb is not found."""
    own = [place for place in sys.path if place in _callers_own()]
    sys.path[:] = [place for place in sys.path if place not in own] + own


def import_path() -> str:
    """PYTHONPATH of an interpreter inside a simulation: this package, what is installed with it, then the caller's."""
    installed = [sysconfig.get_paths()[kind] for kind in ("purelib", "platlib")]
    places = [plain(Path(place)) for place in (str(IMPORTS), *installed, *_callers_own())]
    return os.pathsep.join(dict.fromkeys(map(str, places)))


def tool_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a program that is started; ``more`` are a run's own.

    Raises UserError where there is no folder for temporary files.
    """
    made = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    made |= {
        # Messages are read: that the disk is full, above all.
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(temporary_folder()),
        "PYTHONPATH": import_path(),
        "VERILATOR_ROOT": str(verilator_root()),
        # Runs are spread over processes, not over threads.
        "OMP_NUM_THREADS": "1",
    }
    if shutil.which("ccache"):
        made |= {"OBJCACHE": "ccache", "CCACHE_DIR": str(plain(BUILD / "ccache"))}
    return made | dict(more or {})


def interpreter() -> Path:
    """The Python that runs this; not resolved, since an environment's is a link to the one that it was made with."""
    return plain(Path(sys.executable))
