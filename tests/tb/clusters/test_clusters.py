"""The clusters' bench: dealt layers agree, and a cluster that is disturbed shows."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from penni_escalate.common.paths import BUILD
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.coverage import Collector
from penni_escalate.tb.base.job import Job, Variant
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.base.simulator import Simulator, build, folder_name
from penni_escalate.tb.clusters.cluster_runs import cluster_run, cluster_runs
from penni_escalate.tb.clusters.coverage import MODEL, sample_clusters
from penni_escalate.tb.stream_core.batches import run_batch_of
from penni_escalate.tb.stream_core.stream_run import CLUSTERS, Prediction, predict, run_batch, stream_design
from tests.faults import with_faults

TWO = load_accelerator("configs/shapes/two_clusters.yaml")


def test_layers_agree_on_all_clusters(tmp_path: Path) -> None:
    """Under Verilator, with groups that are filled in part; with every bin of the coverage model met."""
    design = stream_design(TWO, BUILD / "rtl" / folder_name(TWO), top=CLUSTERS)
    build(design, Simulator.VERILATOR)
    collector = Collector(MODEL, TWO)
    job = Job("clusters.layers", "two_clusters", Simulator.VERILATOR, Variant.PLAIN, 1, 24)
    result = run_batch_of(job, cluster_run, design, tmp_path, partial(sample_clusters, collector))
    assert result.verdict is Verdict.PASSED, result.problem
    assert result.layers >= result.transactions == 24
    assert result.compared > 50_000
    assert not [name for name, count in collector.counts.items() if not count]


def test_runs_follow_from_their_seed() -> None:
    assert [len(run.passes) for run in cluster_run(7, TWO)] == [len(run.passes) for run in cluster_run(7, TWO)]
    runs = cluster_runs(range(1, 30), TWO)
    assert len(runs) == 29 * 2
    assert any(not run.passes for run in runs)
    # Where all clusters have passes, they are not always as many.
    pairs = [(len(a.passes), len(b.passes)) for a, b in zip(runs[::2], runs[1::2], strict=True)]
    assert any(a != b for a, b in pairs if a and b)


def one_of_two_stalls() -> list[Prediction]:
    """A run in which both clusters have passes, and streams of the first alone stand still at times."""
    for seed in range(1, 200, 2):
        runs = cluster_run(seed, TWO)
        free = [all(go.all() for go in (run.stalls.load, run.stalls.input)) for run in runs]
        if all(run.passes for run in runs) and free == [False, True]:
            return [predict(TWO, run) for run in runs]
    raise AssertionError("no run of these seeds has stalls of the first cluster alone")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (".in_valid_i      (in_valid_i[1:1])", ".in_valid_i      (in_valid_i[1:1] && in_ready_o[0])"),
        (".load_set_i      (load_set_i[1:1])", ".load_set_i      (load_set_i[0:0])"),
    ],
)
def test_a_coupling_of_clusters_is_detected(old: str, new: str, tmp_path: Path) -> None:
    """The first cluster is right all the same."""
    design = with_faults(stream_design(TWO, tmp_path / "right", top=CLUSTERS), tmp_path, (CLUSTERS, old, new))
    build(design, Simulator.ICARUS)
    predictions = one_of_two_stalls()
    outcome, (first, second) = run_batch(design, Simulator.ICARUS, predictions, tmp_path / "run", seed=1)
    assert outcome.ended
    assert not second.ok
    assert not first.value_mismatches


def test_an_idle_cluster_must_give_nothing(tmp_path: Path) -> None:
    """A run whose second cluster gets the first one's work is no idle one."""
    design = stream_design(TWO, BUILD / "rtl" / folder_name(TWO), top=CLUSTERS)
    build(design, Simulator.VERILATOR)
    busy = next(
        run for seed in range(1, 30) for run in cluster_run(seed, TWO)[:1] if run.passes and run.stalls.load.all()
    )
    idle = replace(busy, passes=[], inputs=[])
    work, nothing = predict(TWO, busy), predict(TWO, idle)
    _, (first, second) = run_batch(design, Simulator.VERILATOR, [work, nothing], tmp_path / "right", seed=1)
    assert first.ok
    assert second.ok
    assert second.idle
    assert second.values == 0
    claimed = replace(work, trace=nothing.trace, run=replace(work.run, passes=[], inputs=work.run.inputs))
    outcome, (_, wrong) = run_batch(design, Simulator.VERILATOR, [work, claimed], tmp_path / "wrong", seed=1)
    assert outcome.ended
    assert not wrong.ok
