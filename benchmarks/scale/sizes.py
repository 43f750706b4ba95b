"""What half a million, 5 and 50 million pictures take, as arithmetic over measured rates and simulated backfills.

The unit is a site as large as OpenGameArt: a data root is meant for one site, with one delay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cost import (
    ENTRIES,
    HOURS_A_MONTH,
    MODELS,
    PER_PAGE,
    Prices,
    crawl,
    describing_milliseconds,
    milliseconds,
)
from benchmarks.scale.platform import Backfill, Shape, Step, Told, Work, simulate
from ogaart.pipeline.crawl_estimate import (
    CRAWL_DELAY,
    FILES_PER_ENTRY,
    GB,
    IMAGES_PER_ENTRY,
    RESPONSE_SECONDS,
    Estimate,
)

SITES = {0.5: 1, 5.0: 11, 50.0: 111}
"""Millions of pictures, and how many sites of 16,000 entries have about as many."""
PARTITIONS = -(-ENTRIES // PER_PAGE)
PICTURES = ENTRIES / PARTITIONS * IMAGES_PER_ENTRY
"""Pictures of a partition, on average."""
RANGE = 10
"""Partitions of one run where nothing is read from the site."""
POOLS = {"site": 1, "embedder": 2, "collection": 1}
STEPS_AT_A_TIME = 4
"""Workers on a machine, and runs at a time."""
GPU_DECODERS = 16
LINKS = 2 * 16 * 4 * 17 / 16
"""Bytes of a point's links in the graph: 32 numbers of 4 bytes on the lowest level (m = 16), a 16th more above."""


@dataclass(frozen=True)
class Rates:
    """Rates that the docs state with the command that measured them.

    Attributes:
        index_ms: core milliseconds to put one point into the collection.
        publish_ms: core milliseconds for one picture of a publication in full.
        publish_bytes: written for one picture by a publication that shares what did not change.
        patch_bytes: of one picture's patches, by which parts of pictures are found.
        search_ms: core milliseconds of one search over 100,000 pictures.
        fused_bytes: of one picture's fused vector, of which a search reads all.
    """

    index_ms: float = 25.8 / 8_000 * 1_000
    publish_ms: float = 165.7 / 506_880 * 1_000
    publish_bytes: float = 284e6 / 506_880
    patch_bytes: float = 980 * 2**20 / 100_000
    search_ms: float = 130.0
    fused_bytes: float = 61 * 2**20 / 100_000


@dataclass(frozen=True)
class Assumed:
    """What is paid; examples, beside those of docs/cost.md.

    Attributes:
        prices: of cores and disk.
        gpu_hour: EUR for an hour of a GPU, beside the cores of its machine.
    """

    prices: Prices = field(default_factory=Prices)
    gpu_hour: float = 2.5


@dataclass(frozen=True)
class Machine:
    """A machine that executes steps of one data root.

    Attributes:
        name: as a table shows it.
        cores: how many.
        gpu_rate: pictures a second that its GPU embeds from files; None where it has none.
    """

    name: str
    cores: int
    gpu_rate: float | None = None


def machines(gpu: Mapping[str, Any]) -> tuple[Machine, ...]:
    """The machines of the tables."""
    [fed] = [part for part in gpu["vgg16 f32 from files"] if part["decoders"] == GPU_DECODERS]
    return (Machine("8 cores", 8), Machine("16 cores", 16), Machine("16 cores and a GPU", 16, fed["pictures_a_second"]))


@dataclass(frozen=True)
class Costs:
    """Core seconds of a run's parts whatever is in it, of one request, and of one picture.

    Attributes:
        launch: of a run's start and end.
        fixed: of each step.
        per_request: reading and storing a page or file.
        unpack: a picture's decoding, features and thumbnail.
        describe: what is kept of a picture beside its vector, and reading it for the model.
        embed: the model, on a processor.
        index: a point of the collection.
    """

    launch: float
    fixed: Mapping[str, float]
    per_request: float
    unpack: float
    describe: float
    embed: float
    index: float


