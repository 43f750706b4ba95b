"""What a command did, as rows, for the terminal and as JSON."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """What was done, as rows, with the errors and the exit code; a note does not change that code."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    exit_code: int = 0
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"rows": self.rows, "errors": self.errors, "exit_code": self.exit_code, "notes": self.notes}
