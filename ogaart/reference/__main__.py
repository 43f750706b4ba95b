"""The pages of docs that are made from the code, written by ``python -m ogaart.reference``, compared by a test."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

DOCS = Path(__file__).resolve().parents[2] / "docs"

_CLI_HEAD = """# The command `ogaart`

Made from the commands' own help (`ogaart COMMAND --help`). Settings are environment variables, listed in the README.

| Exit code | Meaning |
| --- | --- |
"""


def cli_markdown() -> str:
    """Every command with its help and the exit codes."""
    from ogaart.cli.main import main
    from ogaart.cli.terminal import EXIT_CODES

    lines = [_CLI_HEAD + "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())]
    group = click.Context(main, info_name="ogaart", **main.context_settings)
    for name, command in sorted(main.commands.items()):
        context = click.Context(command, parent=group, info_name=name, terminal_width=100, max_content_width=100)
        lines.append(f"## ogaart {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(lines)


def pages() -> Mapping[str, str]:
    """Text by file name under docs."""
    from ogaart.reference.assets import assets_markdown
    from ogaart.reference.tables import tables_markdown

    return {"cli.md": cli_markdown(), "tables.md": tables_markdown(), "assets.md": assets_markdown()}


def write(folder: Path = DOCS) -> list[Path]:
    """Write every page that is not current; gives those written."""
    written = []
    for name, text in pages().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    for page in write():
        sys.stdout.write(f"{page}\n")
