"""Functional coverage of block."""

from penni_escalate.tb.base.coverage import MET, CoverageModel, Cross, Ignored, Point, cover_point
from penni_escalate.tb.base.geometry_classes import KERNELS, PADDINGS, SIDES, STRIDES
from penni_escalate.tb.base.geometry_cross import IMPOSSIBLE_KERNELS
from penni_escalate.tb.base.outputs import outputs_point

MODEL = CoverageModel(
    "block",
    (
        cover_point("ring full", "The slowest row holds the ring: a write now overwrites what it has not read."),
        cover_point("z FIFO full", "A row with a full FIFO stops, and must go on without losing a value."),
        cover_point(
            "full FIFO of the last row is counted",
            "The counter is a sum over the rows: one that is left out shows when it alone, or it too, is full.",
        ),
        cover_point("line wait", "The MAC stops, the FIFOs fill, the rows stop, the ring fills: nothing may get lost."),
        cover_point("pass after pass", "A pass begins while lines of the one before are open."),
        cover_point("two passes pending", "Both banks of every parameter are in use."),
        cover_point("counters cleared", "Clearing takes precedence over counting at the same edge."),
        cover_point("line read while the MAC works", "Drain and addition share memories, not ports."),
        Point("activations", "Density of a pass's codes.", ("none", "sparse", "dense", "nearly all")),
        Point(
            "coefficients", "Density of a pass's coefficients in this block.", ("none", "sparse", "dense", "nearly all")
        ),
        Cross(
            "sparsity of both",
            "Sparsity decides which of rows, MAC and ring is the slowest: each mix stops the others in another order.",
            ("activations", "coefficients"),
        ),
        Point("stall", "What holds the block up in a cycle.", ("ring full", "z FIFO full", "starved", "line wait")),
        Cross(
            "stalls at each density",
            "Each cause must stop and let go at every density, also where nothing but ends of pixels moves.",
            ("stall", "activations"),
        ),
        Point("beats", "Whether beats come as fast as they can.", ("free", "stalled")),
        Point("drain", "Whether lines are read as soon as they can be.", ("free", "stalled")),
        Cross(
            "stalls of both ends",
            "A block between a fast source and a slow drain is full, between a slow source and a fast drain empty.",
            ("beats", "drain", "activations"),
        ),
        Point(
            "rows apart",
            "Beats by which the first row is ahead of the last: up to the whole ring.",
            ("none", "some", "whole ring"),
        ),
        Point(
            "z apart",
            "Difference between the fullest and the emptiest FIFO: the MAC waits for all rows, others must be able "
            "to stop.",
            ("none", "some", "full against empty"),
        ),
        Point(
            "rows in different passes",
            "One row is in the next pass while another is not: coefficients have a bank a row.",
            (MET,),
        ),
        Point(
            "rows ahead of the MAC by a pass",
            "The rows have done with a pass that the MAC has not: their banks differ.",
            (MET,),
        ),
        Point(
            "drain a pass behind the MAC",
            "Lines of the pass before are read while the MAC adds: the bias is that of the line.",
            (MET,),
        ),
        outputs_point("Rows work for one output of the block or for several, through MAC and psum lines to the drain."),
        Point(
            "rows used",
            "Rows without coefficients give zeros, and keep up with the others.",
            ("one", "some", "all"),
        ),
        Point("kernel", "Shapes of the kernel.", KERNELS),
        Point("stride", "From one to above the kernel's size.", STRIDES),
        Point("padding", "None, some, and as much as there can be.", PADDINGS),
        Point("padding sides", "Padding above and on the left are fields of their own.", SIDES),
        Cross(
            "geometry",
            "Position counters, lines and closing work together: each kind of geometry is run from beats to psums.",
            ("kernel", "stride", "padding"),
            IMPOSSIBLE_KERNELS,
        ),
        Point(
            "counter",
            "Which counter is read: two that are exchanged differ in value.",
            ("taken", "z_written", "z_full", "dropped", "products", "starved", "line_wait", "none"),
        ),
        Point("count", "Whether it has counted.", ("zero", "not zero")),
        Cross(
            "counters",
            "A counter that is read while it is 0 shows no fault.",
            ("counter", "count"),
            (Ignored(("none", "not zero"), "an index without a counter gives 0."),),
        ),
        Point(
            "reset",
            "A register that reset does not clear keeps beats, values, or lines of the run before.",
            ("beats in the ring", "z in a FIFO", "walk", "closed line", "odd bank"),
        ),
    ),
)
