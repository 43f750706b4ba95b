"""Every command that README and docs show is run as it stands there, page by page, in the page's order."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pytest
import requests
from click.testing import CliRunner

from ogaart.cli.demo_command import free_port
from ogaart.cli.main import main
from ogaart_tests.operations.test_changing_model import OTHER_WEIGHTS
from ogaart_tests.ui import wait_until
from ogaart_tests.world import World, copy_world

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = ("ogaart", "make", "python", ".venv/bin/python", "dagster", "rsync", "git", "export", "curl")

_RECALL = ".venv/bin/python -m benchmarks.recall"
_LOAD = "python -m benchmarks.search_load --data FOLDER"
NOT_RUN = {
    "make demo": "serves until Ctrl-C",
    "make demo ARGS=--once": "is run by .ci/run, in a fresh clone",
    "make test": "installs, and is what runs this",
    "make test-slow": "is what runs this",
    "make cluster": "starts PostgreSQL, Redis and workers; .ci/run runs it",
    "ogaart worker site": "serves until stopped, with a broker; make cluster runs it",
    "ogaart worker cpu gpu --processes 2": "serves until stopped, with a broker; make cluster runs it",
    "export OGAART_EXECUTOR=celery": "needs the two servers of the next lines; make cluster sets it",
    "export OGAART_DAGSTER_DATABASE=postgresql+psycopg2://ogaart:password@127.0.0.1/dagster": "needs that server",
    "export OGAART_CELERY_BROKER=redis://127.0.0.1:6379/0": "needs that server",
    "export OGAART_OBJECTS=s3://bucket/ogaart": "needs that bucket; make cluster has one",
    "export OGAART_DATABASE_URL=postgresql://ogaart:password@db.example.org/state": "needs that server",
    "export OGAART_DAGSTER_DATABASE=postgresql+psycopg2://ogaart:password@db.example.org/dagster": "needs that server",
    "export OGAART_EXECUTOR=celery OGAART_CELERY_BROKER=rediss://:password@redis.example.org:6379/0": "needs it too",
    "export AWS_REGION=eu-central-1 AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=password": "belongs to that bucket",
    "ogaart copy-to-bucket /srv/ogaart/data --dry-run": "needs that bucket; make cluster has one",
    "ogaart copy-to-bucket /srv/ogaart/data": "needs it too",
    "make torture": "hours, by hand; ogaart_tests/torture/test_short.py runs a short one",
    'make torture ARGS="--only kills --seed 7"': "many minutes, by hand",
    "make soak": "twenty minutes, by hand",
    "OGAART_FAULT=blob_written:10 ogaart materialize --all": "kills the process that runs it; the torture does this",
    "make bench": "measures for an hour",
    'make bench ARGS="--only keys index --keep"': "measures for minutes",
    'make bench ARGS="--only publication --profile"': "measures for minutes",
    ".venv/bin/python -m benchmarks.stages --keep": "measures for minutes, and writes this page",
    ".venv/bin/python -m benchmarks.stages --keep --fast": "measures for minutes, and writes this page",
    _RECALL: "embeds 20,000 pictures first",
    f"{_RECALL} --device cuda --pictures 100000 --models efficientnet_lite0 vgg16": "needs a GPU",
    ".venv/bin/python -m benchmarks.second_run --model efficientnet_lite0 --rounds 3 --baseline TREE": (
        "measures for minutes"
    ),
    ".venv/bin/python -m benchmarks.search_load --data FOLDER": "makes 100,000 pictures' vectors first",
    f"{_LOAD} --model efficientnet_lite0 --points 21000 --seconds 12 --uploads 5": "makes 21,000 vectors first",
    _LOAD: "makes 100,000 pictures' vectors first",
    ".venv/bin/python -m benchmarks.search_profile FOLDER/efficientnet_lite0 --searches 300": "needs made data",
    ".venv/bin/python -m benchmarks.vector_keys": "makes 500,000 keys first",
    ".venv/bin/python -m benchmarks.index_build --points 8000 --step 500": "takes a minute of CPU",
    ".venv/bin/python -m benchmarks.filtered_search": "takes two minutes of CPU",
    ".venv/bin/python -m benchmarks.parts_at_size FOLDER": "makes 100,000 pictures' parts first",
    "python -m benchmarks.cells_at_size FOLDER": "makes 320,000 cells first",
    "python -m benchmarks.gpu --out gpu.json": "needs a GPU; test_devices.py runs it on the processor",
    "python -m benchmarks.words": "measures for minutes",
    "python -m benchmarks.sheets": "measures for minutes",
    "python -m benchmarks.absent --data FOLDER --art FOLDER": "needs a folder of other games' art",
    "python -m benchmarks.page_weight --data FOLDER": "measures for minutes",
    "python -m benchmarks.likeness_groups FOLDER": "needs a folder of pictures in groups",
    "python -m benchmarks.parts FOLDER --most 700 --tried 150 --only-sheets --absent OTHER": "needs folders of sheets",
    "python -m benchmarks.fused_search": "makes 100,000 pictures' vectors first",
    "python -m benchmarks.default_projection": "downloads Debian's game packages",
    ".venv/bin/python -m benchmarks.scale_simulation calibrate FOLDER": "measures a cluster for minutes",
    ".venv/bin/python -m benchmarks.scale_simulation predict": "overwrites what was predicted before measuring",
    ".venv/bin/python -m benchmarks.scale_simulation measure FOLDER --workers 2": "measures a cluster for minutes",
    "python -m benchmarks.scale_simulation starts FOLDER": "needs what calibrate left there",
    "make quality": "measures for minutes",
    "make quality ARGS=--write": "measures for minutes",
    'make quality ARGS="--folder DIR"': "measures for minutes",
    "ogaart search red ship --server https://art.example.org": "needs that server; test_search_command.py uses one",
    'eval "$(_OGAART_COMPLETE=bash_source ogaart)"': "is for an interactive shell",
    "rsync -aH data/ newhost:/srv/ogaart/": "needs another host",
    "git pull && make test": "changes the project",
    "dagster dev": "serves until Ctrl-C, and is named as what runs without the guard",
}
"""Commands in docs that no test can run, and why."""

FRESH = {"README.md", "docs/operator/first-crawl.md"}
"""Pages that begin with an empty data root; the others go on in a copy of the demo's."""

