"""The README's table of settings, from the descriptions of the settings themselves."""

from pydantic_core import PydanticUndefined

from ogaart.settings import GiB, MiB, Settings, variable


def settings_table() -> str:
    """All settings as a Markdown table, for the README."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `{variable(name)}` | {_shown(field.default)} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    """A default value for display."""
    if value is None or value is PydanticUndefined or value == "":
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and value >= MiB and value % MiB == 0:
        return f"{value} ({value // GiB} GiB)" if value % GiB == 0 else f"{value} ({value // MiB} MiB)"
    return f"`{value}`"
