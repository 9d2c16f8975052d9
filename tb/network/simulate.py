"""The layers of a network that the generated accelerator can run, through its simulation.

package -> predictions (golden) -> simulation -> comparison -> results.
"""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD
from penni_escalate.common.shared_folder import keyed, locked
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.clusters import layer_outputs
from penni_escalate.golden.codes import code_dtype
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.figures import LayerFigures, layer_figures
from penni_escalate.golden.fit import core_form, unsupported_reason
from penni_escalate.golden.functional import scores
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import Layer
from penni_escalate.golden.package import Package
from penni_escalate.golden.prediction import LayerRun, predict_runs
from penni_escalate.golden.schedule import dealt_passes
from penni_escalate.golden.selection import HostLayer, select_images, select_layers, split_layers
from penni_escalate.tb.base.simulator import PERIOD_PS, Simulator, build, folder_name
from penni_escalate.tb.stream_core.diagnosis import Diagnosis, diagnose, first_difference
from penni_escalate.tb.stream_core.stream_run import (
    CLUSTERS,
    CORE,
    Comparison,
    Difference,
    Prediction,
    StreamRun,
    describe,
    exceeds_bench_memory,
    run_batch,
    stream_design,
    to_replay,
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
    """One image of one layer whose run differs.

    Attributes:
        lines: how it differs.
        first: when it first did, in the simulation that records it; empty where that is not known.
        diagnosis: where the fault may be.
    """

    layer: str
    image: int
    lines: tuple[str, ...]
    first: str
    diagnosis: Diagnosis


@dataclass(frozen=True)
class LayerResult:
    """One layer over all images.

    Attributes:
        rtl: figures from the RTL's counters.
        compared: output values; z_compared: z values, of the first image.
    """

    rtl: LayerFigures
    golden_cycles: int
    compared: int
    z_compared: int
    mismatches: int
    cycle_mismatches: int


@dataclass(frozen=True)
class NetworkResult:
    """Everything that was measured.

    Attributes:
        host_fallback: layers that the accelerator cannot run; none where one layer was asked for.
        scores: of each result by its layer, the main one first, on these images with the RTL's outputs in place of the
            simulated layers' tensors; None where a layer that the accelerator can run was not simulated.
        golden_mismatches: outputs in which the cycle model and the functional model differ.
        simulated_cycles, simulation_seconds: clock cycles simulated, and the wall time that they took.
    """

    request: Request
    images: tuple[int, ...]
    layers: tuple[LayerResult, ...]
    host_fallback: tuple[HostLayer, ...]
    mismatches: tuple[Mismatch, ...]
    scores: dict[str, float] | None
    golden_mismatches: int
    simulated_cycles: int
    simulation_seconds: float
    folder: Path

    @property
    def ok(self) -> bool:
        """Every run was compared and nothing differs."""
        return not self.mismatches and not self.golden_mismatches and all(layer.compared > 0 for layer in self.layers)


def cannot_run(layer: Layer, config: Accelerator) -> str | None:
    """Why the accelerator cannot run a layer, or the bench cannot hold it; None where they can."""
    form = core_form(layer)
    if isinstance(form, str):
        return form
    problem = unsupported_reason(form, config)
    if problem is not None:
        return problem
    problems = (exceeds_bench_memory(config, passes) for passes in dealt_passes(form, config))
    return next((problem for problem in problems if problem), None)


@dataclass(frozen=True)
class _Job:
    """A layer on an image, and what each cluster is predicted to do of it."""

    run: LayerRun
    predictions: tuple[Prediction, ...]

    @property
    def cycles(self) -> int:
        """Of the cluster that takes longest."""
        return max(prediction.trace.cycles for prediction in self.predictions)


def _work_folder(request: Request) -> Path:
    """Where a network's runs are; packages of different folders may have one name."""
    name = f"{request.package.manifest.network}_{folder_name(request.config)}_{request.simulator}"
    return keyed(BUILD / "work" / name, request.package.folder.resolve())


def _predict_all(
    request: Request, layers: tuple[Convolution, ...], images: tuple[int, ...], advance: Callable[[], None]
) -> list[_Job]:
    """Cycle model of every layer and image; a layer's first image is traced to every z."""

    def job(run: LayerRun) -> _Job:
        name, first = f"{run.layer.name}_image{run.image}", run.image == images[0]
        predictions = tuple(
            to_replay(
                request.config,
                StreamRun(name, cluster.passes, cluster.inputs, free_running(), trace_z=first),
                cluster.trace,
            )
            for cluster in run.clusters
        )
        advance()
        return _Job(run, predictions)

    return predict_runs(request.package, request.config, layers, images, job)


def run_request(
    request: Request,
    begin: Callable[[str, int], Callable[[], None]],
) -> NetworkResult:
    """Do what the user asked for.

    Args:
        begin: called with a step's name and its number of parts, returns what to call after each part.

    Raises UserError where a simulation does not come to its end.
    """
    config = request.config
    layers, left = select_layers(request.package, config, request.layer, cannot_run)
    images = select_images(request.package, request.images, request.image, request.seed)
    top = CLUSTERS if config.clusters > 1 else CORE
    design = stream_design(config, BUILD / "rtl" / folder_name(config), top=top, waves=request.waves, long_runs=True)
    built = begin(f"building {config.name} under {request.simulator}", 1)
    predicted = begin("cycle model", len(layers) * len(images))
    with ThreadPoolExecutor(1) as builder:
        building = builder.submit(build, design, request.simulator)
        jobs = _predict_all(request, layers, images, predicted)
        building.result()
    built()

    # Longest runs first, dealt to the processes in turn, so that these end together.
    order = sorted(range(len(jobs)), key=lambda n: -jobs[n].cycles)
    processes = 1 if design.waves else PROCESSES
    lots = [order[n::processes] for n in range(processes)]
    simulated = begin("simulation", len(jobs))
    folder = _work_folder(request)
    comparisons: dict[int, list[Comparison]] = {}
    start = time.perf_counter()
    with ThreadPoolExecutor(processes) as pool:
        futures = {}
        for unused in set(folder.glob("process*")) - {folder / f"process{n}" for n, lot in enumerate(lots) if lot}:
            with locked(unused):
                shutil.rmtree(unused, ignore_errors=True)
        for n, lot in enumerate(lots):
            if lot:
                predictions = [prediction for place in lot for prediction in jobs[place].predictions]
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
            if not outcome.ended:
                raise UserError(outcome.unended)
            for number, place in enumerate(lot):
                comparisons[place] = results[number * config.clusters : (number + 1) * config.clusters]
    seconds = time.perf_counter() - start
    # A run by itself, as its repetition is, begins when the first of each process did.
    lone_begin = next((comparisons[lot[0]][0].begin_ps for lot in lots if lot), None)
    done = [(job, comparisons[number]) for number, job in enumerate(jobs)]
    return NetworkResult(
        request=request,
        images=images,
        layers=tuple(_summarise(config, layer, [x for x in done if x[0].run.layer is layer]) for layer in layers),
        host_fallback=left,
        mismatches=tuple(_mismatches(done, lone_begin)),
        scores=_scores(request, images, done),
        golden_mismatches=sum(job.run.model_mismatches for job in jobs),
        simulated_cycles=sum(max(comparison.rtl_cycles for comparison in own) for _, own in done),
        simulation_seconds=seconds,
        folder=folder,
    )


def _summarise(config: Accelerator, layer: Convolution, done: list[tuple[_Job, list[Comparison]]]) -> LayerResult:
    counted = [
        job.run.counted([own.block_counters for own in comparisons], [own.core_counters for own in comparisons])
        for job, comparisons in done
    ]
    every = [comparison for _, comparisons in done for comparison in comparisons]
    return LayerResult(
        rtl=layer_figures(config, layer, counted),
        golden_cycles=sum(max(cluster.cycles for cluster in job.run.clusters) for job, _ in done),
        compared=sum(comparison.values for comparison in every),
        z_compared=sum(comparison.z for comparison in every),
        mismatches=sum(comparison.value_mismatches for comparison in every),
        cycle_mismatches=sum(comparison.cycle_mismatches for comparison in every),
    )


def _mismatches(done: list[tuple[_Job, list[Comparison]]], lone_begin: int | None) -> list[Mismatch]:
    return [
        Mismatch(
            job.run.layer.name,
            job.run.image,
            tuple(map(describe_in_layer(job.run, number), comparison.differences)),
            first_difference(comparison, lone_begin, PERIOD_PS),
            diagnose(comparison.differences, comparison.z == job.predictions[number].trace.z.size),
        )
        for job, comparisons in done
        for number, comparison in enumerate(comparisons)
        if not comparison.ok
    ]


def describe_in_layer(run: LayerRun, cluster: int = 0) -> Callable[[Difference], str]:
    """How to say a difference of one of the clusters in the layer's terms: row, column, output channel."""

    def place(number: int, row: int, column: int, channel: int) -> str:
        work = run.clusters[cluster].passes[number]
        lines, columns = work.tile.lines, work.tile.columns
        # A pass may cut the same pixels into other lines.
        y, x = divmod(row * work.result_width + column, columns.results)
        return f"row {lines.first + y}, column {columns.first + x}, channel {work.first_channel + channel}"

    where = f"cluster {cluster}: " if len(run.clusters) > 1 else ""
    return lambda difference: f"{where}{describe(difference, place)}"


def _scores(
    request: Request, images: tuple[int, ...], done: list[tuple[_Job, list[Comparison]]]
) -> dict[str, float] | None:
    """Each result's score with the RTL's outputs; None where something that the accelerator can run did not."""
    outputs = {(job.run.layer.name, job.run.image): _codes(job, comparisons) for job, comparisons in done}
    runs, _ = split_layers(request.package, request.config, cannot_run)
    if set(outputs) != {(layer.name, image) for layer in runs for image in images}:
        return None
    replace = {layer.name: np.stack([outputs[layer.name, image] for image in images]) for layer in runs}
    return scores(request.package, images, replace)


def _codes(job: _Job, comparisons: list[Comparison]) -> np.ndarray:
    """The RTL's output codes (OH, OW, K), or logits (K,)."""
    layer = job.run.layer
    groups = [comparison.outputs for comparison in comparisons]
    outputs = layer_outputs(job.run.clusters, groups, layer)[..., : layer.geometry.kernels]
    return outputs[0, 0] if layer.logits else outputs.view(code_dtype(layer.signed_out))