SLOW = {
    "README.md",
    "docs/architecture.md",
    "docs/dagster.md",
    "docs/operator/backup.md",
    "docs/operator/changing-model.md",
    "docs/operator/daily.md",
    "docs/operator/deploying.md",
    "docs/operator/first-crawl.md",
    "docs/operator/moving.md",
    "docs/operator/upgrading.md",
    "docs/search.md",
}
"""Pages that materialize, publish, make the reference or start a server."""

SERVERS = {"ogaart up": ("OGAART_DAGSTER_PORT", "/server_info"), "ogaart serve": ("OGAART_SERVE_PORT", "/")}
"""Commands that go on until they are interrupted: the setting of their port, and a page they answer."""


Line = tuple[str, bool]
"""A command, and whether it stands in a block; else in running text."""


def lines(page: Path) -> Iterator[Line]:
    """The commands of a page in its order, without their comments."""
    language: str | None = None
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            language = line.removeprefix("```") if language is None else None
        elif language == "sh" or (language is None and line.startswith("    ") and is_command(line)):
            if command := re.sub(r"(^|\s+)#.*$", "", line).strip():
                yield command, True
        elif language is None:
            spans = [span for span in re.findall(r"`([^`]+)`", line) if is_command(span)]
            yield from ((span, False) for span in spans if not re.fullmatch(r"ogaart [\w-]+", span))  # a mere name


def is_command(text: str) -> bool:
    """Whether it can be typed; a pattern with an ellipsis or alternatives cannot."""
    words = [word for word in text.split() if not re.fullmatch(r"[A-Z_]+=\S+", word)]
    return len(words) > 1 and words[0] in PROGRAMS and "…" not in text and re.search(r"\w\|\w", text) is None


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


SHOWN = {name_of(page): list(lines(page)) for page in PAGES}
IN_BLOCKS = {line for shown in SHOWN.values() for line, in_block in shown if in_block}
FIRST = {line: page for page, shown in reversed(SHOWN.items()) for line, _ in shown}


def to_run(page: str) -> list[str]:
    """What the test of a page runs: its blocks; then what it alone shows, in running text."""
    blocks = [line for line, block in SHOWN[page] if block]
    named = [line for line, block in SHOWN[page] if not block and line not in IN_BLOCKS and FIRST[line] == page]
    return [line for line in dict.fromkeys(blocks + named) if line not in NOT_RUN]


def substitutions(world: World, folder: Path) -> Mapping[str, str]:
    """What stands in docs for something of the reader's own, and what it is here."""
    slug = str(world.sql("SELECT min(slug) FROM entries WHERE status = 'ok'")[0][0])
    picture = sorted((ROOT / "ogaart" / "demo" / "art").rglob("*.png"))[0]
    return {
        "https://opengameart.org/content/some-entry": f"{world.site.base}/content/{slug}",
        "some-entry": slug,
        "/mnt/backup/ogaart": str(folder / "backup"),
        "picture.png": str(picture),
        "vgg16-397923af-grey-squash-1": str(world.generation.manifest["space"]),
        "ogaart COMMAND --help": "ogaart materialize --help",
        "DAGSTER_HOME=data/dagster": f"DAGSTER_HOME={folder}/data/dagster",
    }


