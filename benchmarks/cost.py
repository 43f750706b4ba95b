"""What a crawl and its search cost, from measured rates: hours, GB and EUR, each with its arithmetic.

    .venv/bin/python -m benchmarks.cost [--core-hour 0.02] [--gb-month 0.05] [--write]

CPU times are those of ``benchmarks/stages.json`` and ``benchmarks/scaling.json``, counts and bytes those of
``ogaart plan`` (``ogaart/pipeline/crawl_estimate.py``). ``--write`` writes docs/cost.md.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ogaart.pipeline.crawl_estimate import (
    CRAWL_DELAY,
    GB,
    IMAGES_PER_ENTRY,
    RESPONSE_SECONDS,
    Estimate,
    Known,
    Rates,
    estimate,
)

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "stages.json"
ON_GPU = ROOT / "benchmarks" / "gpu.json"
IN_RUNS = ROOT / "benchmarks" / "scaling.json"
DOCS = ROOT / "docs" / "cost.md"
ENTRIES = 16_000
PER_PAGE = 144
MODELS = {"vgg16": ("VGG16", 4096), "efficientnet_lite0": ("EfficientNet-Lite0", 1280)}
MACHINES = (2, 8)
MILLIONS = (0.5, 5.0, 50.0)
HOURS_A_MONTH = 730


@dataclass(frozen=True)
class Prices:
    """What is paid; examples, to be replaced by your own.

    Attributes:
        core_hour: EUR for an hour of a core with 2 GB of memory.
        gb_month: EUR for a GB of disk a month.
    """

    core_hour: float = 0.02
    gb_month: float = 0.05


def milliseconds(kept: dict[str, Any], model: str) -> float:
    """CPU time of one picture on one thread by the back end that was chosen for a model."""
    return float(kept[model]["measured"][kept[model]["chosen"]]["milliseconds"])


def describing_milliseconds(kept: dict[str, Any], runs: dict[str, Any]) -> float:
    """CPU time of what a run keeps of a picture beside its vector, and of reading it for the model.

    It is what the step took for each picture, less the model's own time.
    """
    found = runs["calibration"]
    step, pictures = found["steps"]["embeddings"], found["images"] / found["partitions"]
    each = (step["cpu"] + step["beside"] - found["fixed"]["embeddings"]) / pictures * 1e3
    return float(max(0.0, each - milliseconds(kept, runs["setting"]["model"])))


def crawl(entries: int, dimension: int) -> Estimate:
    """The whole crawl of so many entries, nothing stored yet."""
    known = Known(entries, -(-entries // PER_PAGE))
    return estimate(known, delay=CRAWL_DELAY, dimension=dimension, seconds_per_picture=None)


def fed_rate(gpu: dict[str, Any], model: str) -> float:
    """Pictures a second that a GPU embeds in 32 bits from files that one process decodes."""
    [alone] = [part for part in gpu[f"{model} f32 from files"] if part["decoders"] == 1]
    return float(alone["pictures_a_second"])


def site_table(kept: dict[str, Any], gpu: dict[str, Any], runs: dict[str, Any], prices: Prices) -> list[str]:
    """Rows of the table for the whole site."""
    rows = [
        "| Model | Machine | Crawl | Decoding | Describing | Embedding | Until searchable | Disk | Crawl, EUR "
        "| A month after, EUR |"
    ]
    rows.append("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    decode, describe = float(kept["decoding"]["milliseconds"]["this version"]), describing_milliseconds(kept, runs)
    for model, (label, dimension) in MODELS.items():
        found = crawl(ENTRIES, dimension)
        embed = milliseconds(kept, model)
        for cores in MACHINES:
            decoding, describing, embedding = (found.images * ms / 3.6e6 / cores for ms in (decode, describe, embed))
            longest = max(found.hours_at_delay, decoding + describing + embedding)
            disk = found.disk_bytes / GB
            paid = longest * cores * prices.core_hour + disk * prices.gb_month * longest / HOURS_A_MONTH
            month = HOURS_A_MONTH * cores * prices.core_hour + disk * prices.gb_month
            rows.append(
                f"| {label} | {cores} cores | {found.hours_at_delay:,.0f} h | {decoding:.2f} h | {describing:.1f} h "
                f"| {embedding:.1f} h | {longest:,.0f} h | {disk:,.0f} GB | {paid:.2f} | {month:.2f} |"
            )
        embedding = found.images / fed_rate(gpu, model) / 3600
        longest = max(found.hours_at_delay, found.images * (decode + describe) / 3.6e6 / 2 + embedding)
        rows.append(
            f"| {label} | 2 cores and a GPU | {found.hours_at_delay:,.0f} h | as on 2 cores | as on 2 cores "
            f"| {embedding:.1f} h | {longest:,.0f} h | {found.disk_bytes / GB:,.0f} GB | | |"
        )
    return rows


def scale_table(kept: dict[str, Any], runs: dict[str, Any], prices: Prices) -> list[str]:
    """Rows of the table for more pictures than one site has."""
    rows = [
        "| Pictures | Model | Decoding, describing and embedding | Cores to do it in a week | Stored | EUR of CPU "
        "| Crawl at one delay |"
    ]
    rows.append("| --- | --- | --- | --- | --- | --- | --- |")
    around = float(kept["decoding"]["milliseconds"]["this version"]) + describing_milliseconds(kept, runs)
    for million in MILLIONS:
        for model, (label, dimension) in MODELS.items():
            entries = round(million * 1e6 / IMAGES_PER_ENTRY)
            found = crawl(entries, dimension)
            hours = found.images * (around + milliseconds(kept, model)) / 3.6e6
            rows.append(
                f"| {million:g} million | {label} | {hours:,.0f} core-hours | {-(-hours // 168):,.0f} "
                f"| {found.disk_bytes / 1e12:,.2f} TB | {hours * prices.core_hour:,.2f} "
                f"| {found.hours_at_delay / 24:,.0f} days |"
            )
    return rows


def page(kept: dict[str, Any], gpu: dict[str, Any], runs: dict[str, Any], prices: Prices) -> str:
    """The text of docs/cost.md."""
    rates, vgg = Rates(), crawl(ENTRIES, MODELS["vgg16"][1])
    decode = float(kept["decoding"]["milliseconds"]["this version"])
    embed, describe = milliseconds(kept, "vgg16"), describing_milliseconds(kept, runs)
    peaks = ", ".join(
        f"{label} {kept[model]['peak_mib'][kept[model]['chosen']]:,} MiB" for model, (label, _) in MODELS.items()
    )
    peak = kept["decoding"]["peak_mib"]["this version"]
    lines = [
        "# Cost",
        "",
        "Made by `.venv/bin/python -m benchmarks.cost --write` from the CPU times of `benchmarks/stages.json`",
        f"({kept['processor']}) and `benchmarks/scaling.json`",
        f"({runs['machine']['processor']}), the rates of `benchmarks/gpu.json` ({gpu['machine']['name']}) and",
        "the averages of `ogaart plan`.",
        "",
        "## The whole site",
        "",
        f"{ENTRIES:,} entries. EUR with {prices.core_hour:g} a core-hour and {prices.gb_month:g} a GB-month of disk:",
        "examples; state yours with `--core-hour` and `--gb-month`.",
        "",
        *site_table(kept, gpu, runs, prices),
        "",
        "The arithmetic, for VGG16 on 2 cores:",
        "",
        f"- **Crawl**: {vgg.listing_requests} result pages + {vgg.entry_requests:,} entries + {vgg.entry_requests:,} × "
        f"{rates.files_per_entry:g} files = {vgg.requests:,} requests; × ({CRAWL_DELAY:g} s of Crawl-delay + "
        f"{RESPONSE_SECONDS:g} s until the response) = {vgg.hours_at_delay:,.0f} h. More cores change nothing here.",
        f"- **Decoding**: {vgg.images:,} pictures × {decode:g} ms / 2 = {vgg.images * decode / 3.6e6 / 2:.2f} h.",
        f"- **Describing** (parts, cells and patches, and reading the picture for the model): {vgg.images:,} × "
        f"{describe:.1f} ms / 2 = {vgg.images * describe / 3.6e6 / 2:.1f} h.",
        f"- **Embedding**: {vgg.images:,} × {embed:g} ms / 2 = {vgg.images * embed / 3.6e6 / 2:.1f} h, "
        f"by the back end that is the fastest here ({kept['vgg16']['chosen']}); while the crawl continues.",
        f"- **With a GPU**: {vgg.images:,} pictures / {fed_rate(gpu, 'vgg16'):,.0f} a second, in 32 bits, fed by one "
        "process that decodes; a GPU has no price here.",
        "- **Until searchable**: the longer of the crawl, and decoding, describing and embedding together.",
        f"- **Disk**: {vgg.disk_bytes / GB:,.0f} GB with two publications, of which "
        f"{vgg.vector_bytes / GB:.1f} GB vectors, "
        f"{vgg.index_bytes / GB:.1f} GB the collection, {vgg.generation_bytes / GB:.1f} GB each publication, and "
        f"{vgg.download_bytes / GB:.0f} GB what is downloaded.",
        "- **EUR of the crawl**: hours until searchable × cores × price, and the disk for that time.",
        f"- **Memory**: the embedding process {peaks}; the decoding process {peak} MiB.",
        "",
        "The crawl is the bottleneck on any machine: its delay is the site's wish, 8 cores are searchable no sooner.",
        "",
        "## More than one site",
        "",
        "The same arithmetic for more pictures. Stored is everything, with two publications. The crawl is that of a",
        "single site; of several, each has its own delay, and they are read beside each other.",
        "",
        *scale_table(kept, runs, prices),
        "",
        "With a single site the delay is the bottleneck at every size. With many sites it is embedding with VGG16,",
        "which any number of workers share ([deploying](operator/deploying.md#workers)), and the publication, which",
        "a single machine builds. How much faster several workers are together, and what else grows:",
        "[scaling](scaling.md). None of these sizes has been run.",
        "",
    ]
    return "\n".join(line.rstrip() for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core-hour", type=float, default=Prices.core_hour)
    parser.add_argument("--gb-month", type=float, default=Prices.gb_month)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    kept, gpu, runs = (json.loads(path.read_text(encoding="utf-8")) for path in (KEPT, ON_GPU, IN_RUNS))
    text = page(kept, gpu, runs, Prices(options.core_hour, options.gb_month))
    print(text)
    if options.write:
        DOCS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
