"""Reading an ONNX file: what it must be, and the form in which the rest of this folder gets it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.checker
import onnx.inliner
import onnx.numpy_helper
import onnx.version_converter
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper
from onnx.external_data_helper import uses_external_data

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.common.files import read_plain_file
from penni_escalate.common.shown import shown

#: Version of ONNX's operators to which every file is brought.
OPSET = 20
#: Bytes of a file; protobuf reads no more.
_FILE = 1 << 31
#: Types of floating-point numbers, all of which become PyTorch's.
FLOATING = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
#: Sides of images with the channels last, in the order in which they have them first; and back.
_FIRST, _LAST = [0, 3, 1, 2], [0, 2, 3, 1]
#: Operators that compute with each number alone.
_ON_EACH = ("Add", "BatchNormalization", "Cast", "Div", "Identity", "Mul", "Sub")


@dataclass(frozen=True)
class OnnxFile:
    """A file's network.

    Attributes:
        name: the network's, in sentences.
        path: of the file.
        model: with the file's version of the operators. It has no functions; constants are initializers, and no two
            nodes read the same one of floating-point numbers.
        input: name of the image's tensor.
        batch: images of a batch, where the file has their number written into it; None where it takes any.
        sides: channels, height and width; None where the file takes any.
    """

    name: str
    path: Path
    model: ModelProto
    input: str
    batch: int | None
    sides: tuple[int | None, int | None, int | None]

    @property
    def results(self) -> list[str]:
        """Names of what the network gives."""
        return [one.name for one in self.model.graph.output]

    def converted(self) -> ModelProto:
        """The same in version OPSET of the operators, as ONNX's own converter brings it there."""
        versions = [entry.version for entry in self.model.opset_import if entry.domain in ("", "ai.onnx")]
        if versions == [OPSET]:
            return self.model
        try:
            model = onnx.version_converter.convert_version(self.model, OPSET)
        except Exception as error:  # the converter raises RuntimeError, and what its adapters raise
            raise UserError(
                f"Network '{self.name}' has version {versions[0] if versions else 'unknown'} of ONNX's operators, and "
                f"its conversion to {OPSET} fails ({first_line(error)}): export it again with opset_version={OPSET}."
            ) from None
        _plain_constants(model.graph)
        return model


def read_onnx(path: Path, name: str) -> OnnxFile:
    """The network in a file.

    Raises UserError where it cannot be read, is damaged, or does not take one image.
    """
    where = f"Network '{name}'"
    try:
        model = onnx.load_model_from_string(read_plain_file(path, _FILE))
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror or error}.") from None
    except Exception:  # protobuf's DecodeError
        raise UserError(f"{where} is damaged, or no ONNX file: export or copy it again.") from None
    if not model.graph.node:
        raise UserError(f"{where} is damaged, or no ONNX file: it has no operators.")
    if model.graph.sparse_initializer:
        raise UserError(f"{where} has weights in ONNX's sparse form: export it with dense ones.")
    _load_weights(model, path, where)
    try:
        onnx.checker.check_model(model)
        model = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # the checker's ValidationError, and what protobuf raises
        raise UserError(f"{where} is no valid ONNX file: {first_line(error)}.") from None
    _plain_constants(model.graph)
    _apart(model.graph)
    image = _image(model.graph, where)
    _channels_first(model.graph, image, where)
    return OnnxFile(name, path, model, image.name, *_sizes(image, where))


def weight_files(base: Path, name: str) -> list[Path]:
    """Files from the folder ``base`` in which a network's weights lie, beside its own; none where it is damaged."""
    try:
        model = onnx.load_model(base / name, load_external_data=False)
    except Exception:  # OSError, and protobuf's DecodeError
        return []
    return [Path(name).parent / location for location in _locations(model)]


