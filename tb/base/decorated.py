"""Tests found where they are written, without importing what needs a simulator."""

import ast
from pathlib import Path


def decorated_tests(path: Path, package: str) -> list[str]:
    """Names of the functions or classes of a file that the package's ``test`` decorates."""
    return [
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and any(ast.unparse(decorator).startswith(f"{package}.test") for decorator in node.decorator_list)
    ]