def costs(kept: Mapping[str, Any], stages: Mapping[str, Any], model: str, rates: Rates) -> Costs:
    """From the calibration, in which a small model embedded, and the rates of single stages."""
    found = kept["calibration"]
    pictures, requests = found["images"] / found["partitions"], found["requests"] / found["partitions"]
    steps, fixed = found["steps"], found["fixed"]
    varying = {name: steps[name]["cpu"] + steps[name]["beside"] - fixed[name] for name in fixed}
    return Costs(
        launch=found["launch"]["cpu"] + found["launch"]["beside"] + found["end_seconds"],
        fixed=fixed,
        per_request=(varying["content_pages"] + varying["raw_files"]) / requests,
        unpack=varying["extracted_images"] / pictures,
        describe=describing_milliseconds(dict(stages), dict(kept)) / 1e3,
        embed=milliseconds(dict(stages), model) / 1e3,
        index=rates.index_ms / 1e3,
    )


def _work(fixed: float, each: float, pictures: float, cores: float = 1.0) -> Work:
    return Work(cpu=fixed + each * pictures, cores=cores)


def offline_steps(cost: Costs, machine: Machine, partitions: int) -> tuple[Step, ...]:
    """The steps that read nothing from the site, over so many partitions at once."""
    pictures = PICTURES * partitions
    if machine.gpu_rate is None:
        embedding = _work(cost.fixed["embeddings"], cost.describe + cost.embed, pictures, machine.cores)
    else:
        # The GPU decides how long it takes at least; describing keeps the cores busy meanwhile.
        embedding = Work(
            cpu=cost.fixed["embeddings"],
            beside=pictures * cost.describe,
            timer=pictures / machine.gpu_rate,
            cores=machine.cores,
        )
    return (
        Step("extracted_images", _work(cost.fixed["extracted_images"], cost.unpack, pictures, min(16, machine.cores))),
        Step("embeddings", embedding, "embedder"),
        Step("qdrant_collection", _work(cost.fixed["qdrant_collection"], cost.index, pictures), "collection"),
    )


def site_steps(cost: Costs) -> tuple[Step, ...]:
    """The steps that read a partition from the site."""
    entries = ENTRIES / PARTITIONS
    every = CRAWL_DELAY + RESPONSE_SECONDS

    def reading(name: str, requests: float) -> Step:
        return Step(name, Work(cost.fixed[name], requests * cost.per_request, requests * every), "site")

    return (
        Step("search_pages", Work(cpu=cost.fixed["search_pages"], timer=every), "site"),
        reading("content_pages", entries),
        Step("file_links", Work(cpu=cost.fixed["file_links"])),
        reading("raw_files", entries * FILES_PER_ENTRY),
    )


def shape(machine: Machine, background: float) -> Shape:
    """A machine on which everything of one data root happens."""
    pools = POOLS if machine.gpu_rate is None else {**POOLS, "embedder": 1}
    return Shape(STEPS_AT_A_TIME, STEPS_AT_A_TIME, pools, machine.cores, background=background)


def first_crawl(cost: Costs, machine: Machine, background: float) -> Told:
    """A site read and processed as it comes, one run a partition."""
    steps = (*site_steps(cost), *offline_steps(cost, machine, 1))
    return simulate(Backfill(PARTITIONS, steps, launch=Work(cpu=cost.launch)), shape(machine, background))


def again(cost: Costs, machine: Machine, background: float) -> Told:
    """Everything that is stored of a site unpacked, embedded and indexed again, ten partitions a run."""
    runs = -(-PARTITIONS // RANGE)
    steps = offline_steps(cost, machine, RANGE)
    return simulate(Backfill(runs, steps, launch=Work(cpu=cost.launch)), shape(machine, background))


def core_hours(cost: Costs) -> float:
    """Core hours of one site: reading, unpacking, embedding on the processor and indexing."""
    steps = (*site_steps(cost), *offline_steps(cost, Machine("", 1), 1))
    return PARTITIONS * (cost.launch + sum(step.work.cpu + step.work.beside for step in steps)) / 3600


def site(model: str) -> Estimate:
    """What `ogaart plan` says of one site."""
    return crawl(ENTRIES, MODELS[model][1])


def memory(points: float, dimension: int, bits: int = 2) -> float:
    """GB of memory for the codes and the graph of so many points."""
    return points * (dimension * bits / 8 + LINKS) / GB


def paid(hours: float, cores: float, disk_gb: float, prices: Prices) -> float:
    """EUR for cores and disk for so many hours."""
    return hours * cores * prices.core_hour + disk_gb * prices.gb_month * hours / HOURS_A_MONTH
