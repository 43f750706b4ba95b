"""Where the processor's time of a search goes: searches by image_id in this process, and their profile.

    .venv/bin/python -m benchmarks.search_profile DATA [--searches 100]

``DATA`` is a data root that ``benchmarks.search_load`` made. The time is that of the
search and of its answer as JSON, without HTTP: the median, and what one search in ten
stays below, which other work on the machine changes least.
"""

import argparse
import cProfile
import json
import pstats
import random
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.quality.report import cpu
from ogaart.resources.catalog.signature_files import open_signatures
from ogaart.search.engine.search import Detail
from ogaart.search.engine.service import SearchService
from ogaart.search.query import SearchQuery
from ogaart.search.web.process import collect_seldom, compute_in_own_thread, keep_memory
from ogaart.search.web.schemas.hits import HIT_WRITER
from ogaart.search.web.schemas.results import ResultsRecord
from ogaart.settings import Settings

WARM, LIMIT = 60, 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--searches", type=int, default=100)
    parser.add_argument("--functions", type=int, default=25, help="functions of the profile that are printed")
    arguments = parser.parse_args()
    keep_memory()
    compute_in_own_thread()
    collect_seldom()
    current = arguments.data / "generations" / "current"
    model = json.loads((current / "manifest.json").read_text(encoding="utf-8"))["model"]
    ids: list[int] = open_signatures(current).ids.tolist()
    chance = random.Random(7)
    with SearchService(Settings(data=arguments.data, model=model)) as service:

        def search(count: int) -> list[float]:
            took = []
            for _ in range(count):
                began = time.thread_time()
                query = SearchQuery(positive=(chance.choice(ids),), group=True, limit=LIMIT)
                ResultsRecord.json_of(
                    service.search(query, Detail(write=HIT_WRITER)), following=None, upload=None, base=""
                )
                took.append(1000 * (time.thread_time() - began))
            return took

        search(WARM)
        tenth, middle = np.percentile(search(arguments.searches), [10, 50])
        print(f"{cpu()}: {middle:.1f} CPU ms a search of {len(ids):,} pictures, one in ten below {tenth:.1f}")
        with cProfile.Profile() as profile:
            search(arguments.searches)
    pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(arguments.functions)


if __name__ == "__main__":
    main()
