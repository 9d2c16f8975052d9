"""The layers of a network that the generated accelerator can run, through its simulation.

package -> tensors (golden) -> predictions (cycle model) -> simulation -> comparison -> results.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, PACKAGES
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.bound import Bound, bound_of
from penni_escalate.golden.codes import code_dtype
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stream_core import CoreCounter, free_running, output_tensor
from penni_escalate.golden.dense_array import dense_cycles
from penni_escalate.golden.fit import misfit
from penni_escalate.golden.functional import layer_input, run_network, score
from penni_escalate.golden.layers import Convolution, Layer
from penni_escalate.golden.package import Package
from penni_escalate.golden.schedule import passes_of
from penni_escalate.golden.sparsemap import encode
from penni_escalate.tb.base.simulator import Simulator, build, folder_name
from penni_escalate.tb.stream_core.stream_run import (
    Comparison,
    Difference,
    Prediction,
    StreamRun,
    describe,
    overload,
    predict,
    run_batch,
    stream_design,
)

#: Simulator processes that run side by side.
PROCESSES = 2


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes:
        network, configuration: names or paths, as typed.
        layer: one layer's name, or None for all that the accelerator can run.
        images: how many held-out images, drawn by the seed.
        image: one held-out image by its number, instead of drawing.
    """

    network: str
    configuration: str
    package: Package
    config: Accelerator
    simulator: Simulator
    layer: str | None
    images: int
    image: int | None
    seed: int
    waves: bool


@dataclass(frozen=True)
class Mismatch:
    """One image of one layer whose run differs; ``lines`` say how."""

    layer: str
    image: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class LayerResult:
    """One layer over all images; cycles are sums.

    Attributes:
        activation_density: share of the input activations that are not 0.
        compared: output values; z_compared: z values, of the first image.
        counters: summed over images, and over blocks where a block counts.
    """

    layer: Convolution
    passes: int
    activation_density: float
    rtl_cycles: int
    golden_cycles: int
    bound: Bound
    dense_cycles: int
    compared: int
    z_compared: int
    mismatches: int
    cycle_mismatches: int
    counters: dict[str, int]
    block_cycles: int

    @property
    def utilisation(self) -> float:
        """Bound over RTL cycles; 0 where the RTL gave none."""
        return self.bound.cycles / self.rtl_cycles if self.rtl_cycles else 0.0

    @property
    def speedup(self) -> float:
        """Dense array's cycles over RTL cycles."""
        return self.dense_cycles / self.rtl_cycles if self.rtl_cycles else 0.0

    def share(self, counter: BlockCounter) -> float:
        """A block counter as a share of all blocks' cycles."""
        return self.counters[counter.name.lower()] / self.block_cycles if self.block_cycles else 0.0


