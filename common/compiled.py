"""numba's folder of compiled functions, of which processes that compile at the same time must not see one half."""

from pathlib import Path
from typing import Any

from numba.core import caching

from penni_escalate.common.shared_folder import locked


class _WholeFiles(caching.IndexDataCacheFile):
    """A function's compiled forms: an index, and a file for each tuple of argument types.

    numba replaces each file whole, but the index first: a reader may take what an older source left in a file for the
    new, and two writers may choose the same file for different types.
    """

    def save(self, key: Any, data: Any) -> None:
        """Keep what was compiled under a key."""
        with locked(Path(self._index_path)):
            super().save(key, data)

    def load(self, key: Any) -> Any:
        """What was kept under a key; None where nothing was."""
        with locked(Path(self._index_path)):
            return super().load(key)


def keep_whole() -> None:
    """Have numba keep its functions so; it has no setting for it."""
    caching.IndexDataCacheFile = _WholeFiles
