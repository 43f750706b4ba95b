"""Tables of what was measured, with intervals, as Markdown."""

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.quality.costs import Cost
from benchmarks.quality.measure import DEFAULT, Measured, Tally

_Z = 1.96


def wilson(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson; values are 0 or 1."""
    count, share = len(values), float(np.mean(values))
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def bootstrap(values: Sequence[float], rounds: int = 1_000) -> tuple[float, float]:
    """The 95 % interval of a mean of shares."""
    numbers = np.asarray(values)
    drawn = np.random.default_rng(1).integers(0, len(numbers), (rounds, len(numbers)))
    low, high = np.percentile(numbers[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def cpu() -> str:
    """The name of this machine's processor, and how many cores there are."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return f"{names[0] if names else platform.processor() or platform.machine()}, {len(names) or '?'} cores"


def _share(values: Sequence[float], *, interval: bool = False, counts: bool = True) -> str:
    if not values:
        return "not measured"
    text = f"{float(np.mean(values)):.3f}"
    if not interval:
        return text
    low, high = (wilson if counts else bootstrap)(values)
    return f"{text} ({low:.2f} to {high:.2f})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def _by_ranking(tallies: Mapping[str, Tally], column: str, head: str, *, counts: bool = True) -> list[str]:
    rankings = list(dict.fromkeys(name for tally in tallies.values() for name in tally.first))
    rows = []
    for kind, tally in tallies.items():
        values = getattr(tally, column)
        best = max((float(np.mean(found)) for found in values.values()), default=0.0)
        cells = []
        for name in rankings:
            cell = _share(values.get(name, ()), interval=name == DEFAULT, counts=counts)
            cells.append(f"**{cell}**" if values.get(name) and float(np.mean(values[name])) >= best - 1e-9 else cell)
        rows.append([kind, str(len(values.get(DEFAULT, ()))), *cells])
    return _table([head, "tried", *rankings], rows)


def tables(measured: Measured) -> str:
    """All tables of one model."""
    lines = [f"## {measured.model}: {measured.pictures} pictures", ""]
    if measured.edits:
        lines += ["### Source first", "", *_by_ranking(measured.edits, "first", "edit"), ""]
        lines += ["### Source among the first ten", "", *_by_ranking(measured.edits, "in_ten", "edit"), ""]
    lines += [
        "### Relative first", "", *_by_ranking(measured.relatives, "first", "relatives"), "",
        "### Share of relatives among the first ten", "",
        *_by_ranking(measured.relatives, "in_ten", "relatives", counts=False),
    ]  # fmt: skip
    if measured.edits:
        lines += ["", *_claims(measured), *cost_table(measured.costs)]
    return "\n".join(lines) + "\n"


def _claims(measured: Measured) -> list[str]:
    """What the search says of edits and of what is not there, as lines."""
    verdicts = [
        [kind, str(len(tally.right)), _share(tally.right, interval=True), _share(tally.false, interval=True)]
        for kind, tally in measured.edits.items()
    ]
    every = [value for tally in measured.edits.values() for value in tally.false]
    return [
        "### What the search says", "",
        *_table(["edit", "tried", "verdict right", "claims that name another picture"], verdicts), "",
        f"Over all edits, {_share(every, interval=True)} of {len(every)} searches claim a copy or a part of another "
        "picture.",
        f"With half of the entries held out, {_share(measured.absent.false, interval=True)} of "
        f"{len(measured.absent.false)} searches for a picture that is not there claim one, and "
        f"{_share(measured.absent.right, interval=True)} say that there is no similar picture.",
    ]  # fmt: skip


def cost_table(costs: Sequence[Cost]) -> list[str]:
    """What each part costs, as lines; none where it was not measured."""
    rows = [
        [one.name, f"{one.stored:,.0f}" if one.stored else "", f"{one.published:,.0f}" if one.published else "",
         f"{one.milliseconds:.1f}" if one.milliseconds else ""]
        for one in costs
    ]  # fmt: skip
    head = ["part", "bytes stored", "bytes published", "CPU ms"]
    return ["", "### What a picture costs", "", *_table(head, rows)] if rows else []


def document(introduction: str, measured: Sequence[Measured], missing: Sequence[str], pictures: int) -> str:
    """docs/quality.md."""
    measured_by = f"`make quality ARGS=--write` with `--pictures {pictures}`"
    parts = [introduction.strip() + "\n", f"Measured {datetime.now(UTC):%B %Y} on {cpu()}: {measured_by}.\n"]
    parts += [tables(one) for one in measured]
    parts += [
        f"## {model}: not measured\n\nIts published weights are not on the machine that measured.\n"
        for model in missing
    ]
    return "\n".join(parts)
