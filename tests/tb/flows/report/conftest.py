"""The results that the tests of the report look at."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from penni_escalate.common.figures import Plot
from penni_escalate.common.sources import sources_digest
from penni_escalate.tb.flows import result_store
from penni_escalate.tb.flows.report import evidence, trend
from penni_escalate.tb.flows.report.site import write_site
from tests.tb.flows.report import made
from tests.tb.flows.report.made import results_of_a_failure


@pytest.fixture(scope="package", autouse=True)
def _without_what_takes_longest() -> Iterator[None]:
    """Sources, which no test here changes, are read once; trends are drawn where they are looked at alone."""
    with pytest.MonkeyPatch.context() as patch:
        digest = cache(sources_digest)
        for module in (evidence, result_store, made):
            patch.setattr(module, "sources_digest", digest)
        patch.setattr(trend, "draw_plot", lambda name, title, caption, draw: Plot(name, title, caption, "<svg></svg>"))
        yield


@pytest.fixture(scope="session")
def made_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``results`` copies: made once, to be read alone."""
    return results_of_a_failure(tmp_path_factory.mktemp("failure"))


@pytest.fixture
def results(made_results: Path, tmp_path: Path) -> Path:
    """Results of a regression in which a run of the FIFO failed; no mutants, no gates."""
    shutil.copytree(made_results, tmp_path / "results")
    shutil.copy(made_results.parent / "dump.vcd", tmp_path)
    regress = tmp_path / "results" / "regress.json"
    regress.write_text(regress.read_text().replace(str(made_results.parent), str(tmp_path)))
    return tmp_path / "results"


@pytest.fixture(scope="session")
def index_of_a_failure(made_results: Path) -> Path:
    """The first page of the report of such results, in ``site`` beside ``results``: made once, to be read alone."""
    results = made_results.parent / "shown" / "results"
    shutil.copytree(made_results, results)
    return write_site(results, results.parent / "site")
