"""docs/assets.md, made from the definitions that Dagster loads: assets, checks, jobs, schedules, sensors."""

from collections.abc import Iterator

import dagster as dg

from ogaart.definitions import build_definitions

_HEAD = """# Assets, checks, jobs

Made from the definitions that the Dagster UI shows. How to work with them: [dagster.md](dagster.md). Columns:
[tables.md](tables.md).
"""


def assets_markdown() -> str:
    """Every asset with its tables and checks; every job, schedule and sensor."""
    definitions = build_definitions()
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    lines = [_HEAD, "## Assets\n"]
    for key in graph.toposorted_asset_keys:
        lines += _asset(graph.get(key), graph)
    lines.append("## Jobs\n")
    lines += [f"- **{job.name}**: {job.description}" for job in repository.get_all_jobs() if job.description]
    lines.append("\n## Schedules\n")
    for schedule in sorted(repository.schedule_defs, key=lambda s: s.name):
        state = "off until turned on" if schedule.default_status == dg.DefaultScheduleStatus.STOPPED else "on"
        lines.append(f"- **{schedule.name}** (`{schedule.cron_schedule}`, {state}): {schedule.description}")
    lines.append("\n## Sensors\n")
    for sensor in sorted(repository.sensor_defs, key=lambda s: s.name):
        lines.append(f"- **{sensor.name}** (every {sensor.minimum_interval_seconds} s): {sensor.description}")
    return "\n".join(lines) + "\n"


def _asset(node: "dg.BaseAssetNode", graph: "dg.AssetGraph") -> Iterator[str]:
    yield f"### {node.key.to_user_string()}\n"
    yield f"{_flowed(node.description)}\n"
    if node.partitions_def is None:
        partitioned = "one run for everything"
    else:
        partitioned = "up to ten partitions a run" if node.backfill_policy is not None else "one partition a run"
    source = "sends requests to the site" if node.tags.get("source") == "site" else "reads stored rows only"
    pools = ", ".join(sorted(node.pools or ()))
    yield (f"Group `{node.group_name}`; {partitioned}; {source}{f'; pool `{pools}`' if pools else ''}.\n")
    for name, comment in dict(node.metadata["tables"]).items():
        yield f"- table `{name}`: {comment}"
    yield f"- on disk: `{node.metadata['layout']}`"
    for check in sorted(graph.get_check_keys_for_assets({node.key}), key=lambda c: c.name):
        spec = graph.get_check_spec(check)
        yield f"- check `{check.name}`{' (blocking)' if spec.blocking else ''}: {spec.description}"
    yield ""


def _flowed(text: str | None) -> str:
    """A docstring's paragraphs, each on one line."""
    paragraphs = (text or "").split("\n\n")
    return "\n\n".join(" ".join(p.split()) for p in paragraphs)