def _locations(model: ModelProto) -> list[str]:
    """Names of the files beside the model that have weights, in their order."""
    found = [
        entry.value
        for tensor in model.graph.initializer
        if uses_external_data(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    ]
    return list(dict.fromkeys(found))


def _load_weights(model: ModelProto, path: Path, where: str) -> None:
    """Read the weights that lie in files of their own, beside the model."""
    files = _locations(model)
    for name in files:
        if not (path.parent / name).is_file():
            raise UserError(f"{where} has weights in a file {shown(name)} that is not beside it: copy both together.")
    try:
        onnx.load_external_data_for_model(model, str(path.absolute().parent))
    except Exception as error:  # the checker's ValidationError, OSError, ValueError where a file is too short
        raise UserError(
            f"{where} has weights in {', '.join(map(shown, files))} that cannot be read ({first_line(error)}): copy or "
            "export both files again."
        ) from None


def _image(graph: GraphProto, where: str) -> onnx.ValueInfoProto:
    held = {tensor.name for tensor in graph.initializer}
    inputs = [one for one in graph.input if one.name not in held]
    if len(inputs) != 1:
        listed = ", ".join(shown(one.name) for one in inputs)
        raise UserError(f"{where} has {len(inputs)} inputs ({listed or 'none'}): it must have one, the image.")
    (image,) = inputs
    kind = image.type.tensor_type
    if not image.type.HasField("tensor_type") or kind.elem_type not in FLOATING:
        raise UserError(f"{where} takes something else than floating-point numbers: export it for a real-valued image.")
    if kind.HasField("shape") and len(kind.shape.dim) != 4:
        raise UserError(
            f"{where} takes tensors of {len(kind.shape.dim)} dimensions: it must take images, (N, channels, height, "
            "width)."
        )
    return image


def _sizes(image: onnx.ValueInfoProto, where: str) -> tuple[int | None, tuple[int | None, int | None, int | None]]:
    """Images of a batch, and sides of an image; None: any."""
    kind = image.type.tensor_type
    if not kind.HasField("shape"):
        return None, (None, None, None)
    batch, channels, height, width = (dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
    if any(side is not None and side < 1 for side in (batch, channels, height, width)):
        raise UserError(f"{where} takes images of no size: export it again.")
    return batch, (channels, height, width)


def _channels_first(graph: GraphProto, image: onnx.ValueInfoProto, where: str) -> None:
    """Turns the image where the network takes its channels last, as exporters of TensorFlow write it.

    Such a network turns it itself before anything else. Raises UserError where it first computes with it.
    """
    readers = [node for node in graph.node if image.name in node.input]
    turning = [node for node in readers if _turns_to_channels_first(node)]
    if not turning:
        if _turned_later(graph, readers):
            raise UserError(
                f"{where} takes images with the channels last, and computes with them before it turns them: export it "
                "for images with the channels first, as tf2onnx does with --inputs-as-nchw."
            )
        return
    others = [node for node in readers if node not in turning]
    names = {node.output[0] for node in turning}
    if not names.isdisjoint(one.name for one in graph.output):
        return
    back = helper.make_node("Transpose", [image.name], [_unused(graph, f"{image.name}_turned")], perm=_LAST)
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in names:
                node.input[place] = image.name
            elif name == image.name:
                node.input[place] = back.output[0]
    left = [node for node in graph.node if node not in turning]
    del graph.node[:]
    graph.node.extend([back, *left] if others else left)
    dims = image.type.tensor_type.shape.dim
    if dims:
        turned = [dims[place] for place in _FIRST]
        copies = [onnx.TensorShapeProto.Dimension.FromString(dim.SerializeToString()) for dim in turned]
        del dims[:]
        dims.extend(copies)


def _turned_later(graph: GraphProto, readers: list[NodeProto]) -> bool:
    """Whether a result of these operators is turned after nothing but arithmetic on each number."""
    while readers:
        names = {name for node in readers if node.op_type in _ON_EACH for name in node.output}
        readers = [node for node in graph.node if not names.isdisjoint(node.input)]
        if any(map(_turns_to_channels_first, readers)):
            return True
    return False


def _turns_to_channels_first(node: NodeProto) -> bool:
    return node.op_type == "Transpose" and any(list(one.ints) == _FIRST for one in node.attribute if one.name == "perm")


def _unused(graph: GraphProto, name: str) -> str:
    """A name that no tensor has."""
    names = {one for node in graph.node for one in (*node.input, *node.output)}
    return next(found for found in (name, *(f"{name}_{n}" for n in range(2, len(names) + 3))) if found not in names)


def _plain_constants(graph: GraphProto) -> None:
    """Makes initializers of constants, however they are written, and of other names for them."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    results = {one.name for one in graph.output}
    left = []
    for node in graph.node:
        tensor = _constant(node, held)
        if tensor is None or node.output[0] in results:
            left.append(node)
            continue
        made = graph.initializer.add()
        made.CopyFrom(tensor)
        made.name = node.output[0]
        held[made.name] = made
    del graph.node[:]
    graph.node.extend(left)
    # Old files list initializers among the inputs as well.
    inputs = [one for one in graph.input if one.name not in held]
    del graph.input[:]
    graph.input.extend(inputs)


def _constant(node: NodeProto, held: dict[str, TensorProto]) -> TensorProto | None:
    if node.op_type == "Identity" and node.input[0] in held:
        return held[node.input[0]]
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
        return None
    (attribute,) = node.attribute
    match attribute.name:
        case "value":
            return attribute.t
        case "value_float":
            return onnx.numpy_helper.from_array(np.array(attribute.f, np.float32))
        case "value_floats":
            return onnx.numpy_helper.from_array(np.array(attribute.floats, np.float32))
        case "value_int":
            return onnx.numpy_helper.from_array(np.array(attribute.i, np.int64))
        case "value_ints":
            return onnx.numpy_helper.from_array(np.array(attribute.ints, np.int64))
    return None


def _apart(graph: GraphProto) -> None:
    """Gives every node weights of its own: exporters write equal ones once, for layers that have nothing in common."""
    held = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type in FLOATING}
    uses: Counter[str] = Counter()
    names = {tensor.name for tensor in graph.initializer} | {name for node in graph.node for name in node.output}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name not in held:
                continue
            uses[name] += 1
            if uses[name] == 1:
                continue
            other = next(
                found for found in (f"{name}_{n}" for n in range(uses[name], 2 * len(names))) if found not in names
            )
            names.add(other)
            made = graph.initializer.add()
            made.CopyFrom(held[name])
            made.name = other
            node.input[place] = other
