"""The Makefile's installation, with a package index on the loopback interface in place of the public ones."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "ogaart"
version = "0"
"""
BACKEND = """\
import zipfile

def build_editable(folder, *_):
    name = "ogaart-0-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\\nName: ogaart\\nVersion: 0\\nRequires-Dist: torch>=2.9\\n"
    metadata += "Requires-Dist: torchvision>=0.24\\nProvides-Extra: dev\\n"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("ogaart-0.dist-info/METADATA", metadata)
        wheel.writestr("ogaart-0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("ogaart-0.dist-info/RECORD", "")
    return name
"""
"""A project with two of ogaart's requirements, which needs nothing from an index to be built."""
CPU = {"torch": "2.14.1+cpu", "torchvision": "0.29.1+cpu"}
USUAL = {"torch": "2.15.0", "torchvision": "0.30.0"}
"""Newer than those without CUDA, which must be kept all the same."""


def put_wheel(index: Path, name: str, version: str) -> None:
    """Put an empty package into a simple index (PEP 503), which has a page of links for each project."""
    folder = index / name
    folder.mkdir(parents=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }.items():
            wheel.writestr(f"{name}-{version}.dist-info/{member}", text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    link = f'<a href="{path.name.replace("+", "%2B")}#sha256={digest}">{path.name}</a>'
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{link}</body></html>", encoding="utf-8")


@pytest.fixture
def indexes(tmp_path: Path) -> Iterator[str]:
    """Base URL of two indexes: ``/pypi`` with the usual builds, ``/cpu`` with those without CUDA."""
    for name in ("torch", "torchvision"):
        put_wheel(tmp_path / "served" / "pypi", name, USUAL[name])
        put_wheel(tmp_path / "served" / "cpu", name, CPU[name])
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def install(folder: Path, indexes: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the Makefile's installation of a small project in ``folder``."""
    folder.mkdir()
    for name in ("Makefile", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (folder / "backend.py").write_text(BACKEND, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"{indexes}/pypi", "PIP_NO_CACHE_DIR": "1"}
    command = ["make", ".venv/.installed", f"PYTHON={sys.executable}", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def installed(folder: Path) -> dict[str, str]:
    found = (path.name.removesuffix(".dist-info") for path in folder.glob(".venv/lib/*/site-packages/*.dist-info"))
    return dict(name.split("-", 1) for name in found if name.startswith("torch"))


@pytest.mark.slow
def test_torch_cpu_takes_the_builds_without_cuda_and_keeps_them(tmp_path: Path, indexes: str) -> None:
    done = install(tmp_path / "project", indexes, "TORCH=cpu", f"TORCH_INDEX={indexes}/cpu")

    assert done.returncode == 0, done.stderr
    assert installed(tmp_path / "project") == CPU


@pytest.mark.slow
def test_without_it_the_usual_builds_are_taken(tmp_path: Path, indexes: str) -> None:
    done = install(tmp_path / "project", indexes)

    assert done.returncode == 0, done.stderr
    assert installed(tmp_path / "project") == USUAL


@pytest.mark.slow
def test_an_index_that_lacks_them_fails_the_installation(tmp_path: Path, indexes: str) -> None:
    done = install(tmp_path / "project", indexes, "TORCH=cpu", f"TORCH_INDEX={indexes}/none")

    assert done.returncode != 0
    assert "torch" in done.stderr


@pytest.mark.slow
def test_another_build_than_cpu_is_refused(tmp_path: Path, indexes: str) -> None:
    done = install(tmp_path / "project", indexes, "TORCH=gpu")

    assert done.returncode != 0
    assert "TORCH=gpu: the only choice is cpu" in done.stderr


def test_the_index_is_that_of_pytorch_unless_named() -> None:
    shown = subprocess.run(
        ["make", "-n", "-B", "demo", "TORCH=cpu"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "--no-deps --index-url https://download.pytorch.org/whl/cpu torch torchvision" in shown.stdout
