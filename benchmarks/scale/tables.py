"""The tables of docs/scaling.md."""

from dataclasses import dataclass
from typing import Any

from benchmarks.cost import MODELS
from benchmarks.scale import sizes
from benchmarks.scale.sizes import Assumed, Costs, Machine
from benchmarks.scale_simulation import WORKERS, predicted_cpu
from ogaart.pipeline.crawl_estimate import GB

VGG = "vgg16"
MACHINES = (1, 4, 16)
"""How many machines process again what is stored."""
LEAST_CORES = 2
"""Of the smallest machine that runs the platform."""
GB_A_CORE = 2
"""Memory that is paid with a core."""


@dataclass(frozen=True)
class Sources:
    """What the page is made from: measurements as committed, rates and prices."""

    kept: dict[str, Any]
    stages: dict[str, Any]
    gpu: dict[str, Any]
    rates: sizes.Rates
    assumed: Assumed

    def costs(self, model: str) -> Costs:
        """Core seconds with a model."""
        return sizes.costs(self.kept, self.stages, model, self.rates)

    @property
    def background(self) -> float:
        """Cores that the services take."""
        return float(self.kept["calibration"]["background"])


def compared(kept: dict[str, Any]) -> list[str]:
    """Rows of the table of predictions and measured runs."""
    rows = [
        "| Workers | Predicted | Measured | Predicted / measured | CPU, predicted | CPU, measured "
        "| Other work on the machine |"
    ]
    rows.append("| --- " * 7 + "|")
    for workers in WORKERS:
        said, seen = kept["predicted"][str(workers)], kept["measured"][str(workers)]
        rows.append(
            f"| {workers} | {said['seconds']:.0f} s ({said['least']:.0f} to {said['most']:.0f}) "
            f"| {seen['seconds']:.0f} s | {said['seconds'] / seen['seconds']:.2f} "
            f"| {predicted_cpu(kept, workers):.0f} s | {seen['cpu']:.0f} s "
            f"| {seen['others']:.1f} cores |"
        )
    return rows


def misses(kept: dict[str, Any]) -> str:
    """How far the predictions are off."""
    off = [abs(kept["predicted"][n]["seconds"] / kept["measured"][n]["seconds"] - 1) for n in map(str, WORKERS)]
    verdict = "reached" if max(off) <= 0.2 else "**not reached**"
    return f"The aim is a difference of at most 20 % for each: {verdict}, the largest difference is {max(off):.0%}."


def parts(kept: dict[str, Any]) -> list[str]:
    """Rows of the table of what a run is made of."""
    found = kept["calibration"]
    rows = ["| Part of a run | CPU s that lengthen it | CPU s beside | Seconds of delays | Seconds of waiting |"]
    rows.append("| --- | --- | --- | --- | --- |")
    for name, work in [("start of the run's process", found["launch"]), *found["steps"].items()]:
        rows.append(f"| {name} | {work['cpu']:.2f} | {work['beside']:.2f} | {work['timer']:.2f} | {work['wait']:.2f} |")
    return rows


def table_of_sites(source: Sources) -> list[str]:
    """Rows of the simulated hours of one site, by machine."""
    rows = [
        "| Model | Machine | First crawl | All again from what is stored | Least possible for that | What limits it |"
    ]
    rows.append("| --- | --- | --- | --- | --- | --- |")
    for model, (label, _) in MODELS.items():
        cost = source.costs(model)
        for machine in sizes.machines(source.gpu):
            if machine.gpu_rate is not None and model != VGG:
                continue  # its rate on a GPU is limited by decoding, which the cores do as well without one
            crawled = sizes.first_crawl(cost, machine, source.background).seconds / 3600
            told = sizes.again(cost, machine, source.background)
            name, least = limit(cost, machine)
            rows.append(
                f"| {label} | {machine.name} | {crawled:,.0f} h | {told.seconds / 3600:.1f} h | {least:.1f} h "
                f"| {name} |"
            )
    return rows


