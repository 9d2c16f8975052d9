"""Paths that make, a shell and the linker take as they are: others go through a link to where they lead.

Makefiles know no way to quote a blank, ``$`` or ``#`` everywhere, search paths none to quote ``:``, and Verilator hands
file names to all of them.
"""

import hashlib
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from penni_escalate.common.errors import UserError

#: Names of files and folders that every tool takes.
_PLAIN = re.compile(r"[A-Za-z0-9_.+@%-]*")


def temporary_folder() -> Path:
    """The folder for temporary files: TMPDIR where that can be used, else the system's.

    Raises UserError where there is none.
    """
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise UserError("No folder for temporary files can be used: name one that can be written, in TMPDIR.") from None


def plain(path: Path) -> Path:
    """``path``, absolute, by a name that every tool takes.

    The part of it up to the last name that is not plain is replaced by a link, in a folder for temporary files that is
    the user's own. Raises UserError where that folder has no plain name either.
    """
    path = Path(os.path.abspath(path))
    strange = [place for place in (path, *path.parents) if not _PLAIN.fullmatch(place.name)]
    if not strange:
        return path
    place = temporary_folder()
    found = next((character for character in str(place) if not _PLAIN.fullmatch(character) and character != "/"), None)
    if found is not None:
        raise UserError(
            f"The folder for temporary files '{place}' has the character '{found}' in its name, which make does not "
            "take: set TMPDIR to a folder of letters, digits and _.+@%- alone."
        )
    return _link(place / f"penni-escalate-{os.getuid()}", strange[0]) / path.relative_to(strange[0])


def _link(folder: Path, target: Path) -> Path:
    """A link in ``folder`` to a folder or file; made where it is not there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise UserError(f"Folder '{folder}' is somebody else's: remove it, or set TMPDIR to another folder.")
    link = folder / hashlib.sha256(os.fsencode(target)).hexdigest()[:16]
    # One of an earlier process leads there too: its name says where.
    with suppress(FileExistsError):
        link.symlink_to(target)
    return link
