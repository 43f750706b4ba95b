"""Follows a recipe of docs/extending.md: applies its code blocks to a copy of the package."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^ *```(?P<kind>diff|python) (?P<path>\S+)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)


def copy_package(target: Path) -> Path:
    """A copy of the package and its documentation under ``target``, to be changed; returns ``target``."""
    shutil.copytree(ROOT / "ogaart", target / "ogaart", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs", target / "docs", ignore=shutil.ignore_patterns("images"))
    for name in ("pyproject.toml", "dagster.yaml", "queries.toml"):
        shutil.copy(ROOT / name, target / name)
    return target


def follow(heading: str, copy: Path) -> set[str]:
    """Apply the code blocks under ``## heading`` to the package's copy; returns the files that they touch.

    A ``python`` block is a whole new file; a ``diff`` block is one change, whose lines without a plus must be in the
    file exactly once.
    """
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    [section] = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    touched = set()
    for block in _BLOCK.finditer(section):
        path, body = copy / block["path"], textwrap.dedent(block["body"])
        if block["kind"] == "python":
            assert not path.exists(), f"{block['path']} exists already"
            path.write_text(body, encoding="utf-8")
        else:
            path.write_text(_changed(path.read_text(encoding="utf-8"), body, block["path"]), encoding="utf-8")
        touched.add(block["path"])
    return touched


def _changed(text: str, diff: str, name: str) -> str:
    lines = [line for line in diff.splitlines() if line]
    assert {line[0] for line in lines} <= set("+- "), f"{name}: a line of a diff begins with +, - or a space"
    old = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
    new = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
    assert text.count(old) == 1, f"{name} has {text.count(old)} times:\n{old}"
    return text.replace(old, new)


def run_in(copy: Path, program: str) -> str:
    """Run a Python program on the package's copy; returns what it prints, and fails where it fails."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)]
    environment = {"PYTHONPATH": f"{copy}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(copy)}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def changed_files(copy: Path) -> set[str]:
    """Files of the copy that the project has not, or has with other content."""
    paths = [p for top in ("ogaart", "docs") for p in (copy / top).rglob("*") if p.is_file() and p.suffix != ".pyc"]
    names = {str(path.relative_to(copy)) for path in paths}
    return {n for n in names if not (ROOT / n).exists() or (ROOT / n).read_bytes() != (copy / n).read_bytes()}
