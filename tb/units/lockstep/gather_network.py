"""The bit gather network by its definition: stages of switches that exchange two lanes."""

import random
from typing import TypeVar

T = TypeVar("T")


def exchange(control: int, lanes: list[T]) -> list[T]:
    """What the network does to its lanes.

    Stage k joins the lanes i and i + 2**k; its settings are the bits from k * len(lanes) upward, at i.
    """
    width = len(lanes)
    lanes = list(lanes)
    for stage in range((width - 1).bit_length()):
        for lane in range(width):
            if (control >> (stage * width + lane)) & 1:
                other = lane + (1 << stage)
                lanes[lane], lanes[other] = lanes[other], lanes[lane]
    return lanes


def lower_lanes(width: int) -> int:
    """The settings that belong to a switch; a switch's upper lane has none."""
    stages = (width - 1).bit_length()
    return sum(1 << (k * width + i) for k in range(stages) for i in range(width) if not (i >> k) & 1)


def settings_for(selected: int, width: int, source: random.Random) -> int:
    """Settings that pack the selected lanes in order; switches that no selected lane meets are set at random.

    The selected lane of rank r stands at place r modulo 2D of its block of 2D lanes behind stage D.
    """
    control = source.getrandbits(width * (width - 1).bit_length()) & lower_lanes(width)
    rank = 0
    for lane in range(width):
        if not (selected >> lane) & 1:
            continue
        for stage in range((width - 1).bit_length()):
            distance = 1 << stage
            block = lane // (2 * distance) * (2 * distance)
            switch = 1 << (stage * width + block + rank % distance)
            crosses = (rank // distance) % 2 != (lane // distance) % 2
            control = control | switch if crosses else control & ~switch
        rank += 1
    return control


def gather(selected: int, lanes: list[int]) -> list[int]:
    """The selected lanes in order, then zeros."""
    kept = [value for lane, value in enumerate(lanes) if (selected >> lane) & 1]
    return kept + [0] * (len(lanes) - len(kept))
