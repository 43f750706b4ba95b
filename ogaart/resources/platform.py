"""What a step touches, opened once for a run: settings, stores, the site, and the lock that shows the run alive."""

import os
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.garbage import keep_out_of_collections
from ogaart.resources.moderation.line_log import LineLog
from ogaart.resources.objects.factory import evict_copies, open_objects
from ogaart.resources.objects.segments_mirror import SegmentsMirror
from ogaart.resources.site.bucket_fetch_records import open_fetch_records
from ogaart.resources.site.client import SiteClient
from ogaart.resources.site.fetch_records import FetchRecords
from ogaart.resources.site.partial_downloads import clean_up_partials
from ogaart.resources.site.sweeps import Sweeps
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.leases import leased
from ogaart.resources.state.locks import hold_everywhere
from ogaart.resources.state.pointers import Pointers
from ogaart.resources.storage.blobs import Blobs
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.leftovers import clean_up_leftovers
from ogaart.resources.storage.lock_names import bus_error_note, catalog_lock, run_lock
from ogaart.resources.storage.locks import hold_together, is_free
from ogaart.resources.storage.tables import Tables
from ogaart.settings import Settings
from ogaart.sites.base import Site, SiteQuery
from ogaart.sites.registry import open_site
from ogaart.workers.bus_errors import report_bus_errors


class Stores:
    """Settings and the stores under one data root; plain Python, for assets, commands and tests alike.

    Args:
        settings: the settings.
        claim: make this host the data root's owner, or refuse.
        copying: as of ``StateDatabase``.
    """

    def __init__(self, settings: Settings, *, claim: bool = True, copying: bool = False) -> None:
        self.settings = settings
        self.root = DataRoot.of(settings)
        if claim:
            self.root.claim()
        self.state = StateDatabase(settings, copying=copying)
        """The database of state, opened when first used."""
        self.objects = open_objects(settings)
        """Where everything that never changes is durable."""
        self.tables = Tables(self.root.root, Pointers(self.state), self.objects)
        self.blobs = Blobs(self.root.blobs, self.objects)
        self.segments = SegmentsMirror(self.objects, self.root.vectors, self.root.derived)
        self._open = ExitStack()
        self._open.callback(self.state.close)

    @cached_property
    def fetch_records(self) -> FetchRecords:
        """What the site returned for each URL."""
        return open_fetch_records(self.state, self.root.site, self.objects)

    @cached_property
    def decisions(self) -> LineLog:
        """What the operator has blocked, and why."""
        return LineLog(self.state, self.objects, self.root.decisions)

    @cached_property
    def reports(self) -> LineLog:
        """What visitors have reported."""
        return LineLog(self.state, self.objects, self.root.reports)

    @cached_property
    def sweeps(self) -> Sweeps:
        """What each query held when all its pages were read at once."""
        return Sweeps(self.state, self.root.site)

    @cached_property
    def site(self) -> SiteClient:
        """The client of the site, opened when first used."""
        client = SiteClient(self.settings, self.blobs, self.root.site, state=self.state)
        self._open.callback(client.close)
        return client

    @cached_property
    def site_rules(self) -> Site:
        """What is known of the site: its URLs, keys and pages."""
        return open_site(self.settings)

    @cached_property
    def queries(self) -> dict[str, SiteQuery]:
        """The configured queries by name."""
        return self.site_rules.load_queries(self.settings.queries)

    def hold(self, path: Path, timeout: float = 0.0, what: str = "") -> AbstractContextManager[None]:
        """Hold a lock for all hosts that share the database; arguments and errors as ``locks.hold_everywhere``."""
        return hold_everywhere(self.state, path, timeout, what)

    def close(self) -> None:
        """Close what was opened."""
        self._open.close()


class Platform(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The stores as a Dagster resource; everything in it comes from the environment (see Settings)."""

    _stores: Stores | None = PrivateAttr(default=None)
    _held: ExitStack = PrivateAttr(default_factory=ExitStack)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Open the stores; hold this run's lock while the process lives."""
        with ExitStack() as held:  # let go again where the rest fails: no process lives that would continue the run
            stores = self._set_up(held, context.run_id)
            self._held = held.pop_all()
        self._stores = stores

    def _set_up(self, held: ExitStack, run_id: str | None) -> Stores:
        """Open the stores and take what a run holds."""
        keep_out_of_collections()
        stores = Stores(Settings())
        note = bus_error_note(stores.root, run_id) if run_id is not None else None
        held.enter_context(report_bus_errors(stores.root.root, note))
        if run_id is not None:
            held.enter_context(hold_together(run_lock(stores.root, run_id), what=f"run {run_id}"))
        held.callback(stores.close)
        if run_id is not None:
            held.enter_context(leased(stores.state, run_id))
        fault(Fault.RUN_STARTED)
        stores.tables.clean_up()
        clean_up_leftovers(stores.root)
        evict_copies(stores.settings, cut_in_use=not is_free(catalog_lock(stores.root)))
        clean_up_partials(stores.root.site)
        return stores

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Close the stores and let the run's lock go."""
        self._held.close()
        self._stores = None

    @property
    def stores(self) -> Stores:
        """The open stores."""
        if self._stores is None:
            raise RuntimeError(f"the platform of process {os.getpid()} is not set up: use it inside a run")
        return self._stores
