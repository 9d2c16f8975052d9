"""Configurations that the fit is made from, and others that it is checked at: drawn by a seed, over all fields."""

import random
from collections.abc import Iterator
from itertools import islice

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator, as_fields, load_accelerator, parse_accelerator, preset_names

FIT_SEED, FIT_POINTS = 1, 16
CHECK_SEED, CHECK_POINTS = 2, 10
#: What a field may be drawn as; fields that repeat a value take it more often.
_CHOICES: dict[str, tuple[int, ...]] = {
    "blocks": (4, 8, 16, 32, 64),
    "rows": (1, 2, 3, 4, 5, 6, 6, 8, 9, 12),
    "group": (4, 8, 16, 32, 64, 64, 64),
    "lanes": (2, 4, 8, 16, 32, 32, 64),
    "adders": (1, 2, 4, 8, 8, 16),
    "lookahead": (0, 1, 2, 2, 3, 4, 6),
    "lookaside": (0, 1, 1, 2, 3),
    "ring": (2, 4, 8, 16, 32, 64),
    "z_fifo": (2, 4, 8, 16),
    "taps": (1, 1, 2, 3, 3, 4, 5, 8),
    "psum_lines": (2, 3, 4, 6, 8, 10, 12),
    "out_lanes": (2, 4, 8, 16, 32, 64),
    "kernel_max": (1, 3, 3, 5, 7, 11),
    "width_max": (16, 32, 48, 64, 100, 128, 224, 256),
    "channels_max": (64, 128, 256, 512, 1024, 2048, 4096),
    "z_bits": (12, 14, 16, 18, 20, 22),
}
#: Presets of which each field is varied by itself.
_VARIED = ("small", "full")
_VARIATIONS: dict[str, tuple[int, ...]] = {
    "blocks": (32,),
    "rows": (2, 4, 8),
    "group": (8, 32),
    "lanes": (4, 16, 64),
    "adders": (1, 2, 4, 8, 16),
    "lookahead": (0, 1, 4, 6),
    "lookaside": (0, 2, 3),
    "ring": (2, 4, 8),
    "z_fifo": (8,),
    "taps": (1, 2, 4, 8),
    "psum_lines": (3, 4, 12),
    "out_lanes": (2, 16, 64),
    "kernel_max": (1, 3, 11),
    "width_max": (16, 128, 256),
    "channels_max": (128, 4096),
    "z_bits": (12, 22),
}
#: Bits that rings read at once, ring * beat * rows, above which Yosys takes minutes for a ring.
_LARGEST_RING = 50_000
#: The same of variations of a preset: ring * rows.
_LARGEST_RINGS = 150
#: The same of a concentration window: lanes * columns * adders, over the steps of look-aside.
_LARGEST_WINDOW = 6_000


def _synthesisable_soon(config: Accelerator) -> bool:
    beat = 8 * config.lanes + config.group * config.group.bit_length()
    return config.ring * beat * config.rows <= _LARGEST_RING and _window(config) <= _LARGEST_WINDOW


def _window(config: Accelerator) -> int:
    return config.lanes * (1 + config.lookahead) * config.adders * (1 + config.lookaside)


def drawn(seed: int) -> Iterator[Accelerator]:
    """Configurations without end, those that break a rule left out, and those whose synthesis takes minutes."""
    source = random.Random(seed)
    number = 0
    while True:
        fields = {name: source.choice(choices) for name, choices in _CHOICES.items()}
        try:
            config = parse_accelerator({"name": f"drawn_{seed}_{number}", **fields}, "a drawn configuration")
        except UserError:
            continue
        if _synthesisable_soon(config):
            number += 1
            yield config


def varied(preset: str) -> Iterator[Accelerator]:
    """A preset with one field at a time changed; most units stay the same, and are counted once."""
    fields = as_fields(load_accelerator(preset))
    for name, values in _VARIATIONS.items():
        for value in values:
            try:
                changed = {**fields, "name": f"{preset}_{name}_{value}", name: value}
                config = parse_accelerator(changed, "a varied preset")
            except UserError:
                continue
            if value != fields[name] and config.ring * config.rows <= _LARGEST_RINGS and _window(config) <= _LARGEST_WINDOW:
                yield config


def fit_points() -> tuple[Accelerator, ...]:
    """The presets, variations of them, and drawn configurations."""
    drawing = drawn(FIT_SEED)
    presets = map(load_accelerator, preset_names())
    return (*presets, *(config for name in _VARIED for config in varied(name)), *islice(drawing, FIT_POINTS))


def check_points() -> tuple[Accelerator, ...]:
    """Ten configurations, none of which the fit has seen."""
    seen = {_fields(config) for config in fit_points()}
    new = (config for config in drawn(CHECK_SEED) if _fields(config) not in seen)
    return tuple(next(new) for _ in range(CHECK_POINTS))


def _fields(config: Accelerator) -> tuple[int, ...]:
    return tuple(getattr(config, name) for name in _CHOICES)
