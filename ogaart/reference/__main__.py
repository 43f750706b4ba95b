"""What is made from the code: pages of docs and types of rows, written by ``python -m ogaart.reference``, tested."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROWS = Path(__file__).resolve().parents[1] / "resources" / "storage" / "rows.py"

_CLI_HEAD = """# The command `ogaart`

Made from the commands' own help (`ogaart COMMAND --help`). Settings are environment variables, listed in the README.

| Exit code | Meaning |
| --- | --- |
"""


def cli_markdown() -> str:
    """Every command with its help and the exit codes."""
    from ogaart.cli.main import main
    from ogaart.core.exit_codes import EXIT_CODES

    lines = [_CLI_HEAD + "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())]
    group = click.Context(main, info_name="ogaart", **main.context_settings)
    for name, command in sorted(main.commands.items()):
        context = click.Context(command, parent=group, info_name=name, terminal_width=100, max_content_width=100)
        lines.append(f"## ogaart {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(lines)


def pages() -> Mapping[str, str]:
    """Text by file name under docs."""
    from ogaart.reference.assets import assets_markdown
    from ogaart.reference.licences import licences_markdown
    from ogaart.reference.tables import tables_markdown

    return {
        "cli.md": cli_markdown(),
        "tables.md": tables_markdown(),
        "assets.md": assets_markdown(),
        "licences.md": licences_markdown(),
    }


def write() -> list[Path]:
    """Write every page and module that is not current; returns those written."""
    from ogaart.reference.row_types import row_types

    written = [ROWS] if _changed(ROWS, row_types()) else []  # first: what the pages describe may import a new row
    return written + [DOCS / name for name, text in pages().items() if _changed(DOCS / name, text)]


def _changed(path: Path, text: str) -> bool:
    """Write a file unless it holds that text already; whether it was written."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    for page in write():
        sys.stdout.write(f"{page}\n")
