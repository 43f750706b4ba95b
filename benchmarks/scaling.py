"""What sizes beyond one site take: docs/scaling.md, from measured rates and the simulation of backfills.

    .venv/bin/python -m benchmarks.scaling [--core-hour 0.02] [--gb-month 0.05] [--gpu-hour 2.5] [--write]

Measured are ``benchmarks/scaling.json`` (``benchmarks/scale_simulation.py``), ``stages.json`` and ``gpu.json``.
``--write`` writes docs/scaling.md.
"""

import argparse
import json
import textwrap
from pathlib import Path
from typing import Any

from benchmarks.cost import ENTRIES, ON_GPU, PER_PAGE, Prices
from benchmarks.cost import KEPT as STAGES
from benchmarks.scale import sizes
from benchmarks.scale.sizes import Assumed
from benchmarks.scale.tables import (
    LEAST_CORES,
    VGG,
    Sources,
    compared,
    limit,
    misses,
    parts,
    table_of_again,
    table_of_limits,
    table_of_memory,
    table_of_sites,
    table_of_sizes,
)
from benchmarks.scale_simulation import KEPT, WORKERS
from ogaart.pipeline.crawl_estimate import CRAWL_DELAY, FILES_PER_ENTRY, RESPONSE_SECONDS

DOCS = Path(__file__).resolve().parents[1] / "docs" / "scaling.md"


def text(*sentences: str) -> list[str]:
    """A paragraph, in lines of at most 120 characters."""
    return textwrap.wrap(" ".join(sentences), 120, break_on_hyphens=False, break_long_words=False)


def item(*sentences: str) -> list[str]:
    """An item of a list, as ``text``."""
    whole = "- " + " ".join(sentences)
    return textwrap.wrap(whole, 120, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)


def opening(source: Sources) -> list[str]:
    """The page's beginning, and the simulation beside the measured runs."""
    kept = source.kept
    machine, setting, found = kept["machine"], kept["setting"], kept["calibration"]
    first = kept["measured"]["1"]
    return [
        "# Scaling",
        "",
        *text(
            "More pictures, more sites, more workers: what each part takes, and which part is the bottleneck. Made by",
            "`.venv/bin/python -m benchmarks.scaling --write` from measured rates; [cost](cost.md) is for one site on",
            "one machine. Nothing beyond the runs of the first section was executed at its size: the rest is",
            "arithmetic.",
        ),
        "",
        "## A backfill over several workers, simulated and measured",
        "",
        *text(
            f"{setting['partitions']} partitions of {setting['per_page']} entries of the demo's site",
            f"({first['images']:,} pictures, {first['requests']:,} requests, {setting['delay']:g} s between two),",
            "one run",
            "each, by n workers with n runs at a time: PostgreSQL, Redis, Celery and EfficientNet-Lite0 on one",
            f"machine of {machine['cores']} cores ({machine['processor']}, November 2026), which other work shared;",
            "the measured processes had priority over it (`--first`).",
        ),
        "",
        *compared(kept),
        "",
        misses(kept),
        "",
        *text(
            "The prediction is the mean over the phases of the daemon's interval, with the least and the most in",
            f"brackets. It was calibrated by a separate run of {found['partitions']} partitions by one worker, and",
            "written down before the runs that it predicts:",
        ),
        "",
        "```sh",
        ".venv/bin/python -m benchmarks.scale_simulation calibrate FOLDER",
        ".venv/bin/python -m benchmarks.scale_simulation predict",
        ".venv/bin/python -m benchmarks.scale_simulation measure FOLDER --workers 2",
        "```",
        "",
        "What a run is made of, on average, with nothing else to do:",
        "",
        *parts(kept),
        "",
        *text(
            f"Besides, the services take {found['background']:.2f} cores without any run, and with both cores busy",
            "each",
            f"does {machine['busy_speed']:.0%} of what it does alone. The rest is intervals: the daemon looks every",
            "5 s",
            "whether a run may be launched, none is while the slot of the site is taken or waited for, and a run looks",
            "every second whether its step has ended. The simulation (`benchmarks/scale/`) has exactly these parts:",
            "the",
            "slot of the site with its delay, the pools, n workers, and cores that all that computes shares.",
        ),
        "",
        *reading(kept),
    ]


def reading(kept: dict[str, Any]) -> list[str]:
    """What the runs say about workers."""
    found = kept["calibration"]
    works = [found["launch"], *found["steps"].values()]
    computed = sum(work["cpu"] + work["beside"] for work in works)
    starting = works[0]["cpu"] + works[0]["beside"] + sum(found["fixed"].values())
    seconds = {workers: kept["measured"][str(workers)]["seconds"] for workers in WORKERS}
    return [
        *text(
            f"A run computes {computed:.0f} CPU s for {found['images'] / found['partitions']:,.0f} pictures, of which",
            f"{starting:.0f} s are the start of its process, of its steps and of the model, whatever it finds. Two",
            f"workers took {seconds[2] / seconds[1]:.0%} of the time of one, three {seconds[3] / seconds[1]:.0%}: with",
            "two cores a third worker mostly waits for them.",
        ),
        "",
    ]


