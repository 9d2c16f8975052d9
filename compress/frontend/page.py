"""The page of operators, docs/operators.md, from the table."""

from penni_escalate.compress.frontend.operators import INSTEAD, OPERATORS
from penni_escalate.compress.onnx_file.file import OPSET
from penni_escalate.compress.onnx_file.numbers import NUMBERS
from penni_escalate.compress.onnx_file.operators import CALLS

_HEAD = """# Operators

What a network may consist of, however it is spelt.
[compression.md](compression.md#reading-a-network) says how it is read.
`penni-escalate compress operators` prints this page from the table in `compress/frontend/operators.py`.

## Supported

| written as | becomes | where |
|---|---|---|
"""
_BETWEEN = """
Constants may be computed by any operator: what does not depend on the image is carried out while the network is read.

## Not supported

Anything else is refused, by name and line of code; these have an advice of their own.

| operator | instead |
|---|---|
"""
_ONNX = """
## In ONNX files

Every file is brought to version {version} of ONNX's operators, and these are read, each as a call of PyTorch's.
What becomes of them is in the tables above; what computes numbers of shapes is carried out.

{names}.
"""


def operators_page() -> str:
    """The page."""
    supported = [f"| {entry.written} | {entry.becomes} | {entry.condition} |\n" for entry in OPERATORS]
    # What PyTorch itself makes of an operator has the same advice.
    written = {name: text for name, text in INSTEAD.items() if not name.startswith(("_", "native_"))}
    refused = [f"| `{name.rstrip('_')}` | {text} |\n" for name, text in written.items()]
    names = ", ".join(f"`{name}`" for name in sorted(CALLS.keys() | NUMBERS.keys() | {"Constant"}))
    return "".join([_HEAD, *supported, _BETWEEN, *refused, _ONNX.format(version=OPSET, names=names)])
