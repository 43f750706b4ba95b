"""The project's own Dagster instance: its home under the data root, made before anything opens it, and runs on it."""

import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import DatabaseError

from ogaart.core.errors import InstanceConfigInvalid, InstanceUnreachable
from ogaart.orchestration.dagster_internals import (
    CONFIG_ERRORS,
    REPOSITORY_TAGS,
    interruptible_claims,
    keep_compiled,
    partitions_read_once,
)
from ogaart.orchestration.extras import database_errors, require_extra
from ogaart.orchestration.run_reaper import process_tag, reap_for
from ogaart.resources.objects.store import ObjectsRefused
from ogaart.resources.state.database import StateDamaged, StateRefused
from ogaart.resources.storage.atomic_files import write_durably
from ogaart.resources.storage.data_root import DataRoot, DataRootRefused
from ogaart.resources.storage.file_hashes import hash_note, note_hash
from ogaart.settings import Settings, shipped_file

EMBEDDER_POOL = "embedder"
"""The pool of the steps that embed."""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Interrupted(KeyboardInterrupt):
    """A signal ended the process; Dagster has turned it into the failure of one step."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run_id: str
    success: bool
    errors: tuple[str, ...]
    kinds: tuple[str, ...]
    """Names of the classes of what its steps raised."""
    metadata: Mapping[str, Mapping[str, Any]]
    """Materialization metadata by asset name, of the run's last partition; of jobs of ops, output metadata by op."""
    partitions: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """Materialization metadata by partition and asset name."""


def instance_config() -> Path:
    """The committed dagster.yaml."""
    return shipped_file("dagster.yaml")


ON_POSTGRES = b"""storage:
  postgres:
    postgres_url: { env: OGAART_DAGSTER_DATABASE }
"""
"""What follows the committed dagster.yaml where Dagster's instance is in PostgreSQL."""
_MODULE = re.compile(r"^(?:\w+\.)+(\w+)(?=: )")
_STATEMENT = re.compile(r"\n\[SQL: .*", re.DOTALL)
"""What SQLAlchemy adds to a database's error, for programmers."""
_MARKUP = ": <?xml"
"""How a server's own page begins within a client's error."""
_IN_WORDS = frozenset(kind.__name__ for kind in (ObjectsRefused, StateRefused, StateDamaged))
"""Errors whose text has what is to be known of their cause, which is a library's."""
_OF_SETTING = b" # OGAART_CONCURRENT_RUNS"
"""What follows the number of runs where a setting gave it."""
_LIMIT = re.compile(rb"(max_concurrent_runs: )\d+(%b)?" % _OF_SETTING)


def prepare_home(settings: Settings) -> Path:
    """Make DAGSTER_HOME under the data root and set it in the environment; returns it."""
    root = DataRoot.of(settings)
    root.claim()
    root.require_writable()
    root.dagster.mkdir(parents=True, exist_ok=True)
    _keep_config(root.dagster / "dagster.yaml", settings)
    os.environ["DAGSTER_HOME"] = str(root.dagster)
    return root.dagster


def refuse_split_root(settings: Settings) -> None:
    """Refuse to load where DAGSTER_HOME, which Dagster has opened already, is not under the data root.

    ``ogaart up`` and the other commands set both. Dagster's own ``dagster dev`` and ``dg dev`` take DAGSTER_HOME from
    the environment or from the file ``.env``, which does not follow OGAART_DATA.

    Raises:
        DataRootRefused: rows would be written under one folder, and the history of runs under another.
    """
    home, wanted = os.environ.get("DAGSTER_HOME"), DataRoot.of(settings).dagster
    if home and Path(home).resolve() != wanted.resolve():
        raise DataRootRefused(
            f"DAGSTER_HOME is {home}, but the data root is {settings.data} (OGAART_DATA): rows and Dagster's history "
            f"would be in two places. Start Dagster with `ogaart up`, or set DAGSTER_HOME={wanted} as well; the file "
            ".env sets it for the data root ./data"
        )


def _keep_config(path: Path, settings: Settings) -> None:
    """Put the instance's configuration in place, unless it is there; an operator's own file stays as it is.

    A file that is a beginning of the shipped one was cut off by a kill, and is replaced: with it Dagster would not
    start, or would run without limits. So is the shipped one for other settings. The hash of what is in place is noted
    beside it, unless one is there: who changes the file deletes the note.

    Raises:
        DataRootRefused: an operator's own file does not name the database that the settings name.
        ExtraMissing: the package for that database is not installed.
    """
    kept = path.read_bytes() if path.exists() else b""
    if settings.dagster_database is not None:
        require_extra("postgres")
    wanted, ours = _shipped_for(settings, kept)
    if settings.dagster_database is not None and not ours and b"postgres" not in kept:
        raise DataRootRefused(
            f"OGAART_DAGSTER_DATABASE is set, but {path} is your own and names no PostgreSQL database: delete the "
            f"file, or add to it:\n{ON_POSTGRES.decode()}"
        )
    if ours and kept != wanted:
        write_durably(path, wanted)
        note_hash(path)
    elif not hash_note(path).exists():
        note_hash(path)


