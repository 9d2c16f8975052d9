"""Where, when and of which commit results are."""

from datetime import datetime

import pytest

from penni_escalate.common import provenance as module
from penni_escalate.common.provenance import Provenance, provenance


@pytest.mark.parametrize(
    ("said", "commit", "dirty", "words"),
    [
        ("0123456789", "0123456789", False, "0123456789"),
        ("0123456789+", "0123456789", True, "0123456789 with uncommitted changes"),
        ("version 1.1.0", "version 1.1.0", False, "version 1.1.0"),
    ],
)
def test_the_commit_and_whether_files_differ(
    said: str, commit: str, dirty: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "commit", lambda: said)
    made = provenance()
    assert (made.commit, made.dirty, made.sources) == (commit, dirty, words)
    assert made.host
    assert datetime.fromisoformat(made.time).tzinfo is not None


def test_the_time_names_its_zone() -> None:
    assert Provenance("c", False, "2026-01-03T10:20:30+02:00", "h").when == "2026-01-03 10:20:30 +0200"
    assert Provenance("c", False, "2026-01-03T10:20:30", "h").when == "2026-01-03 10:20:30 in an unknown zone"
