"""The network of an ONNX file as a PyTorch module: its operators are calls of PyTorch's, its weights parameters."""

from collections.abc import Iterator, Mapping
from itertools import chain, count
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.shape_inference
import torch
from onnx import GraphProto, TensorProto
from torch import Tensor, nn

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.compress.frontend.operators import instead_of
from penni_escalate.compress.frontend.reader import Problem, RefusedError, UnsupportedError
from penni_escalate.compress.frontend.refused import refused
from penni_escalate.compress.onnx_file.call import Call
from penni_escalate.compress.onnx_file.file import FLOATING, OnnxFile, read_onnx
from penni_escalate.compress.onnx_file.numbers import NUMBERS
from penni_escalate.compress.onnx_file.operators import CALLS, TRAINED

#: What PyTorch calls the operators of ONNX that no layer is, where there is an advice for them.
ALSO_CALLED = {
    "Attention": "scaled_dot_product_attention",
    "Celu": "celu",
    "ConvTranspose": "conv_transpose2d",
    "Elu": "elu",
    "Gelu": "gelu",
    "GroupNormalization": "group_norm",
    "HardSigmoid": "hardsigmoid",
    "HardSwish": "hardswish",
    "InstanceNormalization": "instance_norm",
    "LayerNormalization": "layer_norm",
    "LeakyRelu": "leaky_relu",
    "LpPool": "lp_pool2d",
    "Mish": "mish",
    "PRelu": "prelu",
    "Selu": "selu",
    "Softplus": "softplus",
    "Tanh": "tanh",
}
#: Operators that hand on what they read, as far as it is a weight.
_HANDING_ON = ("Cast", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


class OnnxNetwork(nn.Module):
    """Computes a file's network in evaluation mode; each operator is a module, called as in the file.

    Attributes:
        name: in sentences.
        path: of the file.
        sides: channels, height and width of the images; None where it takes any.
        weights: name in the file of a parameter or buffer, by its name.
        steps: of every operator, in order, its module's name, and the file's names of what it reads and gives.
    """

    def __init__(self, file: OnnxFile) -> None:
        """Raises UserError where the file's operators cannot be brought to the version that is read, or is damaged."""
        super().__init__()
        self.name, self.path, self.sides = file.name, file.path, file.sides
        graph = file.converted().graph
        self.weights: dict[str, str] = {}
        self._numbers: dict[str, np.ndarray] = {}
        self._input = file.input
        self._results = [one.name for one in graph.output]
        self._take(graph)
        self.steps = list(self._make(graph, file.batch))

    def forward(self, images: Tensor) -> Any:
        """The result of images (N, C, H, W); several are a tuple.

        Raises UserError for images of another size than the file's.
        """
        if any(side not in (None, given) for side, given in zip(self.sides, images.shape[1:], strict=True)):
            sides, wrong = (
                " x ".join("any" if side is None else str(side) for side in shape)
                for shape in (self.sides, images.shape[1:])
            )
            raise UserError(
                f"Network '{self.name}' takes images of {sides}, and not of {wrong}, channels, height and width: give "
                "it such images, or export it for others."
            )
        values: dict[str, Any] = {"": None, **self._numbers, self._input: images}
        values |= {name: getattr(self, held) for held, name in self.weights.items()}
        shapes: dict[str, list[Any]] = {}
        for path, sources, results in self.steps:
            given = [values[source] for source in sources]
            found = self.get_submodule(path)(*given)
            if isinstance(found, RefusedError):
                error, shapes = found, shapes or self._inferred(images)
                read = [one for one in given if isinstance(one, Tensor)]
                if not read or any(name not in shapes for name in results):
                    raise UnsupportedError(self.name, self._problems(path, error))
                found = [self.get_submodule(path)(*read, refused=(shapes[name], error)) for name in results]
            outputs = found if isinstance(found, list | tuple) else [found]
            values |= dict(zip(results, outputs, strict=False))
        end = [values[name] for name in self._results]
        return end[0] if len(end) == 1 else tuple(end)

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(channels, height, width) of the images; None where the file does not say it."""
        channels, height, width = self.sides
        known = channels is not None and height is not None and width is not None
        return (channels, height, width) if known else None  # type: ignore[return-value]

    def _take(self, graph: GraphProto) -> None:
        """Initializers: parameters where they are trained, buffers where they are statistics, else plain numbers."""
        trained = _read_at(graph, TRAINED)
        products = {node.output[0] for node in graph.node if node.op_type in ("Conv", "MatMul")}
        for node in graph.node:
            if node.op_type == "Add" and not products.isdisjoint(node.input):
                # A bias; what is no weight of the file is not asked for.
                trained |= set(node.input)
        for node in reversed(graph.node):
            if node.op_type in _HANDING_ON and node.output[0] in trained:
                trained.add(node.input[0])
        needed = {name for node in graph.node for name in node.input} | set(self._results)
        means, variances = (_read_at(graph, {"BatchNormalization": (place,)}) for place in (3, 4))
        for tensor in graph.initializer:
            if tensor.name not in needed:
                continue
            array = self._array(tensor)
            if tensor.data_type not in FLOATING or tensor.name not in trained | means | variances:
                self._numbers[tensor.name] = array
                continue
            value = torch.from_numpy(array.astype(np.float32))
            # As batch norm calls it: it is never below 0.
            ending = ".running_var" if tensor.name in variances else ""
            held = self._unused(tensor.name + ending)
            if tensor.name in trained:
                self.register_parameter(held, nn.Parameter(value))
            else:
                self.register_buffer(held, value)
            self.weights[held] = tensor.name

    def _array(self, tensor: TensorProto) -> np.ndarray:
        try:
            return onnx.numpy_helper.to_array(tensor)
        except Exception as error:  # what NumPy raises for too few bytes
            raise UserError(
                f"Network '{self.name}' is damaged: weight '{tensor.name}' cannot be read ({first_line(error)})."
            ) from None

    def _make(self, graph: GraphProto, batch: int | None) -> Iterator[tuple[str, list[str], list[str]]]:
        """A module for each operator: its name, what it reads and what it gives."""
        for node in graph.node:
            name = self._unused(node.name or node.output[0])
            attributes = {one.name: _value(one) for one in node.attribute}
            self.add_module(name, _Operator(Call(node.op_type, attributes, len(node.output), batch)))
            yield name, list(node.input), list(node.output)

    def _unused(self, text: str) -> str:
        """A name that no module or tensor has, as near to this text as PyTorch permits."""
        text = text.strip("/").replace(".", "_") or "operator"
        return next(name for name in chain([text], (f"{text}_{n}" for n in count(2))) if not hasattr(self, name))

    def _inferred(self, images: Tensor) -> dict[str, list[Any]]:
        """Shapes of the tensors of the file, as far as ONNX tells them, for these images."""
        model = read_onnx(self.path, self.name).converted()
        sides = model.graph.input[0].type.tensor_type.shape
        written = sides.dim[0].dim_value if sides.dim else 0
        del sides.dim[:]
        sides.dim.add().dim_param = "images"
        for side in images.shape[1:]:
            sides.dim.add().dim_value = int(side)
        del model.graph.value_info[:]
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        shapes = {}
        for one in (*graph.value_info, *graph.output):
            first, *rest = one.type.tensor_type.shape.dim or [None]
            of_images = first is not None and (first.dim_param == "images" or first.dim_value == written)
            if of_images and all(dim.HasField("dim_value") for dim in rest):
                shapes[one.name] = [images.shape[0], *(dim.dim_value for dim in rest)]
        return shapes

    def _problems(self, path: str, error: RefusedError) -> list[Problem]:
        """One operation that is refused, and all others of which that is sure without a size."""
        found = []
        for name, *_ in self.steps:
            node = self.get_submodule(name)
            assert isinstance(node, _Operator)
            if name == path or node.call.kind not in CALLS:
                why = error if name == path else _unknown(node.call.kind)
                found.append(Problem(name, "", why.why, why.instead))
        return found


class _Operator(nn.Module):
    """An operator."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    def forward(self, *given: Any, refused: tuple[list[Any], RefusedError] | None = None) -> Any:
        """What it gives; a RefusedError where PyTorch has no call for it, which torch.export would not let pass."""
        if refused is not None:
            return _stand_in(given, *refused)
        kind = self.call.kind
        if kind in NUMBERS and not any(isinstance(one, Tensor) for one in given):
            return NUMBERS[kind](self.call, *given)
        if kind not in CALLS:
            return _unknown(kind)
        try:
            return CALLS[kind](self.call, *given)
        except RefusedError as error:
            return error


def _stand_in(given: tuple[Any, ...], shape: list[Any], error: RefusedError) -> Tensor:
    return refused(given, shape, error.why, error.instead)


def _unknown(kind: str) -> RefusedError:
    name = ALSO_CALLED.get(kind, kind)
    return RefusedError(f"is a call of '{name}'", instead_of(name))


def _read_at(graph: GraphProto, places: Mapping[str, tuple[int, ...]]) -> set[str]:
    """Names of what operators read at these places."""
    return {
        node.input[place]
        for node in graph.node
        for place in places.get(node.op_type, ())
        if place < len(node.input) and node.input[place]
    }


def _value(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    return onnx.numpy_helper.to_array(value) if isinstance(value, TensorProto) else value
