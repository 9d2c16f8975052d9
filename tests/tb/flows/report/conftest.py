"""The results that the tests of the report look at."""

from pathlib import Path

import pytest

from tests.tb.flows.report.made import results_of_a_failure


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of a regression in which a run of the FIFO failed; no mutants, no gates."""
    return results_of_a_failure(tmp_path)
