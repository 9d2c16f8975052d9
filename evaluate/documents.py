"""The evaluation as JSON and as rows of tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from penni_escalate.common.tables import Column, fixed, integer, share
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.evaluate.summary import OURS, ImageSize, Machine, Network, geomean, speedups
from penni_escalate.golden.baselines import BASELINES
from penni_escalate.golden.losses import Share
from penni_escalate.golden.workloads import PruningAssumption

_TIMES = fixed(2)
_THOUSANDTHS = fixed(3)

ASSUMPTIONS = {
    PruningAssumption.UNIFORM: "uniform",
    PruningAssumption.ERK: "ERK",
    PruningAssumption.MEASURED: "measured",
}


@dataclass(frozen=True)
class NetworkRow:
    """A network on the accelerator."""

    name: str
    source: str
    image: str
    layers: int
    cycles: int
    utilisation: float
    balance: float
    dense_operations: float
    energy: float
    energy_on_chip: float


NETWORK_COLUMNS = (
    Column("name", "network", str, left=True),
    Column("source", "numbers", str, left=True),
    Column("image", "images", str, left=True),
    Column("layers", "layers", integer),
    Column("cycles", "cycles", integer),
    Column("utilisation", "bound / cycles", _THOUSANDTHS),
    Column("balance", "balanced / cycles", _THOUSANDTHS),
    Column("dense_operations", "dense multiplications a cycle", integer),
    Column("energy", "energy", fixed(1), "uJ"),
    Column("energy_on_chip", "without DRAM", fixed(1), "uJ"),
)


def network_rows(networks: Sequence[Network]) -> list[NetworkRow]:
    """A row a network."""
    return [
        NetworkRow(
            name=network.workload.name,
            source="drawn" if network.workload.drawn else "measured",
            image=network.size.value.split()[0],
            layers=sum(layer.repeats for layer in network.layers),
            cycles=network.own.cycles,
            utilisation=network.own.utilisation,
            balance=network.own.balance,
            dense_operations=network.dense_multiplications / network.own.cycles,
            energy=network.own_energy.total / 1e6,
            energy_on_chip=network.own_energy.on_chip / 1e6,
        )
        for network in networks
    ]


def rival_columns(networks: Sequence[Network]) -> tuple[Column, ...]:
    """The rival and its terms, then a column a network, then the geometric mean."""
    return (
        Column("rival", "rival", str, left=True),
        Column("terms", "on these terms", str, left=True),
        *(Column(network.workload.name, network.workload.name, _TIMES) for network in networks),
        Column("geomean", "geomean", _TIMES),
    )


class RivalRow:
    """Numbers of a rival, an attribute for each column."""

    def __init__(self, rival: str, terms: str, numbers: dict[str, float | None]) -> None:
        self.rival, self.terms = rival, terms
        self.geomean = geomean(number for number in numbers.values() if number is not None)
        self.__dict__.update(numbers)


def speedup_rows(networks: Sequence[Network]) -> list[RivalRow]:
    """The accelerator's speed-up over each rival on each kind of terms."""
    rows = []
    for baseline in BASELINES:
        kinds: list[tuple[str, dict[str, Any]]] = [("equal multipliers", {})]
        if baseline.weights_pruned:
            kinds += [(f"weights {ASSUMPTIONS[a]}", {"assumption": a}) for a in PruningAssumption]
        kinds += [("shrunk widths", {"original": False}), ("equal logic area", {"equal_area": True})]
        for terms, chosen in kinds:
            found = speedups(networks, baseline.name, **chosen)
            if found:
                numbers = {network.workload.name: found.get(network.workload.name) for network in networks}
                rows.append(RivalRow(baseline.title, terms, numbers))
    return rows


def energy_rows(networks: Sequence[Network]) -> list[RivalRow]:
    """Each rival's energy over the accelerator's, with and without DRAM."""
    rows = []
    for baseline in BASELINES:
        for terms, on_chip in (("with DRAM", False), ("without DRAM", True)):
            numbers: dict[str, float | None] = {}
            for network in networks:
                machine = network.machine(baseline.name)
                assert machine is not None
                rival, own = machine.energy, network.own_energy
                numbers[network.workload.name] = rival.on_chip / own.on_chip if on_chip else rival.total / own.total
            rows.append(RivalRow(baseline.title, terms, numbers))
    return rows


@dataclass(frozen=True)
class LayerRow:
    """A layer on the accelerator."""

    network: str
    name: str
    geometry: str
    repeats: int
    coefficient_density: float
    activation_density: float
    cycles: int
    utilisation: float
    balance: float
    bound_by: str