@dataclass(frozen=True)
class LeftLayer:
    """A layer that the accelerator cannot run, so that golden/ computes it."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class NetworkResult:
    """Everything that was measured.

    Attributes:
        left_to_golden: layers that the accelerator cannot run; none where one layer was asked for.
        score: the network's score on these images with the RTL's outputs in place of the simulated layers' tensors,
            None where a layer that the accelerator can run was not simulated.
        golden_mismatches: outputs in which the cycle model and the functional model differ.
        simulated_cycles, simulation_seconds: clock cycles simulated, and the wall time that they took.
    """

    request: Request
    images: tuple[int, ...]
    layers: tuple[LayerResult, ...]
    left_to_golden: tuple[LeftLayer, ...]
    mismatches: tuple[Mismatch, ...]
    score: float | None
    golden_mismatches: int
    simulated_cycles: int
    simulation_seconds: float
    failed_simulations: int
    folder: Path

    @property
    def ok(self) -> bool:
        """Every run was compared and nothing differs."""
        return (
            not self.mismatches
            and not self.failed_simulations
            and not self.golden_mismatches
            and all(layer.compared > 0 for layer in self.layers)
        )


def find_package(network: str) -> Path:
    """The folder of a network that the repository ships; raises UserError for an unknown one."""
    folder = PACKAGES / network
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in PACKAGES.iterdir() if path.is_dir()))
        raise UserError(f"Network '{network}' is not known: use one of {known}, or the path of a package's folder.")
    return folder


def _overload(layer: Layer, config: Accelerator) -> str | None:
    return overload(config, passes_of(layer, config)) if isinstance(layer, Convolution) else None


def split_layers(package: Package, config: Accelerator) -> tuple[tuple[Convolution, ...], tuple[LeftLayer, ...]]:
    """The layers that the accelerator can run and the bench can hold, and the others, each with its reason."""
    reasons = [(layer, misfit(layer, config) or _overload(layer, config)) for layer in package.layers]
    runs = tuple(layer for layer, reason in reasons if reason is None and isinstance(layer, Convolution))
    left = tuple(LeftLayer(layer.name, layer.kind.value, reason) for layer, reason in reasons if reason is not None)
    return runs, left


def select_layers(
    package: Package, config: Accelerator, name: str | None
) -> tuple[tuple[Convolution, ...], tuple[LeftLayer, ...]]:
    """The layers to simulate, and those left to golden/ because the accelerator cannot run them.

    Args:
        name: one layer's name, or None for all.

    Raises UserError for a layer that is unknown or cannot run, and where no layer can.
    """
    network = package.manifest.network
    runs, left = split_layers(package, config)
    if name is None:
        if not runs:
            raise UserError(
                f"No layer of network '{network}' can run on configuration '{config.name}': "
                f"layer '{left[0].name}': {left[0].reason}."
            )
        return runs, left
    for other in left:
        if other.name == name:
            raise UserError(f"Layer '{name}' does not fit configuration '{config.name}': {other.reason}.")
    chosen = tuple(layer for layer in runs if layer.name == name)
    if not chosen:
        known = ", ".join(layer.name for layer in package.layers)
        raise UserError(f"Layer '{name}' is not a layer of network '{network}': use one of {known}.")
    return chosen, ()


def select_images(package: Package, count: int, image: int | None, seed: int) -> tuple[int, ...]:
    """Numbers of the held-out images to use; raises UserError where there are not as many."""
    held = len(package.images)
    if image is not None:
        if not 0 <= image < held:
            raise UserError(f"IMAGE is {image}: it must be in 0..{held - 1}, the package's held-out images.")
        return (image,)
    if not 1 <= count <= held:
        raise UserError(f"IMAGES is {count}: it must be in 1..{held}, the package's held-out images.")
    order = np.random.default_rng(seed).permutation(held)
    return tuple(int(number) for number in order[:count])


@dataclass(frozen=True)
class _Job:
    layer: Convolution
    image: int
    #: Functional model's output codes (OH, OW, K), as bytes.
    expected: np.ndarray
    #: Share of the input that is not 0.
    density: float
    prediction: Prediction


def _predict_all(
    request: Request, layers: tuple[Convolution, ...], images: tuple[int, ...], advance: Callable[[], None]
) -> list[_Job]:
    """Cycle model of every layer and image; a layer's first image is traced to every z."""
    package, config = request.package, request.config
    tensors = run_network(package, package.images[list(images)])

    def job(layer: Convolution, place: int) -> _Job:
        activations = layer_input(layer, tensors)[place]
        passes = passes_of(layer, config)
        sparse = encode(activations, config.group)
        name = f"{layer.name}_image{images[place]}"
        work = StreamRun(name, passes, [sparse] * len(passes), free_running(), trace_z=place == 0)
        prediction = predict(config, work)
        advance()
        density = float(np.count_nonzero(activations) / activations.size)
        return _Job(layer, images[place], tensors[layer.name][place].view(np.uint8), density, prediction)

    with ThreadPoolExecutor(PROCESSES) as pool:
        futures = [pool.submit(job, layer, place) for layer in layers for place in range(len(images))]
        return [future.result() for future in futures]


def _golden_mismatches(config: Accelerator, job: _Job) -> int:
    """Outputs in which the cycle model differs from the functional model; channels beyond K must be 0."""
    kernels = job.layer.geometry.kernels
    outputs = output_tensor(job.prediction.trace.outputs, job.prediction.run.passes, config)
    return int(np.count_nonzero(outputs[..., :kernels] != job.expected) + np.count_nonzero(outputs[..., kernels:]))


