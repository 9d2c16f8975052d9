"""The models against what the rivals' own papers say of their machines, on their own networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, geometric_mean

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.golden.baselines.baseline import Baseline, Budget, Outcome
from penni_escalate.golden.baselines.bit_tactical import LANES, schedule_lengths
from penni_escalate.golden.baselines.eyeriss import PAPER_PES, Eyeriss
from penni_escalate.golden.baselines.ideal_two_sided import IdealTwoSided
from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.baselines.published import PublishedNetwork, published_networks
from penni_escalate.golden.baselines.scnn import Arrangement, Scnn, run_on
from penni_escalate.golden.baselines.sparten import SparTenHybrid
from penni_escalate.golden.baselines.tiled_dense import TiledDense

#: Multipliers of SCNN (64 PEs of 16) and of SparTen (32 clusters of 32).
SPARSE_MULTIPLIERS = 1024
#: Networks of the claims.
NETWORKS = ("alexnet", "googlenet", "vgg16")
#: SCNN's PEs are 8 x 8.
_SCNN_SIDE = 8
#: Clock of Eyeriss, in cycles a millisecond (200 MHz).
_EYERISS_CLOCK = 200_000

_EYERISS_PAPER = "Chen et al., Eyeriss, JSSC 2017"
#: Its table of AlexNet's layers: processing latency for a batch of 4 images, milliseconds.
_EYERISS_ALEXNET = {"conv1": 16.5, "conv2": 39.2, "conv3": 21.8, "conv4": 16.0, "conv5": 10.0}
#: Its table of VGG16's layers: latency of all for a batch of 3 images, milliseconds.
_EYERISS_VGG16 = 4309.5
_SCNN_PAPER = "Parashar et al., SCNN, ISCA 2017"
#: Its evaluation: speed-up over its dense counterpart; the abstract gives the mean.
_SCNN_OVER_DENSE = {"alexnet": 2.37, "googlenet": 2.19, "vgg16": 3.52}
_SCNN_MEAN = 2.7
_SPARTEN_PAPER = "Gondimalla et al., SparTen, MICRO 2019"
#: Abstract: means over AlexNet, GoogLeNet and VGG.
_SPARTEN_OVER_DENSE, _SPARTEN_OVER_SCNN = 4.7, 3.0
_TACTICAL_PAPER = "Delmas Lascorz et al., Bit-Tactical, arXiv 1803.03688"
#: T<2,5>, random weights of which a fifth is not 0: cycles over the dense cycles.
_TACTICAL_DENSITY, _TACTICAL_SHARE = 0.2, 0.345


@dataclass(frozen=True)
class Claim:
    """What a paper says of its machine, and what its model here gives.

    Attributes:
        claimed, model: in ``unit``.
        reason: for the difference.
    """

    paper: str
    quantity: str
    claimed: float
    model: float
    unit: str
    reason: str

    @property
    def ratio(self) -> float:
        """Model over claim."""
        return self.model / self.claimed

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of a table: paper, quantity, claim, model, model over claim, reason."""
        figures = (f"{_three_digits(figure)} {self.unit}".strip() for figure in (self.claimed, self.model))
        return (self.paper, self.quantity, *figures, f"{self.ratio:.2f}", self.reason)


