"""The rules of docs/architecture.md: one order of layers that imports follow downwards, and where torch is."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ogaart"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("reference",),
    ("cli",),
    ("operations",),
    ("definitions",),
    ("orchestration",),
    ("assets", "search"),
    ("pipeline",),
    ("resources.publications",),
    ("resources.catalog",),
    ("resources.cells", "resources.serving"),
    ("resources.index", "resources.patches"),
    ("resources.platform",),
    ("resources.site", "resources.embedding", "resources.moderation"),
    ("resources.state",),
    ("resources.storage",),
    ("resources.objects",),
    ("sites", "imaging", "demo"),
    ("words",),
    ("likeness",),
    ("workers",),
    ("core", "settings"),
)
"""From the top layer to the lowest: a module imports from its own package or from a lower row."""

PURE = {
    "sites": ("requests", "duckdb", "torch"),
    "imaging": ("dagster", "requests", "duckdb", "torch"),
    "likeness": ("dagster", "requests", "duckdb", "torch"),
    "words": ("dagster", "requests", "duckdb", "torch"),
    "search": ("dagster", "ogaart.pipeline", "ogaart.assets"),
}
"""What a package must not import at all, besides the order."""
MOST_FILES = 25


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; a package's ``__init__`` by the package's."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@dataclass(frozen=True)
class Source:
    """What a file holds, as the rules need it.

    Attributes:
        imported: every module that it names in an import, anywhere; ``from p import m`` counts as ``p.m`` too.
        classes: public classes.
        documented: it begins with a docstring.
    """

    imported: tuple[str, ...]
    classes: tuple[str, ...]
    documented: bool


@cache
def source(path: Path) -> Source:
    """Read a file; each only once, since that is most of what these tests take."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports: list[str] = []
    classes: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            classes.append(node.name)
    return Source(tuple(imports), tuple(classes), bool(ast.get_docstring(tree)))


def imported(path: Path) -> tuple[str, ...]:
    """See ``Source.imported``."""
    return source(path).imported


def unit_of(module: str) -> str | None:
    """The layered unit that a module belongs to: the longest that its name begins with."""
    inside = module.removeprefix("ogaart").removeprefix(".")
    units = [unit for row in LAYERS for unit in row if inside == unit or inside.startswith(f"{unit}.")]
    return max(units, key=len, default=None)


def edges() -> dict[str, set[str]]:
    """Module to modules of the package that it imports."""
    known = modules()
    return {name: {m for m in imported(path) if m in known} - {name} for name, path in known.items()}


def assert_no_circle(graph: Mapping[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cause:
        pytest.fail(f"a circle of imports: {' -> '.join(cause.args[1])}")


def test_every_module_has_a_layer() -> None:
    namespaces = {"ogaart", "ogaart.resources"}

    loose = [name for name in modules() if unit_of(name) is None and name not in namespaces]

    assert loose == []


def test_imports_point_downwards() -> None:
    row_of = {unit: number for number, row in enumerate(LAYERS) for unit in row}

    upwards = [
        f"{name} imports {other}"
        for name, others in edges().items()
        for other in sorted(others)
        if (a := unit_of(name)) and (b := unit_of(other)) and a != b and row_of[b] <= row_of[a]
    ]

    assert upwards == []


def test_no_circle_of_files() -> None:
    assert_no_circle(edges())


def test_no_circle_of_packages() -> None:
    known = modules()

    def package(module: str) -> str:
        folder = module if known[module].name == "__init__.py" else module.rpartition(".")[0]
        return module if folder in {"ogaart", "ogaart.resources"} else folder  # loose modules, with layers of their own

    pairs = sorted((package(name), package(other)) for name, others in edges().items() for other in others)
    graph = {name: {b for _, b in group if b != name} for name, group in groupby(pairs, key=lambda pair: pair[0])}

    assert_no_circle(graph)


def test_no_folder_is_overfull() -> None:
    counts = {
        str(folder.relative_to(ROOT)): len(list(folder.glob("*.py")))
        for folder in [PACKAGE, *PACKAGE.rglob("*")]
        if folder.is_dir()
    }

    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


@pytest.mark.parametrize("package", PURE)
def test_pure_packages_stay_pure(package: str) -> None:
    broken = [
        f"{name} imports {other}"
        for name, path in modules().items()
        if unit_of(name) == package
        for other in imported(path)
        for forbidden in PURE[package]
        if other == forbidden or other.startswith(f"{forbidden}.")
    ]

    assert broken == []


def test_torch_is_imported_in_the_processes_that_embed_only() -> None:
    users = {
        name
        for name, path in modules().items()
        for other in imported(path)
        if other.split(".")[0] in {"torch", "torchvision"}
    }

    assert {name for name in users if not name.startswith("ogaart.resources.embedding.models.")} == {
        "ogaart.resources.embedding.worker",
        "ogaart.resources.embedding.measurement_worker",
        *(
            f"ogaart.resources.embedding.backends.{name}"
            for name in ("base", "ncnn_f32", "openvino_f32", "openvino_low", "torch_f32", "torch_device")
        ),
    }


def test_the_search_service_starts_without_the_engines_of_the_pipeline() -> None:
    program = "import sys, ogaart.search.web.app; print(*{name.partition('.')[0] for name in sys.modules})"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert {"dagster", "duckdb", "torch"} & set(loaded) == set()
    assert "fastapi" in loaded


def test_a_class_name_means_one_thing() -> None:
    places = sorted((found, name) for name, path in modules().items() for found in source(path).classes)
    by_name = {name: [place for _, place in group] for name, group in groupby(places, key=lambda pair: pair[0])}

    assert {name: some for name, some in by_name.items() if len(some) > 1} == {}


def test_modules_say_in_their_first_line_why_they_exist() -> None:
    silent = [name for name, path in modules().items() if not source(path).documented]

    assert silent == []
