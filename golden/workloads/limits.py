"""A configuration that takes the layers of every workload."""

from dataclasses import replace

from penni_escalate.configs.accelerator import Accelerator


def with_raised_limits(config: Accelerator) -> Accelerator:
    """The configuration with the limits of images, kernels, channels and z raised as far as a configuration can.

    The cycle model takes no cycle from them but from WIDTH_MAX, by which lines are cut and tiles are made: whoever
    counts cycles leaves the configuration its own. ROWS, PSUM_LINES and all else that takes cycles stay.
    """
    return replace(config, width_max=256, kernel_max=11, channels_max=4096, z_bits=24)
