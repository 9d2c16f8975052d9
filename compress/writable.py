"""Whether a folder can be written: asked before minutes of work, not after them."""

import os
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative


def check_folder(folder: Path, what: str = "Package folder") -> None:
    """Raises UserError, which begins with ``what``, where ``folder`` cannot be written."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(
            f"{what} {relative(folder)} cannot be written: {relative(existing)} must be a folder with "
            "permission to write."
        )
