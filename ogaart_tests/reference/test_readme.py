"""The README says what is: its settings are the code's, its files exist, its commands are commands."""

import re
from pathlib import Path

from ogaart.cli.main import main
from ogaart.settings import settings_table

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


def test_the_tree_names_every_package() -> None:
    _, _, tree = README.partition("```text\nogaart/\n")
    tree, _, _ = tree.partition("```")

    packages = {
        path.parent.relative_to(ROOT / "ogaart").parts[0] for path in (ROOT / "ogaart").glob("*/__init__.py")
    } | {"definitions.py", "settings.py"}

    assert {name for name in packages if not re.search(rf"\b{re.escape(name)}(/|\b)", tree)} == set()