def many_partitions(found: dict[str, Any]) -> list[str]:
    """The section of a backfill of many partitions."""
    steps = [f"{count:,}" for count in found["steps"]]
    return [
        f"## {found['partitions']:,} partitions in one backfill",
        "",
        *text(
            f"{found['partitions']:,} partitions of one entry each ({found['images']:,} pictures) were read from the",
            "demo's site; then the last three steps of all of them were launched as one backfill, as the UI does, over",
            f"{found['workers']} workers with as many runs at a time (PostgreSQL, Redis, Celery, EfficientNet-Lite0;",
            f"{found['cores']} cores, {found['processor']}; other work took {found['others']:.1f} cores meanwhile):",
        ),
        "",
        "```sh",
        f".venv/bin/python -m benchmarks.scale_simulation spread FOLDER --workers {found['workers']}",
        "```",
        "",
        *text(
            f"Dagster made {found['runs']:,} runs of them. The first began after {found['launched_after']:.0f} s, the",
            f"last had ended after {found['seconds']:,.0f} s; {found['cpu']:,.0f} CPU s,",
            f"{found['cpu'] / found['partitions']:.1f} a partition. The workers executed {', '.join(steps[:-1])} and",
            f"{steps[-1]} steps.",
        ),
        "",
    ]


def one_site(source: Sources) -> list[str]:
    """The section of one site on larger machines."""
    vgg, one, gpu = source.costs(VGG), sizes.site(VGG), sizes.machines(source.gpu)[-1]
    return [
        "## One site on larger machines",
        "",
        *text(
            f"A site of {ENTRIES:,} entries has {one.images:,} pictures in {sizes.PARTITIONS} partitions of {PER_PAGE}",
            f"entries. Simulated with {sizes.STEPS_AT_A_TIME} workers:",
        ),
        "",
        *table_of_sites(source),
        "",
        "The rates, with their sources:",
        "",
        *item(
            f"**Crawl**: {one.requests:,} requests, {FILES_PER_ENTRY:g} files an entry, × ({CRAWL_DELAY:g} s of",
            f"Crawl-delay + {RESPONSE_SECONDS:g} s until the response) = {one.hours_at_delay:,.0f} h, one at a time",
            "whatever the number of workers.",
        ),
        *item(
            f"**Unpacking**: {vgg.unpack * 1e3:.1f} ms of a core a picture; **describing** it (parts, cells, patches)",
            f"and reading it for the model: {vgg.describe * 1e3:.1f} ms. Both are of the calibration above, on the",
            "demo's pictures: what the steps took, less what they take whatever is in them",
            "(`python -m benchmarks.scale_simulation starts FOLDER`), less the model.",
        ),
        *item(
            f"**Embedding**: {vgg.embed * 1e3:.1f} ms of a core a picture with VGG16 (`benchmarks/stages.json`,",
            f"{source.stages['processor'].partition(' (')[0]}); on a GPU ({source.gpu['machine']['name']})",
            f"{gpu.gpu_rate:,.0f} pictures a second in 32 bits, read from files by {sizes.GPU_DECODERS} processes",
            "(`benchmarks/gpu.json`).",
        ),
        *item(
            f"**Indexing**: {source.rates.index_ms:.1f} ms of a core a point, by one step at a time in each data root",
            "([performance](performance.md#the-index-while-it-is-filled)).",
        ),
        *item(
            f"**Start of runs and steps**: {vgg.launch:.1f} CPU s a run and {sum(vgg.fixed.values()):.1f} CPU s for",
            "its",
            "steps, whatever is in them, from the calibration above; a run that reads nothing from the site takes",
            "up to",
            f"{sizes.RANGE} partitions.",
        ),
        "",
        *text(
            "A first crawl takes the same time on all of them: the delay is the site's wish. Processing again what",
            "is stored, such as for another model, is where cores and a GPU count. Beside a GPU the cores limit it,",
            "since pictures are unpacked, described and indexed by them.",
        ),
        "",
    ]


