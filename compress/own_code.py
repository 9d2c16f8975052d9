"""Files of the user's that a recipe names: classes in Python files, FILE.py:CLASS, and networks, FILE.onnx.

A Python file may import what lies beside it.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penni_escalate.common.errors import UserError, first_line

#: Modules that a file has imported from beside it.
_NEIGHBOURS: set[str] = set()


def is_own(name: str) -> bool:
    """Whether a name in a recipe is of a file of the user's."""
    return ":" in name


def is_onnx(name: str) -> bool:
    """Whether a network's name in a recipe is an ONNX file's."""
    return name.lower().endswith(".onnx")


def own_file(name: str, base: Path) -> Path:
    """The file of FILE.py:CLASS or FILE.onnx, from the folder ``base``."""
    return base / (name if is_onnx(name) else name.rpartition(":")[0])


def load_own(name: str, what: str, base: Path) -> Any:
    """What FILE.py calls CLASS, after the file has run.

    Args:
        name: FILE.py:CLASS.
        what: the name is of, for sentences: 'Network'.
        base: folder that a relative FILE begins at.

    Raises UserError where there is no such file, or it cannot be run.
    """
    path, attribute = own_file(name, base), name.rpartition(":")[2]
    module_name = f"user_{what.lower()}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if not path.is_file():
        raise UserError(f"{what} '{name}': there is no file {path}, name one as FILE.py:CLASS.")
    if spec is None or spec.loader is None:
        raise UserError(f"{what} '{name}': {path} is not a Python file, whose name ends in .py.")
    module = importlib.util.module_from_spec(spec)
    # Classes are looked up in their module where they are copied.
    sys.modules[module_name] = module
    # A neighbour of another file may have the same name.
    for neighbour in _NEIGHBOURS:
        sys.modules.pop(neighbour, None)
    with running(name, what, base):
        spec.loader.exec_module(module)
        return getattr(module, attribute)


@contextmanager
def running(name: str, what: str, base: Path) -> Iterator[None]:
    """While code of FILE.py:CLASS runs: it finds its neighbours, and what it raises is a UserError that names it.

    Neighbours lie beside the file or in the folder ``base``, where projects of several folders begin.
    """
    folders = (own_file(name, base).absolute().parent, base.absolute())
    before, searched = set(sys.modules), list(sys.path)
    sys.path[:0] = map(str, folders)
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # the user's own code
        raise UserError(f"{what} '{name}' cannot be made: {type(error).__name__}: {first_line(error)}.") from None
    finally:
        sys.path[:] = searched
        _NEIGHBOURS.update(new for new in set(sys.modules) - before if _lies_in(sys.modules[new], folders))


def _lies_in(module: Any, folders: tuple[Path, ...]) -> bool:
    """Whether a module is of one of these folders, and not of an environment with packages that lies in it."""
    path = Path(getattr(module, "__file__", None) or "")
    return any(folder in path.parents for folder in folders) and "site-packages" not in path.parts