def table_of_again(source: Sources) -> list[str]:
    """Rows of processing again what is stored of all sites, with VGG16, each machine one site after the other."""
    assumed, cost = source.assumed, source.costs(VGG)
    rows = ["| Pictures | Machines | Hours on 16 cores | EUR | Hours on 16 cores and a GPU | EUR |"]
    rows.append("| --- " * 6 + "|")
    for million, sites in sizes.SITES.items():
        for count in MACHINES:
            if count > sites:
                continue
            row = f"| {million:g} million | {count} "
            for machine in sizes.machines(source.gpu)[1:]:
                each = sizes.again(cost, machine, source.background).seconds / 3600
                hour = machine.cores * assumed.prices.core_hour + (assumed.gpu_hour if machine.gpu_rate else 0.0)
                row += f"| {-(-sites // count) * each:,.1f} | {sites * each * hour:,.2f} "
            rows.append(row + "|")
    return rows


def limit(cost: Costs, machine: Machine) -> tuple[str, float]:
    """What limits processing a site again, and the hours that it takes at least."""
    steps = {step.name: step.work for step in sizes.offline_steps(cost, machine, sizes.PARTITIONS)}
    computing = sum(work.cpu + work.beside for work in steps.values()) / machine.cores
    found = {
        "all cores": computing,
        "the collection, by one step at a time": steps["qdrant_collection"].cpu,
        "the GPU": steps["embeddings"].timer,
    }
    name = max(found, key=lambda key: found[key])
    return name, found[name] / 3600


def table_of_sizes(source: Sources) -> list[str]:
    """Rows of the three sizes."""
    assumed = source.assumed
    rows = [
        "| Pictures | Model | Sites | Crawl, beside each other | CPU | Cores to keep up | Stored "
        "| Memory of codes and graph | EUR of the crawl | EUR a month after |"
    ]
    rows.append("| --- " * 10 + "|")
    for million, sites in sizes.SITES.items():
        for model, (label, dimension) in MODELS.items():
            one = sizes.site(model)
            hours = sites * sizes.core_hours(source.costs(model))
            cores = max(LEAST_CORES, -(-hours // one.hours_at_delay))
            disk, memory = sites * one.disk_bytes / GB, sizes.memory(sites * one.images, dimension)
            month = max(cores, memory / GB_A_CORE)
            rows.append(
                f"| {million:g} million | {label} | {sites} | {one.hours_at_delay:,.0f} h | {hours:,.0f} core-hours "
                f"| {cores:.0f} | {disk / 1e3:,.1f} TB | {memory:,.1f} GB "
                f"| {sizes.paid(one.hours_at_delay, cores, disk, assumed.prices):,.0f} "
                f"| {sizes.paid(730, month, disk, assumed.prices):,.0f} |"
            )
    return rows


def table_of_limits(source: Sources) -> list[str]:
    """Rows of what one publication and one search over all of it would take."""
    rates = source.rates
    rows = [
        "| Pictures | Publication in full | Written by one that shares | Patches | Fused vectors, read by each search |"
    ]
    rows.append("| --- " * 5 + "|")
    for million in sizes.SITES:
        points = million * 1e6
        rows.append(
            f"| {million:g} million | {points * rates.publish_ms / 3.6e6:,.1f} core-hours "
            f"| {points * rates.publish_bytes / GB:,.1f} GB | {points * rates.patch_bytes / GB:,.1f} GB "
            f"| {points * rates.fused_bytes / GB:,.2f} GB |"
        )
    return rows


def table_of_memory() -> list[str]:
    """Rows of the memory of a collection by bits of a number."""
    rows = ["| Points | Numbers | 2 bits, as now | 1 bit | 16 bits, without codes | Vectors on disk |"]
    rows.append("| --- " * 6 + "|")
    for million in sizes.SITES:
        for _, dimension in MODELS.values():
            one, two, sixteen = (sizes.memory(million * 1e6, dimension, bits) for bits in (1, 2, 16))
            rows.append(
                f"| {million:g} million | {dimension:,} | {two:,.1f} GB | {one:,.1f} GB | {sixteen:,.0f} GB "
                f"| {million * 1e6 * dimension * 2 / GB:,.0f} GB |"
            )
    return rows
