"""Whether the stream core runs a layer, and whether the layer fits an accelerator."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.folding import Fold, fold_layer, possible_folds
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.input_groups import groups_problem
from penni_escalate.golden.kinds import KINDS, Convolution
from penni_escalate.golden.layers import Layer
from penni_escalate.golden.overflow import z_problem
from penni_escalate.golden.pooling import NO_POOL, Pool
from penni_escalate.golden.tiles import tiles_of

#: Lines of an input, of an output and of what a pool makes of it: the accelerator counts them in 12 bits.
HEIGHT_MAX = 4095


def core_form(layer: Layer) -> Convolution | str:
    """A layer in the form that the stream core runs, whatever its configuration; where it runs it in none, why.

    It runs layers of some kinds.
    """
    if isinstance(layer, Convolution):
        return layer
    form = KINDS[layer.kind].on_core
    if form is None:
        return f"the stream core does not run kind {layer.kind}"
    return form(layer)


def unsupported_reason(layer: Layer, config: Accelerator) -> str | None:
    """Why an accelerator cannot run a layer: what the stream core lacks, or the limit exceeded; None where it can."""
    form = core_form(layer)
    if isinstance(form, str):
        return form
    if fitting_folds(form, config):
        problem = None
    else:
        problem = exceeds_limits(form.geometry, form.rows_used, config, form.summed, form.pool)
    return problem or groups_problem(form, config) or z_problem(form.coefficients, form.signed_in, config.z_bits)


def fitting_folds(form: Convolution, config: Accelerator) -> list[Fold]:
    """How a layer can be folded so that its sizes fit an accelerator."""
    folded = [(fold, fold_layer(form, fold)) for fold in possible_folds(form, config)]
    return [
        fold
        for fold, layer in folded
        if exceeds_limits(layer.geometry, layer.rows_used, config, layer.summed, layer.pool) is None
    ]


def exceeds_limits(
    g: Geometry, rows_used: int, config: Accelerator, summed: bool = False, pool: Pool = NO_POOL
) -> str | None:
    """The limit of an accelerator that a convolution's size exceeds; None where there is none.

    Args:
        summed: it sums over all pixels, and needs one element of its kernels and one line.
        pool: the collector holds lines until their windows are complete.
    """
    # The MAC works on a line while the collector drains another, or waits for those of a window.
    lines = -(-g.kernel_height // g.stride) + max(1, pool.lines - 1)
    of_kernel = (
        ("kernel_height", g.kernel_height, "kernel_max", config.kernel_max),
        ("kernel_width", g.kernel_width, "kernel_max", config.kernel_max),
        ("stride", g.stride, "kernel_max", config.kernel_max),
        ("output rows in flight", lines, "psum_lines", config.psum_lines),
    )
    limits = (
        ("width", g.width, "width_max", config.width_max),
        ("output width", g.out_width, "width_max", config.width_max),
        ("width of the pool's outputs", pool.results(g.out_width), "width_max", config.width_max),
        ("height", g.height, "height limit", HEIGHT_MAX),
        ("output height", g.out_height, "height limit", HEIGHT_MAX),
        ("height of the pool's outputs", pool.results(g.out_height), "height limit", HEIGHT_MAX),
        ("channels", g.channels, "channels_max", config.channels_max),
        ("basis", rows_used, "rows", config.rows),
    )
    tiled = not summed and bool(tiles_of(g, pool, config.width_max))
    for field, value, limit, allowed in limits if summed else of_kernel + limits:
        if value > allowed and not (limit == "width_max" and tiled):
            return f"{field} is {value}, {limit} allows {allowed}"
    return None
