"""The accelerator's sizes as plain numbers for compiled code."""

from typing import NamedTuple

from penni_escalate.configs.accelerator import Accelerator


class Sizes(NamedTuple):
    """Fields of ``configs.accelerator.Accelerator`` that the cycle model needs."""

    blocks: int
    rows: int
    group: int
    lanes: int
    adders: int
    columns: int
    lookaside: int
    ring: int
    z_fifo: int
    taps: int
    psum_lines: int
    out_lanes: int
    width_max: int
    #: Groups that one code of every block makes, and codes of a group; the rest of its channels are 0.
    code_groups: int
    group_codes: int


def sizes_of(config: Accelerator) -> Sizes:
    """Sizes of a configuration; ``columns`` is the length of the concentration window."""
    return Sizes(
        blocks=config.blocks,
        rows=config.rows,
        group=config.group,
        lanes=config.lanes,
        adders=config.adders,
        columns=1 + config.lookahead,
        lookaside=config.lookaside,
        ring=config.ring,
        z_fifo=config.z_fifo,
        taps=config.taps,
        psum_lines=config.psum_lines,
        out_lanes=config.out_lanes,
        width_max=config.width_max,
        code_groups=-(-config.blocks // config.group),
        group_codes=min(config.blocks, config.group),
    )