def _shipped_for(settings: Settings, kept: bytes) -> tuple[bytes, bool]:
    """The shipped configuration for the settings, and whether what is in place is the shipped one for any settings.

    A number of runs that no setting gave is the operator's, and stays where no setting names another.
    """
    shipped, limit = instance_config().read_bytes(), settings.concurrent_runs
    own = _LIMIT.search(shipped)
    assert own is not None
    head = kept.removesuffix(ON_POSTGRES)
    found = _LIMIT.search(head)
    chosen = found is not None and not found[2] and _LIMIT.sub(own[0], head, count=1) == shipped
    if limit is not None:
        wanted = _LIMIT.sub(rb"\g<1>%d%b" % (limit, _OF_SETTING), shipped, count=1)
    else:
        wanted = head if chosen else shipped
    tail = b"" if settings.dagster_database is None else ON_POSTGRES
    return wanted + tail, (shipped + ON_POSTGRES).startswith(_LIMIT.sub(own[0], kept, count=1))


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The project's instance, its dead runs reaped.

    Raises:
        DataRootRefused: Dagster's own files are damaged.
        InstanceConfigInvalid: its dagster.yaml is not valid.
        InstanceUnreachable: its PostgreSQL database does not respond.
    """
    home = prepare_home(settings)
    keep_compiled()
    with ExitStack() as stack:
        try:
            instance = stack.enter_context(_configured_instance(home / "dagster.yaml"))
            _limit_embedding(instance, settings.embedding_steps)  # in a database of its own, opened by its first query
            reap_for(settings, instance)
        except database_errors(settings) as cause:
            raise _unreachable(cause) from cause
        except DatabaseError as cause:
            if type(cause) is not DatabaseError:  # such as one that is locked for the moment
                raise
            raise DataRootRefused(
                f"Dagster's history of runs in {home} is damaged ({cause.orig}): stop `ogaart up`, move "
                f"{home / 'history'} and {home / 'schedules'} away, then run `ogaart rebuild catalog`; "
                "what was fetched, made and published is stored elsewhere and is complete"
            ) from cause
        yield instance


def try_database(settings: Settings) -> None:
    """Connect once to the instance's PostgreSQL, where it has one: the instance itself tries again for 12 seconds.

    Raises:
        InstanceUnreachable: it does not respond.
        ExtraMissing: the package for it is not installed.
    """
    if settings.dagster_database is None:
        return
    require_extra("postgres")
    engine = create_engine(settings.dagster_database.get_secret_value(), poolclass=NullPool)
    try:
        engine.connect().close()
    except DatabaseError as cause:
        raise _unreachable(cause) from cause


def _unreachable(cause: Exception) -> InstanceUnreachable:
    reason = (str(cause.__cause__ or cause).strip().splitlines() or [type(cause).__name__])[0]
    return InstanceUnreachable(
        f"the database of Dagster's instance does not respond ({reason}): start it, or correct OGAART_DAGSTER_DATABASE"
    )


def _limit_embedding(instance: dg.DagsterInstance, steps: int | None) -> None:
    """Give the pool of the embedding steps as many slots as the settings name; unset, it stays as it is."""
    limits = {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}
    if steps is not None and limits.get(EMBEDDER_POOL) != steps:
        instance.event_log_storage.set_concurrency_slots(EMBEDDER_POOL, steps)


def _configured_instance(config: Path) -> dg.DagsterInstance:
    """The instance that a dagster.yaml describes.

    Raises:
        InstanceConfigInvalid: it describes none.
    """
    way_out = f"correct it, or delete it and {hash_note(config).name} beside it: the shipped file takes its place"
    try:
        is_mapping = isinstance(yaml.safe_load(config.read_text(encoding="utf-8")), dict)
        instance = dg.DagsterInstance.get() if is_mapping else None
    except (*CONFIG_ERRORS, yaml.YAMLError) as cause:
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("Error 1: ")), (lines or [type(cause).__name__])[0])
        reason = reason.removeprefix("Error 1: ").partition(" Expected: ")[0].rstrip(".")
        raise InstanceConfigInvalid(f"Dagster does not accept {config} ({reason}): {way_out}") from cause
    if instance is None:
        raise InstanceConfigInvalid(f"{config} is not a YAML mapping: {way_out}")
    return instance


def run_job(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    job: str | None,
    *,
    partition: str | None = None,
    assets: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    verbose: bool = False,
    raise_on_error: bool = False,
) -> Outcome:
    """Run a job in this process, as a real run of the instance.

    Args:
        instance: the instance that records it.
        definitions: the project's definitions.
        job: the job's name; None for the assets alone, as the UI's "Materialize" does.
        partition: the partition, for partitioned jobs.
        assets: names of the assets to materialize; all of the job's where empty.
        config: run config of its ops.
        tags: more tags of the run.
        verbose: whether Dagster logs to the terminal.
        raise_on_error: let the exception of a step, or of what it needs, pass, once the run is recorded as failed.

    Raises:
        Interrupted: SIGINT or SIGTERM ended the run, and is meant for the whole command.
    """
    chosen = definitions.resolve_job_def(job) if job else definitions.resolve_implicit_global_asset_job_def()
    looked_up_once = partitions_read_once(instance) if assets else nullcontext()
    with interruptible_claims(), looked_up_once, _interruption_meant_for_the_command(), _own_exceptions():
        result = chosen.execute_in_process(
            run_config={**(config or {}), **({} if verbose else QUIET)},
            instance=instance,
            partition_key=partition,
            asset_selection=[dg.AssetKey(name) for name in assets] or None,
            run_id=str(uuid.uuid4()),
            tags={**REPOSITORY_TAGS, **process_tag(), **(tags or {})},
            raise_on_error=raise_on_error,
        )
    failures: list[Any] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    failures += [event.job_failure_data for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE"]
    if any(map(_interrupted, failures)):
        raise Interrupted(f"run {result.run_id} was interrupted")
    steps = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    ends = [event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE"]
    errors = [failure_message(step) for step in steps] or [
        _message_of(_raised(end.job_failure_data)) or end.message or "" for end in ends
    ]
    metadata: dict[str, dict[str, Any]] = {}
    partitions: dict[str, dict[str, dict[str, Any]]] = {}
    for event in result.get_asset_materialization_events():
        if event.asset_key is not None:
            facts = {k: v.value for k, v in event.materialization.metadata.items()}
            metadata[event.asset_key.path[-1]] = facts
            if event.partition is not None:
                partitions.setdefault(event.partition, {})[event.asset_key.path[-1]] = facts
    for event in result.all_events:
        if event.is_successful_output and event.step_output_data.metadata:
            facts = {k: v.value for k, v in event.step_output_data.metadata.items()}
            metadata.setdefault(str(event.step_key), facts)
    raised = [_raised(failure) for failure in (*steps, *(end.job_failure_data for end in ends))]
    kinds = tuple(str(error.cls_name) for error in raised if error is not None)
    return Outcome(result.run_id, result.success, tuple(errors), kinds, metadata, partitions)


@contextmanager
def _interruption_meant_for_the_command() -> Iterator[None]:
    try:
        yield
    except dg.DagsterExecutionInterruptedError as cause:  # where a step's own exception passes
        raise Interrupted("the run was interrupted") from cause


@contextmanager
def _own_exceptions() -> Iterator[None]:
    """Let what a step needs, such as the database of state, fail with its own exception where steps do."""
    try:
        yield
    except dg.DagsterResourceFunctionError as cause:
        raise cause.user_exception from cause


def _interrupted(failure: Any) -> bool:
    error = failure.error
    while error is not None and error.cls_name != dg.DagsterExecutionInterruptedError.__name__:
        error = error.cause
    return error is not None


def failure_message(failure: Any) -> str:
    """What a step raised, from its ``step_failure_data``: class and text, and a cause that the text lacks."""
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    return _message_of(_raised(failure)) or "failed without an error"


def _message_of(error: Any) -> str:
    """Class and text of an error, and the first line of a cause that the text lacks; empty where there is none."""
    if error is None:
        return ""
    cause = error
    while cause.cause is not None and error.cls_name not in _IN_WORDS:
        cause = cause.cause
    text, reason = (_STATEMENT.sub("", _MODULE.sub(r"\1", str(one.message).strip())) for one in (error, cause))
    reason = reason.partition("\n")[0].partition(_MARKUP)[0]
    return text if reason.partition(": ")[2] in text else f"{text} ({reason})"


def _raised(failure: Any) -> Any:
    """The error that a step, or what it needs, raised, within those that Dagster wraps it in; None where none is."""
    error = failure.error
    while error is not None and error.cause is not None and error.cls_name.startswith("Dagster"):
        error = error.cause
    return error
