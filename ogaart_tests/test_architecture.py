"""The rules of docs/architecture.md: who may import whom, and where torch is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "ogaart"
FORBIDDEN = {
    "opengameart": ("dagster", "requests", "duckdb", "torch", "ogaart.resources", "ogaart.assets", "ogaart.search"),
    "children": (
        "dagster",
        "ogaart.imaging",
        "ogaart.resources",
        "ogaart.assets",
        "ogaart.search",
        "ogaart.opengameart",
    ),
    "imaging": ("dagster", "requests", "duckdb", "torch", "ogaart.resources", "ogaart.assets", "ogaart.search"),
    "resources": (
        "ogaart.assets",
        "ogaart.search",
        "ogaart.demo",
        "ogaart.cli",
        "ogaart.definitions",
        "ogaart.automation",
    ),
    "assets": ("ogaart.search", "ogaart.demo", "ogaart.cli", "ogaart.definitions", "ogaart.automation"),
    "search": ("ogaart.assets", "ogaart.cli", "ogaart.definitions", "dagster"),
}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_one_way(package: str) -> None:
    broken = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in imports(path)
        for forbidden in FORBIDDEN[package]
        if name == forbidden or name.startswith(f"{forbidden}.")
    ]

    assert broken == []


def test_torch_is_imported_in_the_embedding_worker_only() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] in {"torch", "torchvision"}
    }

    assert users == {"resources/embedding_worker.py"}


def test_modules_say_in_their_first_line_why_they_exist() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) and path.name != "__init__.py"
    ]

    assert silent == []
