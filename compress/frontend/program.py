"""A network as torch.export records it: ATen operators in evaluation mode, for a batch of any size."""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_unflatten

from penni_escalate.common.errors import UserError, first_line

#: Images of the example: more than one, so that an axis of size one is none of the batch.
BATCH = 2
#: Whose lines of code are not the user's: PyTorch's, and those that call it for the operators of a file.
_OTHERS = (Path(torch.__file__).parent, Path(__file__).parents[1] / "onnx_file")


@dataclass(frozen=True)
class Dropout:
    """A dropout: the share of zeros, and whether it takes whole channels."""

    share: float
    channels: bool


@dataclass(frozen=True)
class Program:
    """What torch.export makes of a network, without in-place operations.

    Attributes:
        name: the network's, in sentences.
        network: the user's module, without a wrapper for several devices.
        input_shape: (channels, height, width) of an image.
        module: the graph; parameters and buffers are its inputs.
        parameters: name of the network's parameter or buffer by its input's name.
        constants: tensors that the network's code holds, by their input's name.
        results: places of the network's results among those of the graph, which also gives an image that was changed.
        places: where each result stands in what the network gives, as in ``[0]``, ``['out']`` or ``.out``.
        dropouts: what training drops of the tensors that a node reads, by the node's name.
    """

    name: str
    network: nn.Module
    input_shape: tuple[int, int, int]
    module: fx.GraphModule
    parameters: Mapping[str, str]
    constants: Mapping[str, Tensor]
    results: tuple[int, ...]
    places: tuple[str, ...]
    dropouts: Mapping[str, tuple[Dropout, ...]]

    def state(self, network: nn.Module) -> dict[str, Tensor]:
        """The tensors of this network, or of a copy of it, by the names of the graph's inputs."""
        named: dict[str, Tensor] = dict(network.named_parameters(remove_duplicate=False))
        named |= dict(network.named_buffers(remove_duplicate=False))
        return {place: named[name] for place, name in self.parameters.items()} | dict(self.constants)


def export(network: nn.Module, name: str, input_shape: tuple[int, int, int]) -> Program:
    """Record a network in evaluation mode; its modules keep their modes.

    Args:
        input_shape: (channels, height, width).

    Raises UserError where it does not take such images, or does something that depends on their values or number.
    """
    network = unwrapped(network)
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    example = torch.zeros(BATCH, *input_shape, device=device)
    with _evaluating(network), torch.no_grad(), isolate_rng(), _quiet(), _any_algorithm():
        try:
            program = torch.export.export(network, (example,), dynamic_shapes=({0: Dim("batch", min=2)},), strict=False)
            recorded = program.graph
            if any(_in_place(node) for node in recorded.nodes):
                # Also takes batch norm and dropout apart, and two seconds for a deep network.
                program = program.run_decompositions({})
        except UserError:
            raise
        except Exception as error:  # torch.export raises whatever the network's own code raises, and much of its own
            raise _refused(network, name, example, error) from None
    mutated = list(program.graph_signature.buffers_to_mutate.values())
    if mutated:
        raise UserError(
            f"Network '{name}' changes its buffer '{mutated[0]}' in evaluation: what it computes must depend on the "
            "image alone."
        )
    program.graph.eliminate_dead_code()
    dropped = _dropouts(recorded)
    return Program(
        name=name,
        network=network,
        input_shape=input_shape,
        module=program.graph_module,
        parameters={
            spec.arg.name: str(spec.target)
            for spec in program.graph_signature.input_specs
            if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER)
        },
        constants=_constants(program),
        results=tuple(
            place
            for place, spec in enumerate(program.graph_signature.output_specs)
            if spec.kind is OutputKind.USER_OUTPUT
        ),
        places=_places(program),
        dropouts={node.name: dropped[_origin(node)] for node in program.graph.nodes if _origin(node) in dropped},
    )


