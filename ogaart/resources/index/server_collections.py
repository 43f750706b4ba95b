"""The collections of one vector space on a server: one that is written to, one that is searched, and who says which.

Aliases do, each switched by one request that readers see wholly or not at all. ``<collection>.working`` names the one
that steps write to, ``<collection>.published`` the one that searches read, and ``ogaart-published``, for other
programs, the one of the publication in service, whatever its space. The first two name the same collection, until a
rebuild begins a new one beside it: that is filled and audited, then the next publication names it as published, and the
one before is deleted last. A collection of a new space lies beside the old one under its own name.
"""

import logging
import re
import uuid
from collections.abc import Callable, Iterable, Mapping

from qdrant_client import models

from ogaart.resources.index.base import IndexUnreachable, collection_name
from ogaart.resources.index.server_requests import Server

_log = logging.getLogger(__name__)
IN_SERVICE = "ogaart-published"
"""The alias of the collection of the publication in service."""


class SpaceCollections:
    """The collections of a space.

    Args:
        server: where they are.
        space: the vector space.
    """

    def __init__(self, server: Server, space: str) -> None:
        self._server = server
        self.base = collection_name(space)
        """The first collection's name; those after it have a suffix."""
        self.working = f"{self.base}.working"
        self.published = f"{self.base}.published"

    def aliases(self) -> dict[str, str]:
        """What every alias on the server names."""
        found = self._server.ask(self._server.client.get_aliases).aliases
        return {one.alias_name: one.collection_name for one in found}

    def to_write(self, create: Callable[[str], object]) -> str:
        """The collection that is written to; ``create`` makes one of a name where it is missing.

        The caller holds the lock of the space's collection.
        """
        there = self.aliases()
        if self.working in there:
            return there[self.working]
        began_anew = self.published in there
        name = f"{self.base}.{uuid.uuid4().hex[:8]}" if began_anew else self.base
        create(name)
        self._name({self.working: name} if began_anew else {self.working: name, self.published: name})
        return name

    def to_read(self, *, published: bool) -> str | None:
        """The name to read by, an alias where there is one, so that a switch needs no second look; None: no collection.

        Args:
            published: what is searched; otherwise what is written to.
        """
        there = self.aliases()
        alias = self.published if published else self.working
        if alias in there:
            return alias
        if self.published in there:  # a new one is begun, and nothing is written yet
            return None
        return self.base if self._server.ask(self._server.client.collection_exists, self.base) else None

    def begin_anew(self) -> None:
        """Let the next writer make a new collection; the one before is searched until the next ``publish``."""
        there = self.aliases()
        before = there.get(self.working)
        if before is None and self.published not in there:
            if not self._server.ask(self._server.client.collection_exists, self.base):
                return
            before = self.base
        changes: dict[str, str | None] = {self.working: None}
        if self.published not in there:
            changes[self.published] = before
        self._name(changes, there)

    def publish(self) -> None:
        """Let searches read what was written to; one request switches all aliases."""
        there = self.aliases()
        current = there.get(self.working)
        if current is not None:
            wanted = {self.published: current, IN_SERVICE: current}
            self._name({alias: name for alias, name in wanted.items() if there.get(alias) != name}, there)

    def unused(self) -> list[str]:
        """Collections of this space that no alias names: what a rebuild replaced, or was killed over."""
        named = set(self.aliases().values())
        return [name for name in self.names() if name not in named]

    def names(self) -> list[str]:
        """All collections of this space."""
        own = re.compile(re.escape(self.base) + r"(\.[0-9a-f]{8})?")
        found = self._server.ask(self._server.client.get_collections).collections
        return sorted(one.name for one in found if own.fullmatch(one.name))

    def delete(self, names: Iterable[str], *, snapshots: bool) -> None:
        """Delete collections, each after a snapshot of it was made, unless it is empty.

        Raises:
            IndexUnreachable: the server made no snapshot, and so nothing was deleted.
        """
        client = self._server.client
        for name in names:
            if snapshots and self._server.ask(client.count, name, exact=True).count:
                try:
                    made = self._server.ask(client.create_snapshot, name)
                except IndexUnreachable as cause:
                    raise IndexUnreachable(
                        f"{cause}: without a snapshot, collection {name} is not deleted; make room on the server, or "
                        "set OGAART_QDRANT_SNAPSHOTS=false to delete without"
                    ) from cause
                shown = made.name if made is not None else "of an unknown name"
                _log.warning("collection %s is deleted; the server keeps its snapshot %s", name, shown)
            self._server.ask(client.delete_collection, name)

    def _name(self, changes: Mapping[str, str | None], there: Mapping[str, str] | None = None) -> None:
        """Let aliases name other collections, or None, all in one request."""
        known = self.aliases() if there is None else there
        operations: list[models.AliasOperations] = [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
            for alias in changes
            if alias in known
        ]
        operations += [
            models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=alias))
            for alias, collection in changes.items()
            if collection is not None
        ]
        if operations:
            self._server.ask(self._server.client.update_collection_aliases, operations)
