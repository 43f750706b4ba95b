"""Measure how well the search finds edited and related pictures: ``make quality``.

The demo's art with made sheets is published in a temporary data root by the platform's own runs. Then each kind of edit
and of natural relatives is searched for, and counted for each way of ranking and for the search as it is.
"""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.quality.corpus import demo_corpus, folder_corpus
from benchmarks.quality.edits import EDITS
from benchmarks.quality.measure import Measured, measure
from benchmarks.quality.publication import OtherPictures, has_weights, publish
from benchmarks.quality.report import document, tables
from ogaart.resources.embedding.registry import available_models

_DOCUMENT = Path(__file__).parents[2] / "docs" / "quality.md"
_INTRODUCTION = Path(__file__).with_name("introduction.md")


def main() -> None:
    """Publish, measure, print; write docs/quality.md where that is wanted."""
    parser = argparse.ArgumentParser(prog="make quality", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, help="measure pictures of your own; each subfolder is a group of relatives"
    )
    parser.add_argument(
        "--model", action="append", choices=sorted(available_models()), help="measure this one; repeatable"
    )
    parser.add_argument("--pictures", type=int, default=150, help="searched for, of each kind (default 150)")
    parser.add_argument("--data", type=Path, help="keep the publications in this folder, and use those that are there")
    parser.add_argument("--relatives", action="store_true", help="measure relatives alone, which takes a fifth as long")
    parser.add_argument("--write", action="store_true", help="write docs/quality.md")
    arguments = parser.parse_args()
    if arguments.write and arguments.folder is not None:
        parser.error("--write: docs/quality.md is of the demo's art; leave out --folder")
    if arguments.write and arguments.relatives:
        parser.error("--write: docs/quality.md has all tables; leave out --relatives")
    if arguments.pictures < 1:
        parser.error("--pictures: at least 1")
    console = Console(stderr=True)
    try:
        corpus = demo_corpus() if arguments.folder is None else folder_corpus(arguments.folder)
    except ValueError as cause:
        parser.error(f"--folder: {cause}")
    if corpus.left_out:
        console.print(f"Not readable, left out: {', '.join(corpus.left_out)}", markup=False, highlight=False)
    done: list[Measured] = []
    missing: list[str] = []
    for model in arguments.model or sorted(available_models()):
        if not has_weights(model):
            missing.append(model)
            print(f"{model}: not measured, its published weights are not on this machine\n")
            continue
        with tempfile.TemporaryDirectory(prefix="ogaart-quality-") as scratch:
            folder = arguments.data or Path(scratch)
            try:
                settings = publish(corpus, (folder / model).resolve(), model, console)
            except OtherPictures as cause:
                parser.error(f"--data: {cause}")
            edits = () if arguments.relatives else EDITS
            done.append(measure(settings, corpus, pictures=arguments.pictures, edits=edits))
        print(tables(done[-1]))
    if arguments.write:
        _DOCUMENT.write_text(document(_INTRODUCTION.read_text(), done, missing, arguments.pictures))


if __name__ == "__main__":
    main()
