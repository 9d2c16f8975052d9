"""Random passes of one block or of all, and what is loaded for them."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.schedule import Pass
from penni_escalate.golden.sparsemap import SparseTensor
from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.tb.base.geometry_classes import GeometryDeck
from penni_escalate.tb.base.load_port import LoadPort
from penni_escalate.tb.base.random_work import random_layer, random_passes, summed

#: Output columns and rows of a small pass stay below a run's length.
PIXELS = 60


class Transfer(NamedTuple):
    """One write of parameters: kind, the block it is for (None: all), the load index and data."""

    kind: LoadKind
    block: int | None
    place: int
    data: int


class RandomPass(NamedTuple):
    """A pass and its input."""

    work: Pass
    tensor: SparseTensor


def random_pass(
    numbers: np.random.Generator, config: Accelerator, deck: GeometryDeck, beats: int = 400, pixels: int = PIXELS
) -> RandomPass:
    """One pass of a random layer: at most ``pixels`` pixels, or two rows of any width, and about ``beats`` groups."""
    g = deck.draw(numbers, pixels if pixels < PIXELS else max(PIXELS, 2 * config.width_max))
    if numbers.random() < 0.35:
        # Only of 1x1 layers a block can have several outputs.
        g = replace(g, kernel_height=1, kernel_width=1, padding=0)
    # Fewer channels rather than another geometry: else large kernels would be rare.
    while g.channels > config.group and g.height * g.width * -(-g.channels // config.group) > beats:
        g = replace(g, channels=g.channels // 2)
    drawn = random_layer(numbers, config, geometry=g)
    # By numbers of their own: what follows does not depend on them.
    (sums,) = numbers.spawn(1)
    if drawn.skip is None and sums.random() < 0.15:
        drawn = replace(drawn, layer=summed(drawn.layer))
    works = random_passes(numbers, drawn.layer, config)
    chosen = works[int(numbers.integers(len(works)))]
    return RandomPass(chosen, drawn.inputs(config, [chosen])[0])


def one_block(work: Pass) -> Pass:
    """The share of block 0."""
    return replace(
        work,
        coefficients=work.coefficients[:1],
        kernels=work.kernels[:1],
        exponents=work.exponents[:1],
        selection=work.selection[:1],
        bias=work.bias[:1],
        multiplier=work.multiplier[:1],
        shift=work.shift[:1],
    )


def _parameters(port: LoadPort, work: Pass) -> Iterator[Transfer]:
    """Everything but the geometry and the tables, for each block that the pass has."""
    config = port.config
    _, _, height, width = work.weights.shape
    for block in range(len(work.bias)):
        for group in range(work.coefficients.shape[1] // config.group):
            yield Transfer(LoadKind.COEFFICIENTS, block, group, port.coefficients(work, block, group))
        for r in range(height):
            for s in range(width):
                index = r * config.kernel_max + s
                yield Transfer(LoadKind.BASIS, block, index, port.basis(work, block, r, s))
        yield Transfer(LoadKind.EXPONENTS, block, 0, port.exponents(work, block))


def transfers_of(port: LoadPort, work: Pass, kinds: set[LoadKind], source: random.Random) -> list[Transfer]:
    """The transfers of some kinds in random order, but the tables first, and the one that starts the pass last."""
    blocks = range(len(work.bias)) if LoadKind.TABLE in kinds else ()
    tables = [Transfer(LoadKind.TABLE, block, 0, port.table(work, block)) for block in blocks]
    chosen = [transfer for transfer in _parameters(port, work) if transfer.kind in kinds]
    source.shuffle(tables)
    source.shuffle(chosen)
    return [*tables, *chosen, Transfer(LoadKind.PASS, None, 0, port.geometry(work))]
