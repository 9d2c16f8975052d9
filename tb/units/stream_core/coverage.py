"""Functional coverage of stream_core: the model, and how runs that were played are sampled."""

from configs.accelerator import Accelerator
from tb.coverage import Collector, CoverageModel, Cross, Ignored, Point
from tb.stream_run import Comparison, Prediction
from tb.units.stream_core.sampling import PlayedRun, sample_played

_NO_BORDER = "A kernel of one pixel cannot reach over the border: padding stays below the kernel's size."

MODEL = CoverageModel(
    "stream_core",
    (
        Point(
            "coefficients",
            "Without coefficients rows do no work, with many they limit the core: dilution's extremes.",
            ("none", "few", "some", "most"),
        ),
        Point(
            "activations",
            "Empty groups become no beats and full ones several: the feeder's extremes.",
            ("none", "few", "some", "most"),
        ),
        Point("stalls", "A stall shifts every unit against its neighbours.", ("free", "stalled")),
        Cross(
            "sparsity under stalls",
            "Whether rows or streams are the slowest part depends on both densities and on the stalls.",
            ("coefficients", "activations", "stalls"),
        ),
        Point("kernel", "The MAC walks rows and columns of a kernel apart.", ("1x1", "square", "wide", "tall")),
        Point("stride", "A stride skips outputs, and pixels that reach none.", ("1", "2", "more")),
        Point("padding", "With full padding the first output sees one row and column only.", ("none", "some", "full")),
        Point("border", "Padding makes outputs that see only a part of the kernel.", ("bare", "padded")),
        Cross(
            "geometry",
            "First and last outputs of a pixel's walk are worked out from all three.",
            ("kernel", "stride", "border"),
            (Ignored(("1x1", None, "padded"), _NO_BORDER),),
        ),
        Point(
            "stride against kernel",
            "Above the kernel's size there are pixels that no output needs.",
            ("up to it", "above"),
        ),
        Point(
            "image",
            "Small images end lines and passes while the pipeline is still filling.",
            ("one pixel", "smaller than the kernel", "one row or column", "as large as the kernel", "larger"),
        ),
        Point("kind", "A first layer has a basis of its own in each block.", ("decomposed", "first")),
        Point("input sign", "Codes are extended by their sign or by 0.", ("unsigned", "signed")),
        Point("output sign", "The clamp is below 0 or at 0.", ("unsigned", "signed")),
        Cross("kind and sign", "Both are flags of a pass and travel apart.", ("kind", "input sign")),
        Point("blocks used", "Blocks without a channel must give zeros.", ("all", "some")),
        Point("passes of a run", "Parameters have two banks: the third pass uses the first again.", ("1", "2", "more")),
        Point(
            "next pass",
            "Units change over to a pass one by one, while others still work on the one before.",
            ("same layer", "other geometry", "other kind", "other sign", "other channels"),
        ),
        Point("output code", "The clamp has two ends.", ("lowest", "between", "highest")),
        Point("shift", "Requantization rounds at any place of the product.", ("small", "usual", "large")),
        Point(
            "stall cause",
            "Each is another handshake that holds the core up.",
            (
                "ring_full",
                "feeder_starved",
                "output_stall",
                "z_full",
                "starved",
                "line_wait",
                "load waits for a bank",
            ),
        ),
        Point(
            "regime",
            "Cycles are compared under the first two; the third stalls without a pattern, or goes on without a reset.",
            ("free", "recorded", "random"),
        ),
        Point(
            "reset",
            "What a reset must clear depends on how far the work had come.",
            ("while the first pass loads", "before the first output", "between outputs"),
        ),
    ),
)


def sample_run(collector: Collector, config: Accelerator, prediction: Prediction, comparison: Comparison) -> None:
    """Count what a played run has met."""
    run = prediction.run
    free = all(pattern.all() for pattern in (run.stalls.load, run.stalls.input, run.stalls.output))
    sample_played(
        collector,
        config,
        PlayedRun(
            passes=run.passes,
            inputs=run.inputs,
            outputs=comparison.outputs,
            core_counters=comparison.core_counters,
            block_counters=comparison.block_counters,
            regime="free" if free else "recorded",
            stalled=not free,
        ),
    )
