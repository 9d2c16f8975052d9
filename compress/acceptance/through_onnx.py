"""A network by way of an ONNX file: what PyTorch's exporter writes of it is read again."""

import logging
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import torch
from torch import nn

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.compress.onnx_file import OnnxNetwork, load_network

#: Versions of the operators that are written, in turn.
VERSIONS = (18, 20, 22, 24)


def through_onnx(network: nn.Module, name: str, shape: tuple[int, int, int], folder: Path, seed: int) -> OnnxNetwork:
    """Write a network to FOLDER/NAME.onnx and read it again.

    Args:
        shape: (channels, height, width) of an image.
        seed: chooses the version, and whether the file is for any number of images or has one written into it.

    Raises UserError where it cannot be written or read.
    """
    path = folder / f"{name}.onnx"
    version, free = VERSIONS[seed % len(VERSIONS)], seed // len(VERSIONS) % 2 == 0
    images = torch.zeros(2 if free else 1, *shape)
    sizes = ({0: torch.export.Dim("images", min=2)},) if free else None
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network.eval(), (images,), path, dynamo=True, opset_version=version, dynamic_shapes=sizes,
                verbose=False, external_data=seed % 3 == 0,
            )  # fmt: skip
    except ModuleNotFoundError as error:
        raise UserError(f"PyTorch writes ONNX files with the package '{error.name}': install it.") from None
    except Exception as error:  # what the exporter raises for an operator that it does not know
        raise UserError(f"PyTorch does not write '{name}' as ONNX {version}: {first_line(error)}.") from None
    finally:
        logging.disable(logging.NOTSET)
    return load_network(path, name)
