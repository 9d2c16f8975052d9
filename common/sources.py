"""Identifies what results follow from."""

import hashlib

from penni_escalate.common.paths import ROOT

#: What a result depends on; compress/ and the packages do not matter.
SOURCES = ("rtl", "tb", "golden", "configs", "common")


def sources_digest() -> str:
    """Identifies everything that a run's result follows from."""
    digest = hashlib.sha256()
    for part in SOURCES:
        for path in sorted((ROOT / part).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()