def _three_digits(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:#.3g}"


class _Drawn:
    """A network's layers, and cycles on the machines, each counted once."""

    def __init__(self, network: PublishedNetwork, seed: int) -> None:
        self.network = network
        rng = np.random.default_rng(seed)
        self.layers = {published.name: published.draw(rng) for published in network.layers}

    def cycles(self, machine: Baseline, multipliers: int, name: str | None = None) -> int:
        """Of one layer, or of all."""
        budget = _budget(multipliers)
        layers = self.layers[name] if name else [layer for parts in self.layers.values() for layer in parts]
        return sum(machine.run(layer, budget).cycles for layer in layers)

    @cached_property
    def dense(self) -> int:
        return self.cycles(TiledDense(), SPARSE_MULTIPLIERS)

    @cached_property
    def scnn(self) -> int:
        return self.cycles(Scnn(), SPARSE_MULTIPLIERS)

    @cached_property
    def scnn_plane(self) -> int:
        return self.cycles(_ScnnPlane(), SPARSE_MULTIPLIERS)

    @cached_property
    def sparten(self) -> int:
        return self.cycles(SparTenHybrid(), SPARSE_MULTIPLIERS)


class _ScnnPlane(Baseline):
    """SCNN with its paper's 8 x 8 PEs: tiles of the plane, and PEs without a tile idle."""

    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        """Cycles and accesses of a layer on one image."""
        g = layer.geometry
        return run_on(layer, Arrangement(-(-g.height // _SCNN_SIDE), -(-g.width // _SCNN_SIDE), 1), budget)


def claims_table(networks: Sequence[str] = NETWORKS, seed: int = 1) -> list[Claim]:
    """Claims about some of the published networks, and those about none; means where all networks are asked for.

    Args:
        networks: of ``NETWORKS``; VGG16 takes the most time, some seconds.
        seed: of the drawn weights and activations.
    """
    known = published_networks()
    for name in networks:
        if name not in known:
            raise UserError(f"Network '{name}' is not published with a rival: use one of {', '.join(known)}.")
    drawn = {name: _Drawn(known[name], seed) for name in networks}
    rows = [_tactical(seed)]
    if "alexnet" in drawn:
        rows += _eyeriss_alexnet(drawn["alexnet"])
    if "vgg16" in drawn:
        rows.append(_eyeriss_vgg16(drawn["vgg16"]))
    rows += [_scnn(network) for network in drawn.values()]
    if set(drawn) == set(NETWORKS):
        rows += _means(list(drawn.values()))
    return rows


def _budget(multipliers: int) -> Budget:
    return Budget(multipliers, multipliers, multipliers, multipliers)


def _tactical(seed: int) -> Claim:
    columns = np.random.default_rng(seed).random((64, 288, LANES)) < _TACTICAL_DENSITY
    return Claim(
        _TACTICAL_PAPER,
        "T<2,5>, a fifth of random weights not 0: share of the dense cycles",
        _TACTICAL_SHARE,
        float(schedule_lengths(columns).mean()) / columns.shape[1],
        "",
        "Filters are scheduled alone; filters that share a buffer of activations would wait for each other.",
    )


def _eyeriss_alexnet(network: _Drawn) -> list[Claim]:
    model = {name: network.cycles(Eyeriss(), PAPER_PES, name) / _EYERISS_CLOCK for name in _EYERISS_ALEXNET}
    reason = (
        "The best of all mappings, without filling: the chip's 12 x 14 array holds 135 to 156 PEs' work, and fills."
    )
    rows = [
        Claim(_EYERISS_PAPER, f"AlexNet {name}, an image at 200 MHz", batch / 4, model[name], "ms", reason)
        for name, batch in _EYERISS_ALEXNET.items()
    ]
    total = sum(_EYERISS_ALEXNET.values()) / 4
    return [
        *rows,
        Claim(_EYERISS_PAPER, "AlexNet, convolutions, an image at 200 MHz", total, sum(model.values()), "ms", reason),
    ]


def _eyeriss_vgg16(network: _Drawn) -> Claim:
    return Claim(
        _EYERISS_PAPER,
        "VGG16, convolutions, an image at 200 MHz",
        _EYERISS_VGG16 / 3,
        network.cycles(Eyeriss(), PAPER_PES) / _EYERISS_CLOCK,
        "ms",
        "Memory never stalls the model and loading takes no time; the chip, whose products alone take what the model "
        "says, spends two thirds of its time otherwise.",
    )


def _scnn(network: _Drawn) -> Claim:
    name = network.network.name
    drawn = "published densities" if network.network.published else "densities assumed: order of magnitude"
    return Claim(
        _SCNN_PAPER,
        f"{network.network.title}, speed-up over dense ({drawn})",
        _SCNN_OVER_DENSE[name],
        network.dense / network.scnn_plane,
        "x",
        "8 x 8 tiles as in the paper, whose own densities are in a plot alone; no bank conflict, but the dense array "
        "has the best shape for each layer. "
        f"The registered model shares the PEs as is best: {network.dense / network.scnn:.2f} x.",
    )


def _means(networks: list[_Drawn]) -> list[Claim]:
    ideal = geometric_mean(
        [network.dense / network.cycles(IdealTwoSided(), SPARSE_MULTIPLIERS) for network in networks]
    )
    return [
        Claim(
            _SCNN_PAPER,
            "mean of the three, speed-up over dense (order of magnitude)",
            _SCNN_MEAN,
            fmean([network.dense / network.scnn_plane for network in networks]),
            "x",
            "As above; GoogLeNet's densities are assumed.",
        ),
        Claim(
            _SPARTEN_PAPER,
            "GB-H, mean of the three, speed-up over dense (order of magnitude)",
            _SPARTEN_OVER_DENSE,
            geometric_mean([network.dense / network.sparten for network in networks]),
            "x",
            "Other densities than SparTen's, which were not published by layer, and a dense array without loss: "
            f"with these densities no machine exceeds {ideal:.2f} x.",
        ),
        Claim(
            _SPARTEN_PAPER,
            "GB-H, mean of the three, speed-up over SCNN (order of magnitude)",
            _SPARTEN_OVER_SCNN,
            geometric_mean([network.scnn_plane / network.sparten for network in networks]),
            "x",
            "SCNN has 8 x 8 tiles and is favoured: no bank conflict, no halo, strides by phases, a barrier a group and "
            "not a channel. Over the registered model of SCNN, which is faster still, it is "
            f"{geometric_mean([network.scnn / network.sparten for network in networks]):.2f} x.",
        ),
    ]
