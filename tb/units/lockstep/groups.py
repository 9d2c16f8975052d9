"""Random streams of SparseMap groups, and the beats that the feeder makes of them."""

import random
from typing import NamedTuple

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.beats import Groups
from penni_escalate.golden.sparsemap import SparseTensor, encode
from penni_escalate.tb.base.stimulus import pack
from penni_escalate.tb.units.lockstep.gather_network import settings_for

DENSITIES = (0.0, 0.02, 0.1, 0.3, 0.6, 1.0)


class Beat(NamedTuple):
    """One beat: which part of which group, whether it is the group's last, and what the ports carry."""

    number: int
    part: int
    final: bool
    fields: dict[str, int]


def random_tensor(
    numbers: np.random.Generator, config: Accelerator, pixels: int, groups: int, signed: bool
) -> SparseTensor:
    """Pixels of so many groups, each group of a density of its own, half of the values extreme."""
    shape = (pixels, groups, config.group)
    low, high = (-128, 127) if signed else (0, 255)
    codes = numbers.integers(low, high + 1, shape)
    codes = np.where(numbers.random(shape) < 0.5, numbers.choice([low, high, 1, high // 2], shape), codes)
    codes = codes * (numbers.random(shape) < numbers.choice(DENSITIES, (pixels, groups, 1)))
    return encode(codes.reshape(pixels, -1).astype(np.int8 if signed else np.uint8), config.group)


def map_of(groups: Groups, number: int, width: int) -> int:
    """A group's map: bit c set: channel c of the group is not 0."""
    channels = groups.channels[number, : groups.count[number]]
    return sum(1 << int(channel) % width for channel in channels)


def values_of(groups: Groups, number: int) -> int:
    """A group's packed values, the rest 0."""
    return pack(groups.values[number], 8)


def index_of(groups: Groups, number: int) -> int:
    """A group's number within its pixel."""
    return int(groups.channels[number].min()) // groups.channels.shape[1]


def parts_of(groups: Groups, number: int, lanes: int) -> int:
    """Beats of a group: an empty one has a beat only where it ends a pixel."""
    parts = -(-int(groups.count[number]) // lanes)
    return 1 if parts == 0 and groups.eop[number] else parts


def beats_of(groups: Groups, signed: list[bool], config: Accelerator, source: random.Random) -> list[Beat]:
    """All beats of a stream; ``signed``: of each pass. Settings of switches that do not matter are random."""
    beats = []
    lanes = config.lanes
    for number in range(len(groups.count)):
        selected = map_of(groups, number, config.group)
        values = values_of(groups, number)
        parts = parts_of(groups, number, lanes)
        control = settings_for(selected, config.group, source)
        for part in range(parts):
            final = part == parts - 1
            fields = {
                "values": (values >> (8 * lanes * part)) & ((1 << 8 * lanes) - 1),
                "control": control,
                "map": selected,
                "group": index_of(groups, number),
                "part": part,
                "signed": int(signed[groups.work[number]]),
                "eop": int(groups.eop[number] and final),
                "last": int(groups.last[number] and final),
            }
            beats.append(Beat(number, part, final, fields))
    return beats
