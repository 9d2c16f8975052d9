"""Tests found where they are written, without importing what needs a simulator."""

import ast
from pathlib import Path


def decorated_tests(path: Path, decorator: str) -> list[str]:
    """Names of the functions or classes of a file with a decorator whose text begins so."""
    return [
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and any(ast.unparse(found).startswith(decorator) for found in node.decorator_list)
    ]
