"""Functional coverage of stream_core, sampled from runs that were played."""

from configs.accelerator import Accelerator
from tb.coverage import Collector, CoverageModel, Point
from tb.stream_run import Comparison, Prediction

MODEL = CoverageModel("stream_core", (Point("stalls", "Stalls move every handshake.", ("free", "stalled")),))


def sample_run(collector: Collector, config: Accelerator, prediction: Prediction, comparison: Comparison) -> None:
    """Count what a played run has met."""
    stalls = prediction.run.stalls
    free = all(pattern.all() for pattern in (stalls.load, stalls.input, stalls.output))
    collector.sample({"stalls": "free" if free else "stalled"})