def run_request(
    request: Request,
    begin: Callable[[str, int], Callable[[], None]],
) -> NetworkResult:
    """Do what the user asked for.

    Args:
        begin: called with a step's name and its number of parts, returns what to call after each part.
    """
    config = request.config
    layers, left = select_layers(request.package, config, request.layer)
    images = select_images(request.package, request.images, request.image, request.seed)
    design = stream_design(config, BUILD / "rtl" / folder_name(config), waves=request.waves)
    built = begin(f"building {config.name} under {request.simulator}", 1)
    predicted = begin("cycle model", len(layers) * len(images))
    with ThreadPoolExecutor(1) as builder:
        building = builder.submit(build, design, request.simulator)
        jobs = _predict_all(request, layers, images, predicted)
        building.result()
    built()

    # Longest runs first, dealt to the processes in turn, so that these end together.
    order = sorted(range(len(jobs)), key=lambda n: -jobs[n].prediction.trace.cycles)
    processes = 1 if design.waves else PROCESSES
    lots = [order[n::processes] for n in range(processes)]
    simulated = begin("simulation", len(jobs))
    folder = BUILD / "work" / f"{request.package.manifest.network}_{folder_name(config)}_{request.simulator}"
    comparisons: list[Comparison | None] = [None] * len(jobs)
    failed = 0
    start = time.perf_counter()
    with ThreadPoolExecutor(processes) as pool:
        futures = {}
        for n, lot in enumerate(lots):
            if lot:
                predictions = [jobs[place].prediction for place in lot]
                futures[
                    pool.submit(
                        run_batch,
                        design,
                        request.simulator,
                        predictions,
                        folder / f"process{n}",
                        request.seed,
                        simulated,
                    )
                ] = lot
        for future, lot in futures.items():
            outcome, results = future.result()
            failed += outcome.failed
            for place, comparison in zip(lot, results, strict=True):
                comparisons[place] = comparison
    seconds = time.perf_counter() - start
    done = [(job, comparison) for job, comparison in zip(jobs, comparisons, strict=True) if comparison is not None]
    return NetworkResult(
        request=request,
        images=images,
        layers=tuple(_summarise(config, layer, [x for x in done if x[0].layer is layer]) for layer in layers),
        left_to_golden=left,
        mismatches=tuple(_mismatches(done)),
        score=_score(request, images, done),
        golden_mismatches=sum(_golden_mismatches(config, job) for job in jobs),
        simulated_cycles=sum(comparison.rtl_cycles for _, comparison in done),
        simulation_seconds=seconds,
        failed_simulations=failed,
        folder=folder,
    )


def _summarise(config: Accelerator, layer: Convolution, done: list[tuple[_Job, Comparison]]) -> LayerResult:
    blocks = sum(
        (comparison.block_counters.sum(axis=0) for _, comparison in done), np.zeros(len(BlockCounter), np.int64)
    )
    core = sum((comparison.core_counters for _, comparison in done), np.zeros(len(CoreCounter), np.int64))
    counters = {counter.name.lower(): int(blocks[counter]) for counter in BlockCounter}
    counters |= {counter.name.lower(): int(core[counter]) for counter in CoreCounter}
    multipliers = config.blocks * config.rows * config.taps
    return LayerResult(
        layer=layer,
        passes=len(done[0][0].prediction.run.passes),
        activation_density=float(np.mean([job.density for job, _ in done])),
        rtl_cycles=int(core[CoreCounter.CYCLES]),
        golden_cycles=sum(int(job.prediction.trace.core_counters[CoreCounter.CYCLES]) for job, _ in done),
        bound=bound_of(
            config,
            layer.rows_used,
            int(blocks[BlockCounter.TAKEN]),
            int(blocks[BlockCounter.PRODUCTS]),
            int(core[CoreCounter.BEATS]),
        ),
        dense_cycles=len(done) * dense_cycles(layer.geometry, multipliers),
        compared=sum(comparison.values for _, comparison in done),
        z_compared=sum(comparison.z for _, comparison in done),
        mismatches=sum(comparison.value_mismatches for _, comparison in done),
        cycle_mismatches=sum(comparison.cycle_mismatches for _, comparison in done),
        counters=counters,
        block_cycles=config.blocks * int(core[CoreCounter.CYCLES]),
    )


def _mismatches(done: list[tuple[_Job, Comparison]]) -> list[Mismatch]:
    return [
        Mismatch(job.layer.name, job.image, tuple(map(describe_in_layer(job.prediction), comparison.differences)))
        for job, comparison in done
        if not comparison.ok
    ]


def describe_in_layer(prediction: Prediction) -> Callable[[Difference], str]:
    """How to say a difference in the layer's terms: row, column, output channel."""
    blocks = len(prediction.run.passes[0].bias)

    def place(number: int, row: int, column: int, channel: int) -> str:
        return f"row {row}, column {column}, channel {number * blocks + channel}"

    return lambda difference: describe(difference, place)


def _score(request: Request, images: tuple[int, ...], done: list[tuple[_Job, Comparison]]) -> float | None:
    """The network's score with the RTL's outputs; None where something that the accelerator can run did not."""
    outputs = {(job.layer.name, job.image): _codes(request.config, job, comparison) for job, comparison in done}
    runs, _ = split_layers(request.package, request.config)
    if set(outputs) != {(layer.name, image) for layer in runs for image in images}:
        return None
    replace = {layer.name: np.stack([outputs[layer.name, image] for image in images]) for layer in runs}
    return score(request.package, images, replace)


def _codes(config: Accelerator, job: _Job, comparison: Comparison) -> np.ndarray:
    """The RTL's output codes (OH, OW, K)."""
    outputs = output_tensor(comparison.outputs, job.prediction.run.passes, config)
    return outputs[..., : job.layer.geometry.kernels].view(code_dtype(job.layer.signed_out))
