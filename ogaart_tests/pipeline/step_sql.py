"""The SQL in a step's metadata, as statements."""

from typing import Any

import dagster as dg


def as_sql(metadata: Any) -> list[str]:
    """The statements in a step's ``sql`` metadata."""
    text = str(metadata.value if isinstance(metadata, dg.MetadataValue) else metadata)
    body = text.removeprefix("```sql\n").removesuffix("\n```")
    return [statement.strip() for statement in body.split(";\n") if statement.strip(" ;\n")]
