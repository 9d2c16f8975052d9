"""Functional coverage of stream_core: the model, and how runs that were replayed are sampled."""

from collections.abc import Callable

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.coverage import Collector, CoverageModel, Cross, Ignored, Point
from penni_escalate.tb.base.geometry_classes import BORDERS, IMAGES, KERNELS, PADDINGS, SIDES, STRIDES
from penni_escalate.tb.base.geometry_cross import IMPOSSIBLE_KERNELS
from penni_escalate.tb.base.outputs import one_a_row, several_of_several_rows
from penni_escalate.tb.stream_core.sampling import STREAMS, SampledRun, overlaps_of, sample_hits
from penni_escalate.tb.stream_core.stream_run import Comparison, Prediction

_DENSITIES = ("none", "sparse", "dense", "nearly all")
#: May not move never, in less than half of the cycles, in half of them or more.
_THROTTLES = ("free", "stalled", "rarely moves")
_ROWS = ("1", "2", "3", "4", "5", "6", "more")


def _has_rows(rows: int) -> Callable[[Accelerator], bool]:
    return lambda config: rows <= config.rows


MODEL = CoverageModel(
    "stream_core",
    (
        Point("layer", "A dense layer has a basis of its own in every block.", ("decomposed", "dense")),
        Point("kernel", "Rows and columns are walked apart: an exchange shows where the sides differ.", KERNELS),
        Point("stride", "From one to above the kernel's size, where pixels reach no output.", STRIDES),
        Point("padding", "With the most, the first output sees one line and one column only.", PADDINGS),
        Point("padding sides", "Padding above and on the left are fields of their own.", SIDES),
        Point("border", "Where in the image there are pixels whose codes are not all 0.", BORDERS),
        Cross(
            "geometry at the border",
            "Blocks and collector count positions apart from one another: whole layers of each kind must come out "
            "right, "
            "from their corners to their inside.",
            ("kernel", "stride", "padding", "border"),
            tuple(Ignored((*i.bins, None), i.reason, i.applies) for i in IMPOSSIBLE_KERNELS),
        ),
        Point("image", "Small images end lines and passes while the pipeline is still filling.", IMAGES),
        Point("width", "The widest image uses every column of the memories.", ("below the largest", "largest")),
        Point("height", "Row counters count to the end of the tallest image.", ("below the largest", "largest")),
        Point("depth", "Pixels with the most channels have the most groups.", ("below the largest", "largest")),
        Point("cycles", "Counters go on beyond what short runs reach.", ("16 bits", "more bits")),
        Point("activations", "Empty groups become no beats, full ones several.", _DENSITIES),
        Point("coefficients", "Without any the rows do no work, with many they limit the core.", _DENSITIES),
        Cross(
            "sparsity of both",
            "Sparsity decides which unit is the slowest, and so who waits for whom.",
            ("activations", "coefficients"),
        ),
        *(Point(f"{stream} stalls", f"How often the {stream} stream may not move.", _THROTTLES) for stream in STREAMS),
        *(
            Cross(
                f"{what} under {stream} stalls",
                f"Queues run full or empty elsewhere for each density of {what} and each throttle of {stream}.",
                (what, f"{stream} stalls"),
            )
            for what in ("activations", "coefficients")
            for stream in STREAMS
        ),
        Point(
            "regime",
            "Cycles are compared under the first two; the third stalls without a pattern, or goes on without a reset.",
            ("free", "recorded", "random"),
        ),
        Point(
            "stall cause",
            "Each is another handshake that holds the core up: one that never did has not shown that it lets go.",
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
        Point("dropped pixels", "Pixels without work are passed over, or there are none.", ("some", "none")),
        Point("passes of a run", "Parameters have two banks: the third pass uses the first again.", ("1", "2", "more")),
        Point(
            "next pass",
            "Whether a pass is of the layer of the one before, with other channels, or of another.",
            ("same layer", "other layer"),
        ),
        Point(
            "overlap",
            "Whether a pass starts before the input of the one before has been taken: its groups follow at once.",
            ("yes", "no"),
        ),
        Cross(
            "passes back to back",
            "Units change over to a pass one by one, while others still work on the one before.",
            ("next pass", "overlap"),
        ),
        Point("next kernel", "Its size is read from the other bank.", ("smaller", "same size", "larger")),
        Point("next width", "A stale width cuts lines or stretches them.", ("narrower", "same", "wider")),
        Cross(
            "change of geometry",
            "Every unit reads the geometry from its own copy: a stale one shows where sizes go up or down.",
            ("next kernel", "next width"),
        ),
        Point(
            "next kind",
            "Shared basis kernels are written to all blocks at once, others one by one.",
            ("decomposed, decomposed", "decomposed, dense", "dense, decomposed", "dense, dense"),
        ),
        Point(
            "next signedness",
            "Values of both kinds are in the rows at a time.",
            ("both unsigned", "becomes signed", "becomes unsigned", "both signed"),
        ),
        Cross(
            "change of signedness",
            "The flag goes along with each beat: taken from elsewhere, it is right unless passes overlap.",
            ("next signedness", "overlap"),
        ),
        Point("input codes", "Codes are extended by their sign, or by 0.", ("unsigned", "signed")),
        Point(
            "output codes", "The clamp is below 0, at 0, or cuts off above.", ("unsigned", "with a ceiling", "signed")
        ),
        Cross("kind and sign", "Both are flags of a pass, and travel apart.", ("layer", "input codes")),
        Cross("codes", "Input and output are signed or not apart from one another.", ("input codes", "output codes")),
        Point(
            "skip tensor",
            "Its groups follow the input's, and its codes are signed or not apart from them.",
            ("none", "unsigned", "signed"),
            only=dict.fromkeys(("unsigned", "signed"), lambda config: config.rows > 1),
        ),
        Cross(
            "codes of both sources",
            "The flag turns within each pixel where the two differ, and must not where they are alike.",
            ("input codes", "skip tensor"),
        ),
        Point(
            "outputs with a skip tensor",
            "A skip tensor's kernels and exponents are those of a block alone, one for each of its outputs.",
            ("one", "several"),
            only={"one": lambda config: config.rows > 1, "several": several_of_several_rows},
        ),
        Point("code", "What output codes are to their range.", ("lower end", "inside", "upper end")),
        Cross("clamping", "Values on both sides of each range are cut to its end.", ("output codes", "code")),
        Point("shift", "Requantization rounds at any place of the product.", ("small", "usual", "large")),
        Point(
            "basis kernels",
            "M, from one row to all: rows beyond it have no coefficients and give zeros.",
            _ROWS,
            only={
                **{name: _has_rows(int(name)) for name in _ROWS[:-1]},
                "more": lambda config: config.rows > len(_ROWS) - 1,
            },
        ),
        Point(
            "row table",
            "Rows of a block that are left over take coefficients of a kernel that another row has too.",
            ("a kernel each", "kernels shared"),
            only={"kernels shared": _has_rows(2)},
        ),
        Point(
            "outputs of a block",
            "Several share rows, psum lines and collector: each needs its own sums, its own bias and its own scale.",
            ("one", "several", "one a row"),
            only={"several": several_of_several_rows, "one a row": one_a_row},
        ),
        Point(
            "sum over all pixels",
            "A kernel that covers the image is loaded as one place, and its only line closes with the last pixel.",
            ("no", "yes"),
        ),
        Point("results", "Logits leave as four codes, the bytes of the accumulators.", ("codes", "logits")),
        Cross(
            "results of sums",
            "The classifier has both flags; each must work without the other.",
            ("sum over all pixels", "results"),
        ),
        Point(
            "pool",
            "Lines are held for windows of 2 or 3, while the MAC works on others and the next pass begins.",
            ("none", "2", "3"),
            only={"2": lambda config: config.psum_lines >= 3, "3": lambda config: config.psum_lines >= 4},
        ),
        Point("blocks used", "Blocks without a channel must give zeros.", ("all", "some")),
        Point("groups of a pixel", "Coefficients are chosen by the number of the group.", ("one", "two", "more")),
        Point(
            "groups sent",
            "Groups that meet no coefficient in the pass are left out: the others keep their coefficients.",
            ("all", "some"),
        ),
        Point("channels", "Whether the last group of a pixel is filled up with zeros.", ("full groups", "padded")),
        Point(
            "empty pixel",
            "Pixels without a code give a z all the same, wherever they lie.",
            ("first", "between", "last", "all"),
        ),
        Point("output group", "The ends of what the encoder packs.", ("empty", "some", "dense")),
        Point(
            "reset",
            "What a reset must clear depends on how far the work had come.",
            ("while the first pass loads", "before the first output", "between outputs"),
        ),
    ),
)


def sample_run(collector: Collector, config: Accelerator, prediction: Prediction, comparison: Comparison) -> None:
    """Count what a replayed run has met; of one that was aborted, when; nothing of one that differs."""
    if not comparison.ok:
        return
    run, trace = prediction.run, prediction.trace
    if run.aborted_at is not None:
        begun = "between outputs" if run.aborted_at > trace.output_cycle[0] else "before the first output"
        collector.sample({"reset": begun if run.aborted_at > trace.start_cycle[0] else "while the first pass loads"})
        return
    throttle = {stream: float(getattr(run.stalls, stream).mean()) for stream in STREAMS}
    sample_hits(
        collector,
        config,
        SampledRun(
            passes=run.passes,
            inputs=run.inputs,
            outputs=comparison.outputs,
            core_counters=comparison.core_counters,
            block_counters=comparison.block_counters,
            regime="free" if all(share == 1 for share in throttle.values()) else "recorded",
            throttle=throttle,
            overlaps=overlaps_of(trace, run.inputs),
        ),
    )
