"""``ogaart rebuild``: builds the collection or the catalog again from what is stored: no request, no embedding."""

from rich.console import Console

from ogaart.assets.catalog import REBUILD
from ogaart.core.report import Report
from ogaart.core.stages import Stage
from ogaart.operations import runs
from ogaart.operations.preconditions import add_stored_partitions, refuse_while_running
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.collection import Collection
from ogaart.resources.platform import Stores
from ogaart.resources.storage.schema import EMBEDDINGS
from ogaart.settings import Settings


def rebuild(settings: Settings, console: Console, what: str) -> Report:
    """Rebuild the collection (``index``) or the catalog (``catalog``).

    The publication in service stays until the next one is published; search continues.

    Raises:
        Locked: a run is in progress.
    """
    stores = Stores(settings)
    if what == "catalog":
        return runs.publish(settings, console, tags={REBUILD: "true"})
    refuse_while_running(stores)
    add_stored_partitions(stores)
    Collection(stores, VectorSpace.of(settings)).discard()
    return runs.materialize(settings, console, stores.tables.partitions(EMBEDDINGS), (Stage.QDRANT_COLLECTION.value,))
