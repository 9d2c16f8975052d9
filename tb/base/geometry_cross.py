"""Combinations of kernel, stride and padding that cannot be, for crosses over these three points."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.coverage import Ignored


def _below_four(config: Accelerator) -> bool:
    return config.kernel_max < 4


_NO_SECOND_SIDE = "its smaller side must be 3, its larger one 4 or more."

IMPOSSIBLE_KERNELS = (
    Ignored(("1x1", None, "some"), "padding stays below the kernel's size."),
    # Padding 0 of a 1x1 kernel is none.
    Ignored(("1x1", None, "most"), "padding stays below the kernel's size."),
    Ignored(("1x1", "within the kernel", None), "a stride above 1 is above the kernel."),
    Ignored((None, "above the kernel", "some"), "its smaller side must be 3, its stride 4 or more.", _below_four),
    Ignored(("tall", None, "some"), _NO_SECOND_SIDE, _below_four),
    Ignored(("wide", None, "some"), _NO_SECOND_SIDE, _below_four),
)
