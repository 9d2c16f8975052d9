"""A configuration that takes the layers of every workload."""

from dataclasses import replace

from penni_escalate.configs.accelerator import Accelerator


def with_raised_limits(config: Accelerator) -> Accelerator:
    """The configuration with the limits of images, kernels, channels and z raised as far as a configuration can.

    The cycle model takes no cycle from them: they size memories and words alone. The stream core has no tiling, so
    without it an image of ImageNet's width would fit no preset. ROWS, PSUM_LINES and all that takes cycles stay.
    """
    return replace(config, width_max=256, kernel_max=11, channels_max=4096, z_bits=24)
