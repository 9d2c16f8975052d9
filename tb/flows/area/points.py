"""Configurations that the fit is made from, and others that it is checked at."""

import random
from collections.abc import Iterator
from itertools import islice

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator, as_fields, load_accelerator, parse_accelerator, preset_names

CHECK_SEED, CHECK_POINTS = 2, 7
#: What a field may be drawn as; fields that repeat a value take it more often.
_CHOICES: dict[str, tuple[int, ...]] = {
    "blocks": (4, 8, 16, 32),
    "rows": (1, 2, 3, 4, 5, 6, 6, 8, 9, 12),
    "group": (4, 8, 16, 32, 64),
    "lanes": (2, 4, 8, 16, 32, 64),
    "adders": (1, 2, 4, 8, 16),
    "lookahead": (0, 1, 2, 2, 3, 4, 6),
    "lookaside": (0, 1, 1, 2, 3),
    "ring": (2, 4, 8, 16, 32, 64),
    "z_fifo": (2, 4, 8, 16),
    "taps": (1, 1, 2, 3, 3, 4, 5, 8),
    "psum_lines": (2, 3, 4, 6, 8, 10, 12),
    "out_lanes": (2, 4, 8, 16, 32, 64),
    "load_words": (1, 2, 4),
    "kernel_max": (1, 3, 3, 5, 7, 11),
    "width_max": (16, 32, 48, 64, 100, 128, 224, 256),
    "channels_max": (64, 128, 256, 512, 1024, 2048, 4096),
    "z_bits": (12, 14, 16, 18, 20, 22),
}
#: What each field of a preset is varied as, by itself.
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
    # Where outputs come in pairs, fewer than four taps break a rule.
    "taps": (1, 2, 4, 8),
    "winograd": (0,),
    "psum_lines": (3, 12),
    "out_lanes": (2, 16, 64),
    "load_words": (1, 8),
    "kernel_max": (1, 11),
    "width_max": (16, 256),
    "channels_max": (128, 4096),
    "z_bits": (12, 22),
}
#: Presets that are varied, and fields that are not: their units are small, or the smaller preset shows them as well.
_VARIED: dict[str, tuple[str, ...]] = {
    "small": (),
    "full": ("blocks", "z_fifo", "out_lanes", "width_max", "channels_max", "z_bits"),
}
#: Presets with several fields changed, at which the fit is checked.
_CHECKED: tuple[tuple[str, dict[str, int]], ...] = (
    (
        "full",
        {
            "lanes": 16,
            "adders": 8,
            "lookahead": 3,
            "ring": 8,
            "taps": 2,
            "winograd": 0,
            "rows": 5,
            "z_bits": 16,
        },
    ),
    (
        "full",
        {
            "adders": 8,
            "lookahead": 2,
            "lookaside": 2,
            "ring": 8,
            "taps": 3,
            "winograd": 0,
            "rows": 3,
            "psum_lines": 8,
            "kernel_max": 5,
        },
    ),
    ("small", {"rows": 5, "lanes": 16, "adders": 4, "ring": 32, "taps": 3, "width_max": 100, "z_bits": 18}),
)
#: Bits that the rows can choose from, ring * beat * rows, above which Yosys takes minutes for a ring.
_LARGEST_RING = 15_000
#: The same of variations of a preset: ring * rows.
_LARGEST_RINGS = 150
#: The same of a concentration window: lanes * columns * adders * (1 + lookaside).
_LARGEST_WINDOW = 1_500
#: The same of multipliers and of psum memories in a block.
_MOST_PRODUCTS, _MOST_MEMORIES = 18, 18


def _synthesisable_soon(config: Accelerator) -> bool:
    beat = 8 * config.lanes + config.group * config.group.bit_length()
    window = config.lanes * (1 + config.lookahead) * config.adders * (1 + config.lookaside)
    return (
        config.ring * beat * config.rows <= _LARGEST_RING
        and window <= _LARGEST_WINDOW
        and config.rows * config.taps <= _MOST_PRODUCTS
        and config.taps * config.psum_lines <= _MOST_MEMORIES
    )


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
    for name, value in ((name, value) for name, values in _VARIATIONS.items() for value in values):
        if name not in _VARIED[preset]:
            try:
                changed = {**fields, "name": f"{preset}_{name}_{value}", name: value}
                config = parse_accelerator(changed, "a varied preset")
            except UserError:
                continue
            if value != fields[name] and config.ring * config.rows <= _LARGEST_RINGS:
                yield config


def fit_points() -> tuple[Accelerator, ...]:
    """The presets, and variations of them."""
    presets = map(load_accelerator, preset_names())
    return (*presets, *(config for name in _VARIED for config in varied(name)))


def check_points() -> tuple[Accelerator, ...]:
    """Ten configurations, none of which the fit has seen: presets with several fields changed, and drawn ones."""
    changed = (
        parse_accelerator({**as_fields(load_accelerator(preset)), **fields, "name": f"{preset}_changed_{n}"}, "a check")
        for n, (preset, fields) in enumerate(_CHECKED)
    )
    seen = {_fields(config) for config in fit_points()}
    new = (config for config in drawn(CHECK_SEED) if _fields(config) not in seen)
    return (*changed, *islice(new, CHECK_POINTS))


def _fields(config: Accelerator) -> tuple[int, ...]:
    return tuple(getattr(config, name) for name in _CHOICES)
