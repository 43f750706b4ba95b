"""What a host that serves searches follows of a bucket: the publication in service, and the takedowns."""

from ogaart.resources.moderation.line_log import LineLog
from ogaart.resources.objects.store import ObjectStore
from ogaart.resources.publications.mirror import PublicationMirror
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.storage.data_root import DataRoot
from ogaart.settings import Settings


class Following:
    """The publication and the takedowns of all hosts of a bucket, over one connection pool.

    Args:
        settings: the settings; the data root is the host's own folder.
        objects: the bucket.
    """

    def __init__(self, settings: Settings, objects: ObjectStore) -> None:
        self._state = StateDatabase(settings)
        self.mirror = PublicationMirror(settings, self._state, objects)
        """Copies the publication in service into the folder."""
        self.decisions = LineLog(self._state, objects, DataRoot.of(settings).decisions)
        """What the operator has blocked, on whichever host."""

    def close(self) -> None:
        """Close the connections."""
        self._state.close()
