"""Whether a layer fits an accelerator."""

from common.errors import UserError
from configs.accelerator import Accelerator
from golden.overflow import check_z
from golden.package import Convolution

HEIGHT_MAX = 4095


def check_fit(layer: Convolution, config: Accelerator) -> None:
    """Raises UserError naming layer, field, value and limit where the accelerator cannot run the layer."""
    g = layer.geometry
    lines = -(-g.kernel_height // g.stride) + 1
    limits = (
        ("kernel_height", g.kernel_height, "kernel_max", config.kernel_max),
        ("kernel_width", g.kernel_width, "kernel_max", config.kernel_max),
        ("stride", g.stride, "kernel_max", config.kernel_max),
        ("width", g.width, "width_max", config.width_max),
        ("output width", g.out_width, "width_max", config.width_max),
        ("height", g.height, "height limit", HEIGHT_MAX),
        ("channels", g.channels, "channels_max", config.channels_max),
        ("basis", layer.rows_used, "rows", config.rows),
        ("output rows in flight", lines, "psum_lines", config.psum_lines),
    )
    for field, value, limit, allowed in limits:
        if value > allowed:
            raise UserError(
                f"Layer '{layer.name}' does not fit configuration '{config.name}': {field} is {value}, "
                f"{limit} allows {allowed}."
            )
    check_z(layer.name, layer.coefficients, layer.signed_in, config.z_bits)
