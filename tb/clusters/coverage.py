"""Functional coverage of the clusters: the model, and how a run is sampled."""

from collections.abc import Sequence

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.coverage import Collector, CoverageModel, Cross, Point
from penni_escalate.tb.stream_core.stream_run import Comparison, Prediction


def _several(config: Accelerator) -> bool:
    return config.clusters > 1


MODEL = CoverageModel(
    "clusters",
    (
        Point(
            "at work",
            "A cluster without a pass must stay still, whatever its neighbours do.",
            ("all", "some"),
            only={"some": _several},
        ),
        Point(
            "lines of a pass",
            "A stripe below another's begins in the middle of the image, with its halo in the place of padding.",
            ("from the first on", "from another on"),
            only={"from another on": _several},
        ),
        Point(
            "passes",
            "Clusters with other numbers of passes start and end theirs at other times.",
            ("as many", "other numbers"),
            only={"other numbers": _several},
        ),
        Point(
            "last to end",
            "The run ends with the cluster that takes longest, whichever that is.",
            ("the first", "another"),
            only={"another": _several},
        ),
        Point(
            "stalls",
            "Streams of one cluster stand still while another's move: nothing may be shared.",
            ("none", "of some clusters", "of all clusters"),
            only={"of some clusters": _several},
        ),
        Cross(
            "stalls of clusters at work",
            "A stalled cluster must not hold the others up, be they at work or not.",
            ("at work", "stalls"),
        ),
    ),
)


def sample_clusters(collector: Collector, predictions: Sequence[Prediction], comparisons: Sequence[Comparison]) -> None:
    """Count what a run on all clusters has met; nothing of one that differs."""
    if not all(comparison.ok for comparison in comparisons):
        return
    runs = [prediction.run for prediction in predictions]
    counts = [len(run.passes) for run in runs]
    stalled = sum(not all(go.all() for go in (run.stalls.load, run.stalls.input, run.stalls.output)) for run in runs)
    ends = [prediction.trace.cycles for prediction in predictions]
    collector.sample(
        {
            "at work": "all" if all(counts) else "some",
            "passes": "as many" if len(set(counts)) == 1 else "other numbers",
            "last to end": "the first" if ends[0] == max(ends) else "another",
            "stalls": "none" if not stalled else "of all clusters" if stalled == len(runs) else "of some clusters",
        }
    )
    for run in runs:
        for work in run.passes:
            collector.sample({"lines of a pass": "from another on" if work.tile.lines.first else "from the first on"})