def three_sizes(source: Sources) -> list[str]:
    """The section of half a million, 5 and 50 million pictures."""
    assumed, prices = source.assumed, source.assumed.prices
    _, plain, fast = sizes.machines(source.gpu)
    vgg = source.costs(VGG)
    cores = sizes.SITES[50.0] * sizes.core_hours(vgg) / sizes.site(VGG).hours_at_delay
    others = vgg.unpack + vgg.describe + vgg.index
    again = (
        f"VGG16 on {plain.name}: {limit(vgg, plain)[0]}, {vgg.embed / (others + vgg.embed):.0%} of it the model; on "
        f"{fast.name}: {limit(vgg, fast)[0]}, {vgg.describe / others:.0%} of it describing pictures"
    )
    return [
        "## 0.5, 5 and 50 million pictures",
        "",
        *text(
            "One site is about half a million pictures; more come from more sites, each with its own delay and its own",
            f"data root, read beside each other. EUR with {prices.core_hour:g} a core-hour (with 2 GB of memory) and",
            f"{prices.gb_month:g} a GB-month: examples; state yours with `--core-hour`, `--gb-month` and `--gpu-hour`.",
        ),
        "",
        *table_of_sizes(source),
        "",
        *item(
            "**CPU** is reading, unpacking, embedding, indexing and starting runs; **cores to keep up** do it in",
            f"the time of the crawl, at least {LEAST_CORES}. **A month after** has as many, or those whose memory the",
            "codes and the graph need, and the disk.",
        ),
        *item(f"**A GPU** is {assumed.gpu_hour:g} EUR an hour beside its cores, an example as well."),
        *item("**Stored** is everything with two publications, as `ogaart plan` estimates it."),
        "",
        *text(
            "Everything that is stored processed again with VGG16, such as for another model; a machine processes one",
            "site after the other, and its hours are those of the simulation above:",
        ),
        "",
        *table_of_again(source),
        "",
        "The bottleneck:",
        "",
        "| Pictures | First crawl | Another model | A search over all of it |",
        "| --- | --- | --- | --- |",
        f"| 0.5 million | the site's delay | {again} | CPU time of a search |",
        "| 5 million | the sites' delays | the same in each data root, which divide among machines | there is none: a "
        "search page has one data root |",
        f"| 50 million | the sites' delays; with less than {cores:.0f} cores, VGG16 | the same | there is none; as one "
        "collection, its memory and its publication |",
        "",
    ]


def limits(source: Sources) -> list[str]:
    """The section of what stands in the way of one large publication."""
    rates = source.rates
    return [
        "## What is in the way today",
        "",
        *item(
            "**One data root is one site.** Nothing publishes or searches several together. The next tables are",
            "what one",
            "publication of all would take, from the rates of smaller ones.",
        ),
        *item(
            "**One machine publishes.** In full a publication took",
            f"{rates.publish_ms:.2f} CPU ms a picture (at 506,880 pictures); one that shares what did not change",
            f"writes {rates.publish_bytes:,.0f} bytes for each, fewer on a file system that shares blocks; patches are",
            f"{rates.patch_bytes:,.0f} bytes (at 100,000), all of [performance](performance.md), and fused vectors",
            f"{rates.fused_bytes:,.0f} ([search](search.md)). Publishing 50 million pictures daily is not practical.",
        ),
        "",
        *table_of_limits(source),
        "",
        *item(
            f"**A search** took {rates.search_ms:.0f} CPU ms over 100,000 pictures. Search pages are replicas that",
            "each",
            "hold a whole publication: more of them answer more visitors, none of them sooner; nothing divides one",
            "search.",
        ),
        *item(
            "**The collection has one writer** a data root (pool `collection`), and in the process it is on one",
            "machine.",
        ),
        *item(
            "**Runs**: the daemon looks every 5 s and launches one run at most that begins at the site, and each run",
            "computes for seconds before its first step. Beside a real delay of ten seconds that is nothing.",
        ),
        *item(
            "**Memory of a collection**, with the codes and the graph (m = 16) in memory as they are now, by",
            "arithmetic.",
            "Payloads and their indexes come on top. A Qdrant server or cluster (`QDRANT_URL`) divides it into shards;",
            "each replica needs it again. None was run, and 1 bit has not been tried:",
        ),
        "",
        *table_of_memory(),
        "",
    ]


def page(source: Sources) -> str:
    """The text of docs/scaling.md."""
    many = many_partitions(source.kept["spread"]) if "spread" in source.kept else []
    lines = [*opening(source), *many, *one_site(source), *three_sizes(source), *limits(source)]
    return "\n".join(line.rstrip() for line in lines)


def sources(assumed: Assumed) -> Sources:
    """What is committed."""
    kept, stages, gpu = (json.loads(path.read_text(encoding="utf-8")) for path in (KEPT, STAGES, ON_GPU))
    return Sources(kept, stages, gpu, sizes.Rates(), assumed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core-hour", type=float, default=Prices.core_hour)
    parser.add_argument("--gb-month", type=float, default=Prices.gb_month)
    parser.add_argument("--gpu-hour", type=float, default=Assumed.gpu_hour)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    made = page(sources(Assumed(Prices(options.core_hour, options.gb_month), options.gpu_hour)))
    print(made)
    if options.write:
        DOCS.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