def unwrapped(network: nn.Module) -> nn.Module:
    """The module itself, where it is wrapped to be trained on several devices."""
    while isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
        network = network.module
    return network


def path_of(node: fx.Node) -> str:
    """Path of the module that calls a node, '' where that is the network itself."""
    stack = node.meta.get("nn_module_stack") or {}
    path = str(list(stack.values())[-1][0]) if stack else ""
    return "" if path.startswith("_empty_nn_module_stack") else path


def line_of(node: fx.Node) -> str:
    """FILE.py:LINE of the user's code that calls a node, '' where it is not known."""
    frames = [line for line in (node.meta.get("stack_trace") or "").splitlines() if line.lstrip().startswith("File ")]
    for frame in reversed(frames):
        parts = frame.split('"')
        path = Path(parts[1]) if len(parts) == 3 else Path()
        if path.is_absolute() and not any(folder in path.parents for folder in _OTHERS):
            return f"{path.name}:{parts[2].split('line ')[1].split(',')[0]}"
    return ""


def _in_place(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _origin(node: fx.Node) -> str:
    """Name of the recorded node that a node was made from."""
    sources = node.meta.get("from_node") or []
    return str(sources[-1].name) if sources else node.name


def _dropouts(graph: fx.Graph) -> dict[str, tuple[Dropout, ...]]:
    """The dropouts of evaluation mode behind what a node reads, by its name: nothing else is left of them later."""
    behind: dict[fx.Node, tuple[Dropout, ...]] = {}
    found = {}
    for node in graph.nodes:
        before = next((behind[source] for source in node.all_input_nodes if source in behind), ())
        kind = str(node.target).removeprefix("aten.").split(".")[0].removesuffix("_")
        if kind in ("dropout", "feature_dropout") and node.args[2] is False:
            behind[node] = (*before, Dropout(float(node.args[1]), kind == "feature_dropout"))
        elif before:
            found[node.name] = before
    return found


def _constants(program: ExportedProgram) -> dict[str, Tensor]:
    held = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.CONSTANT_TENSOR:
            value = program.constants[str(spec.target)]
            assert isinstance(value, Tensor)
            held[spec.arg.name] = value
    return held


def _places(program: ExportedProgram) -> tuple[str, ...]:
    spec = program.call_spec.out_spec
    assert spec is not None
    leaves, _ = tree_flatten_with_path(tree_unflatten(list(range(spec.num_leaves)), spec))
    return tuple(keystr(path) for path, _ in leaves)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, and each module's own mode after it."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def _any_algorithm() -> Iterator[None]:
    """Without the choice of deterministic algorithms: PyTorch takes an interpolation apart for it on some devices."""
    chosen, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(chosen, warn_only=warns)


@contextmanager
def _quiet() -> Iterator[None]:
    """torch.export logs a traceback, and prints a graph, for what it also raises."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _refused(network: nn.Module, name: str, example: Tensor, error: Exception) -> UserError:
    text = str(error)
    alone, together = (_failure(network, images) for images in (example[:1], example))
    if alone is not None and together is not None:
        return UserError(f"Network '{name}' does not take images of shape {tuple(example.shape[1:])}: {alone}.")
    if alone is not together or "specialized" in text or "Constraints violated" in text:
        return UserError(
            f"Network '{name}' has the number of images of a batch written into it: take it from the image, as in "
            "'x.flatten(1)' or 'x.view(x.size(0), -1)', not by 'len(x)' or as a number."
        )
    if "data-dependent" in text:
        return UserError(
            f"Network '{name}' decides by the values of its images or weights: an accelerator computes the same for "
            "every image, so leave out the condition."
        )
    return UserError(f"Network '{name}' cannot be recorded by torch.export: {first_line(error)}.")


def _failure(network: nn.Module, images: Tensor) -> str | None:
    """What PyTorch says where the network does not take these images; it depends on the operator."""
    try:
        network(images)
    except Exception as error:
        return first_line(error)
    return None