LAYER_COLUMNS = (
    Column("network", "network", str, left=True),
    Column("name", "layer", str, left=True),
    Column("geometry", "uncompressed", str, left=True),
    Column("repeats", "times", integer),
    Column("coefficient_density", "T", share, "%"),
    Column("activation_density", "a", share, "%"),
    Column("cycles", "cycles", integer),
    Column("utilisation", "bound / cycles", _THOUSANDTHS),
    Column("balance", "balanced / cycles", _THOUSANDTHS),
    Column("bound_by", "bound by", str, left=True),
)


def layer_rows(networks: Sequence[Network]) -> list[LayerRow]:
    """A row a layer."""
    return [
        LayerRow(
            network=network.workload.name,
            name=layer.name,
            geometry=layer.geometry,
            repeats=layer.repeats,
            coefficient_density=layer.coefficient_density,
            activation_density=layer.activation_density,
            cycles=layer.own.cycles,
            utilisation=layer.own.utilisation,
            balance=layer.own.balance,
            bound_by=max(layer.own.limited_by, key=lambda resource: layer.own.limited_by[resource]).value,
        )
        for network in networks
        for layer in network.layers
    ]


def loss_columns(networks: Sequence[Network]) -> tuple[Column, ...]:
    """The network, then what any of them loses a thousandth to."""
    shown = [s for s in Share if any(network.own.shares()[s] >= 0.001 for network in networks)]
    return (Column("network", "network", str, left=True), *(Column(s.name, s.value, share, "%") for s in shown))


def loss_rows(networks: Sequence[Network]) -> list[SimpleNamespace]:
    """Where each network's cycles go: an attribute for each column."""
    return [
        SimpleNamespace(network=network.workload.name, **{s.name: part for s, part in network.own.shares().items()})
        for network in networks
    ]


def _machine(machine: Machine | None) -> dict[str, float] | None:
    if machine is None:
        return None
    return {"cycles": machine.cycles, "energy_pj": machine.energy.total, "energy_on_chip_pj": machine.energy.on_chip}


def _network_document(network: Network, config: Accelerator) -> dict[str, Any]:
    chosen = {baseline.name: network.machine(baseline.name) for baseline in BASELINES}
    at_area = {baseline.name: network.machine(baseline.name, equal_area=True) for baseline in BASELINES}
    energy = {OURS: network.own_energy} | {name: machine.energy for name, machine in chosen.items() if machine}
    return {
        "name": network.workload.name,
        "title": network.workload.title,
        "drawn": network.workload.drawn,
        "images": network.size.value,
        "config": config.name,
        "multipliers": config.multipliers,
        "dense_multiplications": network.dense_multiplications,
        "cycles": network.own.cycles,
        "bound": network.own.bound_cycles,
        "utilisation": network.own.utilisation,
        "balanced": network.own.balanced_cycles,
        "balance": network.own.balance,
        "losses": {s.value: part for s, part in network.own.shares().items()},
        "assumption": network.assumption.value,
        "speedup": {name: machine.speedup for name, machine in chosen.items() if machine},
        "speedup_equal_area": {name: machine.speedup for name, machine in at_area.items() if machine},
        "speedup_by_terms": {key: machine.speedup for key, machine in network.machines.items()},
        "energy": {
            name: {
                "picojoules": breakdown.total,
                "on_chip_picojoules": breakdown.on_chip,
                "parts": breakdown.picojoules,
            }
            for name, breakdown in energy.items()
        },
        "layers": [
            {
                "name": layer.name,
                "geometry": layer.geometry,
                "repeats": layer.repeats,
                "cycles": layer.own.cycles,
                "bound": layer.own.bound_cycles,
                "balanced": layer.own.balanced_cycles,
                "losses": {s.value: part for s, part in layer.own.shares().items()},
            }
            for layer in network.layers
        ],
        "left_out": [
            {"name": left.name, "kind": left.kind, "reason": left.reason} for left in network.workload.left_out
        ],
    }


def geomeans(networks: Sequence[Network]) -> dict[str, dict[str, float | None]]:
    """Geometric means of the speed-ups over each rival: of all networks, by the size of their images, by source."""
    groups = {
        "all": list(networks),
        **{size.value: [n for n in networks if n.size is size] for size in ImageSize},
        "measured": [n for n in networks if not n.workload.drawn],
        "drawn": [n for n in networks if n.workload.drawn],
    }
    return {
        name: {baseline.name: geomean(speedups(members, baseline.name).values()) for baseline in BASELINES}
        for name, members in groups.items()
        if members
    }


def document_of(networks: Sequence[Network], config: Accelerator, provenance: dict[str, Any]) -> dict[str, Any]:
    """evaluate.json."""
    return {
        **provenance,
        "networks": [_network_document(network, config) for network in networks],
        "geomeans": geomeans(networks),
    }
