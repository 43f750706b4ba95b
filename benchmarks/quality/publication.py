"""Publishes a corpus by the platform's own runs: served on loopback, crawled, extracted, embedded and indexed."""

import os
from pathlib import Path

from rich.console import Console

from benchmarks.quality.corpus import Corpus
from ogaart.demo.server import DemoSite
from ogaart.operations import runs
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.embedding.registry import find_weights
from ogaart.resources.storage.data_root import DataRoot
from ogaart.settings import Settings

_QUERIES = '[[query]]\nname = "quality"\nart_types = ["2D Art"]\nper_page = 24\n'
_PREFIXES = ("OGAART_", "QDRANT_", "DAGSTER_HOME")


class OtherPictures(ValueError):
    """A data root holds a publication of other pictures."""


def publish(corpus: Corpus, data: Path, model: str, console: Console) -> Settings:
    """Make a data root and publish the site in it; one that is published already is used as it is.

    Args:
        corpus: what the site holds.
        data: the data root.
        model: the embedding model.
        console: where progress is shown.

    Raises:
        RuntimeError: a step failed.
        OtherPictures: what is published is not the corpus.
    """
    for name in [name for name in os.environ if name.startswith(_PREFIXES)]:
        del os.environ[name]
    data.mkdir(parents=True, exist_ok=True)
    queries = data / "queries.toml"
    queries.write_text(_QUERIES)
    os.environ.update(
        OGAART_DATA=str(data), OGAART_QUERIES=str(queries), OGAART_MODEL=model, DAGSTER_HOME=str(data / "dagster"),
        OGAART_SEARCHES_PER_MINUTE="0", OGAART_UPLOADS_PER_MINUTE="0",
    )  # fmt: skip
    of_pictures = data / "pictures.sha256"
    with DemoSite(site=corpus.content) as site:
        os.environ["OGAART_SITE"] = site.base
        settings = Settings()
        if Generations(DataRoot.of(settings).generations).current() is not None:
            if not of_pictures.exists() or of_pictures.read_text() != corpus.digest:
                raise OtherPictures(f"{data} holds a publication of other pictures; name another folder")
            return settings
        for report in (
            runs.discover(settings, console),
            runs.materialize(settings, console, None),
            runs.publish(settings, console),
        ):
            if report.errors:
                raise RuntimeError("\n".join(report.errors))
    of_pictures.write_text(corpus.digest)
    return settings


def has_weights(model: str) -> bool:
    """Whether the published weights of a model are on this machine: without them it is not measured."""
    return find_weights(Settings(model=model)).path is not None
