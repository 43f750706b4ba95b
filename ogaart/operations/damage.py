"""One deviation that ``ogaart verify`` found, and what ``ogaart verify --repair`` does about it."""

from dataclasses import dataclass
from pathlib import Path

PUBLICATION = "publication"


@dataclass(frozen=True)
class Damage:
    """One deviation, and what repairs it.

    Attributes:
        what: state, journal, blob, table, pack, rows, vectors, collection or publication.
        where: the file, or the id.
        problem: what is wrong.
        redo: (stage, partition) pairs to materialize again.
        remove: files to remove first.
        points: points to delete from the collection.
        discard: vector space whose collection is removed first; its points are written again from the vectors.
        generation: number of a damaged generation, which is deleted once another one is in service.
        fetch_records: make the fetch records' database and journal again from what is intact in either.
        shared: make rows and objects of takedowns, reports and publications again from what is intact in either.
        facts: delete the small facts that are damaged; they are requested or made again.
    """

    what: str
    where: str
    problem: str
    redo: frozenset[tuple[str, str]] = frozenset()
    remove: tuple[Path, ...] = ()
    points: tuple[int, ...] = ()
    discard: str = ""
    generation: int = 0
    fetch_records: bool = False
    facts: bool = False
    shared: bool = False

    def row(self) -> dict[str, str]:
        """As a row of the report."""
        return {
            "what": self.what,
            "where": self.where,
            "partition": ", ".join(sorted({partition for _, partition in self.redo})),
            "asset": ", ".join(sorted({stage for stage, _ in self.redo})),
            "problem": self.problem,
        }


def one(stage: str, partition: str) -> frozenset[tuple[str, str]]:
    """A single step to materialize again."""
    return frozenset({(stage, partition)})
