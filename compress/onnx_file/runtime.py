"""Whether the module that was made of an ONNX file computes what ONNX Runtime computes of the file itself.

Both have the same random weights: those of the module are drawn as for every comparison, and written into the file's
network in memory. ONNX Runtime has the file's own version of the operators, and computes with 32 bits.
"""

from collections.abc import Sequence

import numpy as np
import onnx.helper
import onnx.numpy_helper
import onnxruntime
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.compress.onnx_file.file import OnnxFile, read_onnx
from penni_escalate.compress.onnx_file.network import OnnxNetwork
from penni_escalate.compress.random_weights import SEED, RandomCopy, equal, telling_batches

#: Largest difference, relative to the largest number of the tensor.
TOLERANCE = 1e-4
#: ONNX Runtime's level of messages that are errors.
_ERRORS = 3


def check_runtime(network: OnnxNetwork, shape: tuple[int, int, int]) -> None:
    """Compare a module with its file, for a batch of one image and one of two.

    Args:
        shape: (channels, height, width) of an image.

    Raises UserError naming the first operator at which they part, or where ONNX Runtime does not run the file.
    """
    with torch.no_grad(), isolate_rng():
        own = RandomCopy(network, network.name)
        batches = telling_batches(own, shape, torch.Generator().manual_seed(SEED))
        file = _with_weights(read_onnx(network.path, network.name), network, own)
        for drawn, _ in batches:
            images = drawn.float().double()
            pairs = zip(_run(file, images, file.results), own.results(images), strict=True)
            if not all(equal(found, wanted, TOLERANCE) for found, wanted in pairs):
                raise UserError(
                    f"Operator '{_first_difference(file, network, own, images)}' of network '{network.name}' does not "
                    f"give in ONNX Runtime what was read of it, found with {len(images)} random images and random "
                    "weights: export this part otherwise, with the operators of docs/operators.md."
                )


def _with_weights(file: OnnxFile, network: OnnxNetwork, own: RandomCopy) -> OnnxFile:
    """The same file, in memory, with the numbers of a copy of its module, which are rounded to what the file holds."""
    state = own.module.state_dict()
    drawn = {name: state[held] for held, name in network.weights.items()}
    for tensor in file.model.graph.initializer:
        if tensor.name in drawn:
            kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            array = np.asarray(drawn[tensor.name].numpy().astype(np.float32).astype(kind), order="C")
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
            drawn[tensor.name].copy_(torch.from_numpy(array.astype(np.float64)))
    return file


def _run(file: OnnxFile, images: Tensor, names: Sequence[str]) -> list[Tensor]:
    """Tensors of these names, of images (N, C, H, W)."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS
    options.intra_op_num_threads = torch.get_num_threads()
    kind = onnx.helper.tensor_dtype_to_np_dtype(file.model.graph.input[0].type.tensor_type.elem_type)
    array = images.numpy().astype(kind)
    # A file for a number of images gets as many, the last one again where there are too few.
    size = file.batch or len(array)
    array = np.concatenate([array, *[array[-1:]] * (-len(array) % size)])
    try:
        session = onnxruntime.InferenceSession(
            file.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        parts = [
            session.run(list(names), {file.input: array[first : first + size]}) for first in range(0, len(array), size)
        ]
    except Exception as error:  # ONNX Runtime has an exception for every kind of failure
        raise UserError(
            f"Network '{file.name}' cannot be run by ONNX Runtime, with which it is compared: {first_line(error)}."
        ) from None
    joined = (np.concatenate(tensors)[: len(images)] for tensors in zip(*parts, strict=True))
    return [torch.from_numpy(tensor.astype(np.float64)) for tensor in joined]


def _first_difference(file: OnnxFile, network: OnnxNetwork, own: RandomCopy, images: Tensor) -> str:
    """The first operator of the module whose result is not the file's."""
    given = own.outputs(images)
    graph = file.model.graph
    known = {name for node in graph.node for name in node.output}
    places = {results[0]: path for path, _, results in network.steps if results[0] in known and path in given}
    held = {one.name for one in graph.output}
    graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in places if name not in held)
    for (_, path), found in zip(places.items(), _run(file, images, list(places)), strict=True):
        if not equal(found, next(given[path]), TOLERANCE):
            return path
    return network.steps[-1][0]
