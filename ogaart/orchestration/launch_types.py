"""What decisions about launches are made from, and what they say: partitions, their entries, past runs, launches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ogaart.core.states import TOMBSTONES
from ogaart.resources.site.sweeps import SweepPage


class LaunchReason(StrEnum):
    """Why a run is launched, most urgent first."""

    PROCESS = "not processed yet"
    NEW = "new partition"
    UNREAD = "not read to its end"
    MEMBERS = "its members changed"
    FAILURES = "failures are due"
    LEFT = "entries left it"
    REFRESH = "oldest first"


@dataclass(frozen=True)
class KnownEntry:
    """One entry's row in a partition."""

    status: str
    fetched_at: datetime | None
    files: int = 0
    fails: bool = False  # its page failed when it was last requested, and is tried again at a time of its own
    posted_at: datetime | None = None
    changed_at: datetime | None = None
    files_checked_at: tuple[datetime, ...] = ()  # when its readable files were last served, confirmed or given up
    given_up_at: datetime | None = None  # when its page failed so often that it is requested like any other


@dataclass(frozen=True)
class PartitionStatus:
    """The state of one partition: its rows, beside its page in the last sweep.

    Attributes:
        key: the partition.
        swept: its page in the last accepted sweep, empty where the query has fewer pages by now; None: never swept.
        query: every entry of that sweep.
        listed: entries that its rows list; None: it was never read.
        listed_at: when that listing was read.
        entries: its entries by slug.
        due: failures of site stages whose next try has come.
        unread: whether a site stage has not run since the one before it did: a run failed or was killed there.
        behind: whether its offline stages have not run since its site stages did.
    """

    key: str
    swept: SweepPage | None = None
    query: frozenset[str] = frozenset()
    listed: frozenset[str] | None = None
    listed_at: datetime | None = None
    entries: Mapping[str, KnownEntry] = field(default_factory=dict)
    due: int = 0
    unread: bool = False
    behind: bool = False

    @property
    def changed(self) -> bool:
        """Whether the sweep saw other entries on its page, and saw them later."""
        if self.swept is None or self.listed is None or self.listed_at is None:
            return False
        return self.swept.slugs != self.listed and self.swept.at > self.listed_at

    @property
    def left(self) -> list[str]:
        """Entries that it holds and does not list, tombstones excepted."""
        listed = self.listed or frozenset()
        return [s for s, held in self.entries.items() if s not in listed and held.status not in TOMBSTONES]


@dataclass(frozen=True)
class PastRun:
    """The outcome of an ended run that a decision launched, on one partition; newest first in a sequence.

    Attributes:
        key: the partition.
        reason: why it was launched.
        ok: whether the run succeeded, on all its partitions.
        started_at: when it began.
        ended_at: when it ended.
        together: how many partitions it had.
    """

    key: str
    reason: LaunchReason
    ok: bool
    started_at: datetime
    ended_at: datetime
    together: int = 1


@dataclass(frozen=True)
class Launch:
    """A run to launch.

    Attributes:
        key: its partition.
        reason: why.
        requests: how many requests it is expected to make.
        before: what was last read before this time is read again; None: nothing is.
    """

    key: str
    reason: LaunchReason
    requests: int = 0
    before: datetime | None = None
