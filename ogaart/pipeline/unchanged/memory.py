"""A step whose inputs are those of its last run repeats that run's outcome, without reading, parsing or comparing rows.

After each run of a stage on a partition a fact is stored: a hash of everything that decides what such a run does, and
what another one would report. The hash covers the program and its settings, the objects of the tables that the step
reads, and those that it wrote. What lies outside of the tables (fetch records, blobs, segments, the collection) each
stage compares itself, see ``StepInputs.hold``. What is missing, due, requested again or not known makes a full run, so
that a lost fact costs one run and nothing else.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import ogaart
from ogaart.core.staleness import fingerprint
from ogaart.core.states import RowState
from ogaart.pipeline.checks import CheckOutcome
from ogaart.pipeline.step import Step
from ogaart.resources.state.database import StateDamaged
from ogaart.resources.state.facts import Facts
from ogaart.resources.storage.objects import PACKS, Key, PointersUnavailable
from ogaart.resources.storage.schema import FAILURES, STEPS, TABLES
from ogaart.resources.storage.table_types import Table
from ogaart.settings import Settings

KIND = "step"
"""The kind of the facts; each is named by its stage and partition."""


class StepInputs:
    """What decides the outcome of one stage's steps.

    Args:
        reads: the tables of other stages that the step reads.
        versions: the versions that tell when the same inputs make other rows, read at each step.
    """

    def __init__(self, reads: Sequence[Table], versions: Callable[[], Sequence[object]] = tuple) -> None:
        self.reads = tuple(reads)
        self.versions = versions

    def hold(self, step: Step, relied_on: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether what lies outside of the tables is as the last run left it.

        Args:
            step: the step.
            relied_on: what ``note`` returned after that run.
        """
        return True

    def note(self, step: Step) -> dict[str, Any] | None:
        """What lies outside of the tables after a run, as JSON; None where another run may find something to do."""
        found = step.relies_on
        return found if found is not None and self.hold(step, found) else None

    def figures(self, step: Step) -> dict[str, int]:  # noqa: ARG002
        """The figures beside the counts of a step that finds nothing changed."""
        return {}

    def checks(self, step: Step) -> dict[str, CheckOutcome]:
        """The results of checks of a step that finds nothing changed; by default those of the run before it."""
        return step.checks


class RememberedWork:
    """The work of a stage on one partition, which repeats the last outcome where its inputs are the same.

    Args:
        inputs: what decides.
        work: the work itself.
    """

    def __init__(self, inputs: StepInputs, work: Callable[[Step], None]) -> None:
        self._inputs = inputs
        self._work = work

    def __call__(self, step: Step) -> None:
        """Do the work, or have the outcome that it would have."""
        memory = _Memory(step, self._inputs)
        if not memory.repeats():
            self._work(step)
            memory.store()

    def is_done(self, step: Step) -> bool:
        """Whether the work would find nothing changed; the step then has that outcome."""
        return _Memory(step, self._inputs).repeats()


def unless_unchanged(inputs: StepInputs) -> Callable[[Callable[[Step], None]], RememberedWork]:
    """Decorate the work of a stage so that it repeats the last outcome where its inputs are the same."""
    return lambda work: RememberedWork(inputs, work)


class _Memory:
    """What the last run of a step's stage and partition depended on, and its outcome."""

    def __init__(self, step: Step, inputs: StepInputs) -> None:
        self._step = step
        self._inputs = inputs
        self._facts = Facts(step.stores.state, KIND)
        self._name = f"{step.stage} {step.partition}"
        self._stored: Any = None
        self._before = self._objects()

    def repeats(self) -> bool:
        """Whether nothing has changed since the last run; the step then has its outcome."""
        step = self._step
        if step.refresh is not None or self._before is None or not step.failures.hold():
            return False
        self._stored = self._read()
        if self._stored is None or self._stored["inputs"] != self._digest(self._before):
            return False
        if not self._inputs.hold(step, self._stored["relied_on"]):
            return False
        step.repeat(
            self._stored["counts"],
            self._stored["rows"],
            {name: CheckOutcome(*check) for name, check in self._stored["checks"].items()},
            self._stored["extra"],
        )
        return True

    def store(self) -> None:
        """Remember this run, where another one would find nothing to do."""
        step, inputs, after = self._step, self._inputs, self._objects()
        if step.refresh is not None or step.relies_on is None or self._before is None or after is None:
            return
        if (relied_on := inputs.note(step)) is None:
            return
        # What others wrote since this step began was not read by it.
        read = {name: state for name, state in self._before.items() if name.stage != step.stage}
        same = (RowState.NEW, RowState.STALE, RowState.UNCHANGED)
        found = {
            "inputs": self._digest(after | read),
            "relied_on": relied_on,
            "counts": {
                RowState.UNCHANGED.value: sum(step.counts[state] for state in same),
                RowState.PENDING.value: step.counts[RowState.PENDING],
            },
            "rows": step.row_counts,
            "checks": {name: [check.passed, check.message] for name, check in inputs.checks(step).items()},
            "extra": inputs.figures(step),
        }
        if found != self._stored:
            self._facts.write(self._name, found)

    def _read(self) -> Any:
        """The stored fact; None where there is none, or it is not as it was written."""
        try:
            return self._facts.read(self._name)
        except (StateDamaged, ValueError, KeyError, TypeError):
            return None

    def _objects(self) -> dict[Key, str] | None:
        """Which objects are current of the tables that the step reads or writes; None where that is not known."""
        stage, partition = self._step.stage, self._step.partition
        own = [table.name for table in TABLES if table.stage == stage and table is not STEPS]
        keys = [Key(name, stage.value, partition) for name in (*own, FAILURES.name, PACKS)]
        keys += [Key(table.name, table.stage, partition) for table in self._inputs.reads]
        try:
            return self._step.stores.tables.objects.states(keys, partition)
        except PointersUnavailable:
            return None

    def _digest(self, objects: Mapping[Key, str]) -> str:
        step, rules = self._step, self._step.stores.site_rules
        site = [type(rules).__module__, type(rules).__qualname__]
        versions = [rules.listing_version, rules.content_version, rules.links_version, *self._inputs.versions()]
        settings = _settings_digest(step.stores.settings)
        states = sorted([key.name, state] for key, state in objects.items())
        return fingerprint(program_digest(), site, versions, settings, states)


@lru_cache(maxsize=1)
def _settings_digest(settings: Settings) -> str:
    return fingerprint("", settings.model_dump(mode="json", exclude={"data"}))


@cache
def program_digest(package: Path = Path(ogaart.__file__).parent) -> str:
    """A hash of this program's source: another version makes each step run once."""
    digest = hashlib.sha256()
    files = (f"{parent}/{name}" for parent, _, names in os.walk(package) for name in names if name.endswith(".py"))
    for path in sorted(files):
        with open(path, "rb") as file:  # noqa: PTH123 - five hundred of them
            content = file.read()
        digest.update(f"{path[len(str(package)) + 1 :]} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
