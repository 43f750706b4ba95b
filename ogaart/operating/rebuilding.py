"""``ogaart rebuild``: the collection or the catalog made anew from what is stored, the site and the network unasked."""

from rich.console import Console

from ogaart import work
from ogaart.assets.catalog import REBUILD
from ogaart.operating.partitions_at_work import add_stored_partitions, refuse_while_running
from ogaart.reports import Report
from ogaart.resources.collection import Collection
from ogaart.resources.embedder import Embedder
from ogaart.resources.platform import Stores
from ogaart.resources.schema import EMBEDDINGS
from ogaart.settings import Settings
from ogaart.words import Stage


def rebuild(settings: Settings, console: Console, what: str) -> Report:
    """Make the collection (``index``) or the catalog (``catalog``) anew.

    The publication in service stays until the next one is published; search goes on.

    Raises:
        Locked: a run is in progress.
    """
    stores = Stores(settings)
    if what == "catalog":
        return work.publish(settings, console, tags={REBUILD: "true"})
    refuse_while_running(stores)
    add_stored_partitions(stores)
    embedder = Embedder(settings)
    Collection(stores, embedder.space, embedder.dimension).discard()
    return work.materialize(settings, console, stores.tables.partitions(EMBEDDINGS), (Stage.QDRANT_COLLECTION.value,))
