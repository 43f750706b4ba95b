"""Log lines as JSON objects, one a line, with what a log server searches for: run, step, partition, URL."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

PARTITION_TAG = "dagster/partition"
_URL = re.compile(r"https?://[^\s\"'<>)\]]*[^\s\"'<>)\].,;:]")


class JsonFormatter(logging.Formatter):
    """Formats a record of any logger, those of Dagster's runs among them.

    Keys: ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``; and where they are known ``run_id``, ``job``,
    ``step``, ``partition``, ``url`` (the first that the message names) and ``exception``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        run: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
        message = str(run.get("orig_message") or record.getMessage())
        url = _URL.search(message)
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            "run_id": run.get("run_id"),
            "job": run.get("job_name"),
            "step": run.get("step_key"),
            "partition": (run.get("job_tags") or {}).get(PARTITION_TAG),
            "url": url[0] if url else None,
            "exception": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)


def json_handler() -> "logging.StreamHandler[Any]":
    """A handler that writes JSON lines to the standard error output."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    return handler


def log_as_json() -> None:
    """Let every logger of this process write JSON lines, from level INFO on."""
    root = logging.getLogger()
    root.handlers[:] = [json_handler()]
    root.setLevel(logging.INFO)
