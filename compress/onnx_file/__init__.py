"""Networks in ONNX files: each becomes a PyTorch module, which is read as anybody's and compared with ONNX Runtime."""

from pathlib import Path

from penni_escalate.compress.onnx_file.file import read_onnx
from penni_escalate.compress.onnx_file.network import OnnxNetwork

__all__ = ["OnnxNetwork", "load_network"]


def load_network(path: Path, name: str) -> OnnxNetwork:
    """The network in a file, with the file's weights.

    Args:
        name: the network's, in sentences.

    Raises UserError where it cannot be read.
    """
    return OnnxNetwork(read_onnx(path, name))
