"""Networks in ONNX files: each becomes a PyTorch module, which is read as anybody's and compared with ONNX Runtime."""

from pathlib import Path

from penni_escalate.compress.onnx_file.file import read_onnx
from penni_escalate.compress.onnx_file.network import OnnxNetwork

__all__ = ["OnnxNetwork", "load_network", "read_onnx"]


def load_network(path: Path, name: str, shape: tuple[int, int, int]) -> OnnxNetwork:
    """The network in a file, with the file's weights.

    Args:
        shape: (channels, height, width) of an image.

    Raises UserError where it cannot be read, or does not take such images.
    """
    file = read_onnx(path, name)
    file.shape(shape)
    return OnnxNetwork(file)
