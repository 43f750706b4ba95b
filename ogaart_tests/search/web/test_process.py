"""The process that serves keeps its memory, and computes each request in one thread."""

import json
import platform
import subprocess
import sys

import pytest

# Ten pieces of a megabyte at a time, as a search makes them: how many pages are faulted in for fifty searches.
FAULTS = """
import resource, sys
import numpy as np
from ogaart.search.web.process import keep_memory
kept = sys.argv[1] == "keep" and keep_memory()
def search(): return [np.ones(1 << 17) for _ in range(10)]
search()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    search()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
THREADS = """
import json
import numpy as np
import threadpoolctl
from ogaart.search.web.process import compute_in_own_thread
compute_in_own_thread()
print(json.dumps([pool["num_threads"] for pool in threadpoolctl.threadpool_info()]))
"""
# How often the collector runs while ten thousand objects are made; and whether it still finds a cycle.
COLLECTIONS = """
import gc, json, sys, weakref
from ogaart.search.web.process import collect_seldom
if sys.argv[1] == "seldom":
    collect_seldom()
class Cycle: pass
one = Cycle()
one.own, gone = one, weakref.ref(one)
before = sum(generation["collections"] for generation in gc.get_stats())
kept = [[] for _ in range(10_000)]
ran = sum(generation["collections"] for generation in gc.get_stats()) - before
del one
gc.collect()
print(json.dumps([gc.get_freeze_count() > 0, ran, gone() is None]))
"""


def run(script: str, *arguments: str) -> str:
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_what_a_search_frees_serves_the_next() -> None:
    (_, given_back), (told, kept) = (map(int, run(FAULTS, how).split()) for how in ("leave", "keep"))

    assert told == 1
    assert kept * 10 < given_back


def test_linear_algebra_stays_in_its_thread() -> None:
    pools = json.loads(run(THREADS))

    assert pools
    assert set(pools) == {1}


def test_the_garbage_collector_runs_less_often_and_still_collects_what_is_made_later() -> None:
    usual, seldom = (json.loads(run(COLLECTIONS, how)) for how in ("usual", "seldom"))

    assert usual[1] >= 10
    assert seldom == [True, 0, True]
