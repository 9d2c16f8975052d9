"""Random streams of SparseMap groups, and the beats that the feeder makes of them."""

import random
from collections.abc import Sequence
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


def random_signs(source: random.Random, groups: int) -> np.ndarray:
    """Whether the codes of each group of a pixel are signed, bool (G,): of some passes the last ones are otherwise."""
    skip_group = source.randrange(groups) if source.random() < 0.4 else groups
    return (np.arange(groups) < skip_group) == (source.random() < 0.5)


def random_tensor(numbers: np.random.Generator, config: Accelerator, pixels: int, signed: np.ndarray) -> SparseTensor:
    """Pixels of as many groups as ``signed`` has, each group of a density of its own, half of the values extreme."""
    groups = len(signed)
    shape = (pixels, groups, config.group)
    low = np.where(signed, -128, 0)[:, None]
    codes = numbers.integers(low, low + 256, shape)
    extreme = low + numbers.choice([0, 255, 129, 127], shape)
    codes = np.where(numbers.random(shape) < 0.5, extreme, codes)
    codes = codes * (numbers.random(shape) < numbers.choice(DENSITIES, (pixels, groups, 1)))
    return encode((codes & 255).astype(np.uint8).reshape(pixels, -1), config.group)


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


def beats_of(groups: Groups, signed: Sequence[np.ndarray], config: Accelerator, source: random.Random) -> list[Beat]:
    """All beats of a stream; ``signed``: as in ``groups_of``. Settings of switches that do not matter are random."""
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
                "signed": int(signed[groups.work[number]][index_of(groups, number)]),
                "eop": int(groups.eop[number] and final),
                "last": int(groups.last[number] and final),
            }
            beats.append(Beat(number, part, final, fields))
    return beats
