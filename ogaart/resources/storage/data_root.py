"""The data root: where each store lies, which host owns it, and whether the disk has room for more."""

import os
import platform
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.storage.atomic_files import write_json
from ogaart.resources.storage.sealed_json import open_json
from ogaart.settings import Settings


class DataRootRefused(RuntimeError):
    """The data root belongs to another host, or its disk is too full to start a step."""


class OwnerUnreadable(DataRootRefused):
    """The file that names the host which owns the data root is damaged."""


@dataclass(frozen=True)
class DataRoot:
    """Paths of all stores under one root (``OGAART_DATA``)."""

    root: Path

    @classmethod
    def of(cls, settings: Settings) -> "DataRoot":
        """The data root that the settings name."""
        return cls(settings.data)

    @property
    def blobs(self) -> Path:
        """Content-addressed bytes, exactly as served."""
        return self.root / "blobs"

    @property
    def site(self) -> Path:
        """The journal of fetch records, partial downloads, robots.txt and the platform-wide delay."""
        return self.root / "site"

    @property
    def state(self) -> Path:
        """The database of state, where it is SQLite."""
        return self.root / "state.db"

    @property
    def identity(self) -> Path:
        """The id by which a PostgreSQL database of state knows the data root."""
        return self.root / "root.json"

    @property
    def tables(self) -> Path:
        """A link to the current Parquet file of each (table, stage, partition)."""
        return self.root / "tables"

    @property
    def packs(self) -> Path:
        """A link to the current uncompressed zip of each (stage, partition)."""
        return self.root / "packs"

    @property
    def vectors(self) -> Path:
        """Immutable segments of vectors, by space."""
        return self.root / "vectors"

    @property
    def derived(self) -> Path:
        """Immutable segments of what else is computed from pictures, by derived space."""
        return self.root / "derived"

    @property
    def projections(self) -> Path:
        """An operator's own projections, each named by its content."""
        return self.root / "projections"

    @property
    def models(self) -> Path:
        """Embedding models converted for faster libraries, with what was measured of them; made again where missing."""
        return self.root / "models"

    @property
    def index(self) -> Path:
        """The working collection, where it lives in the process."""
        return self.root / "index"

    @property
    def generations(self) -> Path:
        """Publications."""
        return self.root / "generations"

    @property
    def history(self) -> Path:
        """What publications held and changed."""
        return self.root / "history"

    @property
    def locks(self) -> Path:
        """Lock files; a dead process holds none."""
        return self.root / "locks"

    @property
    def scratch(self) -> Path:
        """Temporary files of running steps; the system's folder for them where the data root is read-only."""
        own = self.root / "scratch"
        if not self.root.exists() or os.access(own if own.exists() else self.root, os.W_OK):
            return own
        return Path(tempfile.gettempdir()) / f"ogaart-scratch-{os.getuid()}"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME."""
        return self.root / "dagster"

    @property
    def decisions(self) -> Path:
        """The log of what is blocked from search, with reasons: an object for each line."""
        return self.root / "decisions"

    @property
    def reports(self) -> Path:
        """The log of what visitors have reported about pictures."""
        return self.root / "reports"

    def claim(self, host: str | None = None) -> None:
        """Make this host the owner of the data root, or refuse.

        Locks and hard links hold on one host's disk only; two hosts on one shared disk would lose rows.

        Args:
            host: name to claim it under; by default this host's.

        Raises:
            DataRootRefused: another host owns the root.
            OwnerUnreadable: it cannot be known which host owns it.
        """
        mine = host or _host()
        self.root.mkdir(parents=True, exist_ok=True)
        owner_file = self.root / "owner.json"
        if owner_file.exists():
            try:
                owner = open_json(owner_file.read_bytes())["host"]
            except (ValueError, KeyError, TypeError) as cause:
                raise OwnerUnreadable(
                    f"{owner_file} does not name the host that owns the data root ({cause}): "
                    "delete it if no other host uses this root"
                ) from cause
            if owner != mine:
                raise DataRootRefused(
                    f"data root {self.root} belongs to host {owner!r}, this is {mine!r}: set OGAART_DATA to a folder "
                    f"of this host, or, if the root was moved here for good, delete {owner_file}"
                )
            return
        write_json(owner_file, {"host": mine})
        fault(Fault.OWNER_CLAIMED)

    @property
    def writable(self) -> bool:
        """Whether this process can write to it."""
        return os.access(self.root, os.W_OK | os.X_OK)

    def require_writable(self) -> None:
        """Refuse where this process cannot write; reading commands work on such a root.

        Raises:
            DataRootRefused: the data root is read-only, or belongs to another user.
        """
        if not self.writable:
            raise DataRootRefused(
                f"data root {self.root} is read-only for this user: change its owner or mode, or set OGAART_DATA to "
                "another folder; search, sql, serve, doctor, verify, metrics, reports, backup and plain gc work on "
                "it"
            )

    def require_free(self, minimum: int) -> None:
        """Refuse to start where the disk has less than ``minimum`` bytes free.

        Raises:
            DataRootRefused: too little room.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.root).free
        if free < minimum:
            raise DataRootRefused(
                f"{free:,} bytes are free under {self.root}, OGAART_MIN_FREE_BYTES requires {minimum:,}: "
                "free some space (ogaart gc), move the data root, or lower the setting"
            )


def _host() -> str:
    """A name that stays the same across reboots and container restarts with the same host name."""
    return socket.gethostname() or platform.node()
