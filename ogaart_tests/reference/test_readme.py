"""The README says what is: its settings are the code's, its files exist, its commands are commands."""

import re
from pathlib import Path

from ogaart.cli.main import main
from ogaart.reference.settings import settings_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_settings_is_the_codes() -> None:
    inside = README.split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0]

    assert inside == settings_table(), "run: .venv/bin/python -m tools.update_readme"


def test_every_linked_file_exists() -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)

    assert [name for name in linked if not (ROOT / name).exists()] == []


def test_every_command_shown_is_one() -> None:
    shown = set(re.findall(r"(?:^|`)ogaart ([a-z]+)", README, flags=re.MULTILINE))

    assert shown - set(main.commands) == set()


def test_every_make_target_shown_is_one() -> None:
    makefile = (ROOT / "Makefile").read_text()
    shown = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, flags=re.MULTILINE))

    assert {name for name in shown if not re.search(rf"^{name}:", makefile, flags=re.MULTILINE)} == set()


def test_the_tree_shows_the_folders_that_exist() -> None:
    _, _, tree = README.partition("```text\nogaart/\n")
    tree, _, _ = tree.partition("```")
    packages = {path.parent for path in (ROOT / "ogaart").glob("*/__init__.py")} | {
        path.parent for path in (ROOT / "ogaart").glob("resources/*/__init__.py")
    }
    within = [ROOT, ROOT / "ogaart", ROOT / "ogaart" / "resources", ROOT / "ogaart" / "search"]

    shown = set(re.findall(r"\b([a-z_]+(?:/|\.py\b))", tree))

    assert {f"{path.name}/" for path in packages} | {"definitions.py", "settings.py"} <= shown
    assert {name for name in shown if not any((folder / name).exists() for folder in within)} == set()


def test_the_architecture_names_every_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = "".join(line.partition(" | ")[0] for line in text.splitlines() if line.startswith("| `"))
    packages = {
        path.parent for depth in ("*", "resources/*") for path in (ROOT / "ogaart").glob(f"{depth}/__init__.py")
    }
    packages.remove(ROOT / "ogaart" / "resources")  # a namespace, each of whose packages has a row
    assert [str(path) for path in packages if f"{path.relative_to(ROOT / 'ogaart')}/`" not in rows] == []