@pytest.fixture(scope="session")
def served() -> set[str]:
    """Servers that were started already: once is enough."""
    return set()


def live_in(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder the data root."""
    monkeypatch.setenv("OGAART_DATA", str(data))
    monkeypatch.setenv("DAGSTER_HOME", str(data / "dagster"))


def prepare(page: str, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a reader into ``folder`` with the data root that a page begins with."""
    monkeypatch.chdir(folder)
    if page in FRESH:
        live_in(folder / "data", monkeypatch)
    else:
        copy_world(world, folder / "data", monkeypatch.setenv)
    if page == "docs/operator/changing-model.md":  # its step 1, and the condition of its step 4
        subprocess.run([sys.executable, "-c", OTHER_WEIGHTS, "other.pth"], check=True)
        monkeypatch.setenv("OGAART_WEIGHTS", str(folder / "other.pth"))
        monkeypatch.setenv("OGAART_KEEP_GENERATIONS", "1")


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if page in SLOW else []) for page in SHOWN if to_run(page)],
)
def test_a_page_s_commands_work_in_its_order(
    page: str, demo_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: set[str]
) -> None:
    prepare(page, demo_world, tmp_path, monkeypatch)
    stands_for = substitutions(demo_world, tmp_path)

    for shown in to_run(page):
        typed = shown
        for there, here in stands_for.items():
            typed = typed.replace(there, here)
        words = shlex.split(typed)
        environment = dict(word.split("=", 1) for word in words if re.fullmatch(r"[A-Z_]+=.*", word))
        words = [word for word in words if word not in {f"{k}={v}" for k, v in environment.items()}]
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if words[0] == "ogaart" and shown not in SERVERS:
            done = CliRunner().invoke(main, words[1:], input="")
            assert done.exit_code == 0, f"{shown}\n{done.output}"
            if (page, words[1]) == ("docs/operator/backup.md", "backup"):  # what follows is its restoration
                live_in(tmp_path / "backup", monkeypatch)
        elif shown in SERVERS and shown not in served:
            served.add(shown)
            start_and_stop(shown, monkeypatch)
        elif words[0] in {"python", "dagster"}:
            run_python(words)


def run_python(words: list[str]) -> None:
    """Run a module; what it prints into a page of docs must be that page."""
    words, target = (words[:-2], words[-1]) if ">" in words else (words, None)
    module = words[2:] if words[1] == "-m" else words
    done = subprocess.run([sys.executable, "-m", *module], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if target is not None:
        assert done.stdout == (ROOT / target).read_text(encoding="utf-8")


def start_and_stop(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a server as a person does, see it answer, and press Ctrl-C."""
    setting, path = SERVERS[line]
    port = free_port(0)
    monkeypatch.setenv(setting, str(port))
    program = Path(sys.executable).parent / "ogaart"
    process = subprocess.Popen([program, *line.split()[1:]], stderr=subprocess.DEVNULL, process_group=0)
    try:
        wait_until(lambda: process.poll() is not None or answers(f"http://127.0.0.1:{port}{path}"), 120, line)
        assert process.poll() is None, f"{line} ended by itself: {process.returncode}"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) in {0, 1, 130}
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("line", NOT_RUN)
def test_what_is_not_run_is_still_shown(line: str) -> None:
    assert line in {shown for page in SHOWN.values() for shown, _ in page}, "take it out of NOT_RUN"


def test_every_command_that_replaces_another_is_still_shown(demo_world: World, tmp_path: Path) -> None:
    everything = "\n".join(line for page in SHOWN.values() for line, _ in page)

    assert [word for word in substitutions(demo_world, tmp_path) if word not in everything] == []


def test_every_slow_or_fresh_page_is_one() -> None:
    assert {page for page in SHOWN if to_run(page)} >= SLOW | FRESH


def test_the_analyst_s_python_runs(demo_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo_world.settings.data.parent)
    page = (ROOT / "docs" / "analyst.md").read_text(encoding="utf-8")
    [program] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}

    exec(program, names)

    catalog = names["catalog"]
    assert isinstance(catalog, duckdb.DuckDBPyConnection)
    assert catalog.sql("SELECT count(*) FROM images WHERE indexed").fetchall() == [(441,)]
