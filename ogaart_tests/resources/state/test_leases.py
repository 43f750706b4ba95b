"""Leases: who holds one is known on all hosts, while its process lives and no longer."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from ogaart.core.fault_injection import Fault, passed
from ogaart.core.process_identity import this_process
from ogaart.resources.state import leases
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import read_fact, write_fact
from ogaart.resources.state.leases import KIND, live_leases
from ogaart.resources.state.locks import LockLost, hold_all_everywhere, hold_everywhere
from ogaart.resources.storage.locks import Locked
from ogaart.settings import Settings
from ogaart_tests.postgres import END_SESSIONS, Postgres, postgres
from ogaart_tests.ui import wait_until

__all__ = ["postgres"]

ELSEWHERE = "1:1.00@elsewhere"
HOLD = """
import sys, time
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.leases import leased
from ogaart.settings import Settings
with leased(StateDatabase(Settings()), "run"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def url(postgres: Postgres) -> SecretStr:
    return SecretStr(postgres.fresh("leases"))


@pytest.fixture
def state(tmp_path: Path, url: SecretStr) -> Iterator[StateDatabase]:
    with closing(StateDatabase(Settings(data=tmp_path / "data", database_url=url))) as found:
        yield found


def note(state: StateDatabase, process: str, seconds_ago: float) -> None:
    """A lease of another process, as it was renewed last."""
    with state.writing() as connection:
        now = float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")))
        fact = {"what": "other", "process": process, "renewed": now - seconds_ago}
        write_fact(connection, KIND, f"other {process}", fact)


def test_sqlite_has_none(tmp_path: Path) -> None:
    with closing(StateDatabase(Settings(data=tmp_path))) as state, leases.leased(state, "run"):
        assert live_leases(state) == []


@pytest.mark.slow
def test_a_lease_counts_while_it_is_renewed(
    state: StateDatabase, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.1)
    monkeypatch.setattr(leases, "LAPSES", 0.0)  # but of what was renewed after the server's last start, by this clock
    note(state, ELSEWHERE, 10.0)
    assert live_leases(state) == []
    monkeypatch.setattr(leases, "LAPSES", 3600.0)
    assert [lease.process for lease in live_leases(state)] == [ELSEWHERE]
    with leases.leased(state, "run"):
        postgres.restart()
        names = "SELECT count(*) FROM facts WHERE kind = 'lease'"
        with state.writing() as connection:
            connection.execute(sa.text("DELETE FROM facts"))  # as a repair of the database does

        def renewed() -> bool:
            with state.reading() as connection:
                return bool(connection.scalar(sa.text(names)))

        wait_until(renewed, 60, "the lease to be renewed")
        assert [(lease.what, lease.process) for lease in live_leases(state)] == [("run", this_process())]
    assert live_leases(state) == []


@pytest.mark.slow
def test_a_renewal_that_fails_of_whatever_cause_is_tried_again(
    state: StateDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.05)
    monkeypatch.setattr(leases, "LAPSES", 3600.0)
    passed.clear()
    monkeypatch.setenv("OGAART_FAULT", f"{Fault.STATE_DRAFTED}:2:full")  # an error of neither database nor bucket

    with leases.leased(state, "run"):
        wait_until(lambda: passed[Fault.STATE_DRAFTED] > 3, 60, "the lease to be renewed after that")

        assert [lease.what for lease in live_leases(state)] == ["run"]


@pytest.mark.slow
def test_a_lease_of_another_machine_of_the_same_name_counts(
    state: StateDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LAPSES", 3600.0)
    same_name = f"999999999:1.00@{socket.gethostname()}/00000000-0000-4000-8000-000000000000"
    note(state, same_name, 1.0)
    with state.writing() as connection:
        write_fact(connection, KIND, "of a later version", {"holder": "x"})

    assert [lease.process for lease in live_leases(state)] == [same_name]


@pytest.mark.slow
def test_a_killed_process_of_this_host_holds_none(state: StateDatabase, url: SecretStr) -> None:
    environment = {**os.environ, "OGAART_DATA": str(state.folder), "OGAART_DATABASE_URL": url.get_secret_value()}
    process = subprocess.Popen([sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    assert [lease.what for lease in live_leases(state)] == ["run"]

    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert live_leases(state) == []


def test_a_lease_counts_no_longer_for_a_clock_that_was_set_back(state: StateDatabase) -> None:
    note(state, ELSEWHERE, seconds_ago=-3 * 3600.0)

    counted = live_leases(state)

    with state.reading() as connection:
        now = float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")))
        renewed = read_fact(connection, KIND, f"other {ELSEWHERE}")["renewed"]
    assert [lease.process for lease in counted] == [ELSEWHERE]
    assert renewed <= now  # it lapses as any other, unless its process renews it


def test_a_server_that_started_after_now_keeps_no_lease(state: StateDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    note(state, ELSEWHERE, seconds_ago=leases.LAPSES + 1.0)
    later = "SELECT extract(epoch FROM clock_timestamp()), extract(epoch FROM clock_timestamp()) + 7200"
    monkeypatch.setattr(leases, "_NOW", sa.text(later))

    assert live_leases(state) == []


@pytest.mark.slow
def test_many_locks_are_held_on_all_hosts_or_none(
    state: StateDatabase, tmp_path: Path, url: SecretStr, postgres: Postgres
) -> None:
    with state.reading():
        pass  # which gives the data root its id
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "root.json").write_bytes((state.folder / "root.json").read_bytes())
    with closing(StateDatabase(Settings(data=tmp_path / "other", database_url=url))) as other:
        names = [f"locks/embeddings/{number}.lock" for number in range(50)]
        ours, theirs = ([found.folder / name for name in names] for found in (state, other))
        with (
            hold_all_everywhere(state, ours, "a step"),
            pytest.raises(Locked, match="another host"),
            hold_everywhere(other, theirs[49]),
        ):
            pass
        with (
            hold_everywhere(other, theirs[3]),
            pytest.raises(Locked, match="a step is held"),
            hold_all_everywhere(state, ours, "a step"),
        ):
            pass
        with hold_all_everywhere(other, theirs, "a step") as require_held:
            require_held()
            postgres.restart()
            for _ in range(2):  # also once the connection was made anew
                with pytest.raises(LockLost):
                    require_held()
        with hold_all_everywhere(state, ours, "a step"):
            pass


@pytest.mark.parametrize("cause", [ModuleNotFoundError("No module named 'openvino'"),
                                   sa.exc.OperationalError("SELECT 1", {}, Exception("Dagster's database is away"))],
                         ids=["another package", "another database"])  # fmt: skip
def test_what_fails_while_a_lock_is_held_is_not_called_the_database_of_state(
    cause: Exception, state: StateDatabase
) -> None:
    with state.reading():
        pass  # which gives the data root its id

    with pytest.raises(type(cause)) as raised, hold_everywhere(state, state.folder / "locks" / "step.lock"):
        raise cause

    assert raised.value is cause


def test_a_lock_whose_session_was_ended_is_let_go_without_an_error(state: StateDatabase, postgres: Postgres) -> None:
    lock = state.folder / "locks" / "step.lock"
    with state.reading():
        pass

    with hold_everywhere(state, lock), postgres.administering() as server:
        server.execute(END_SESSIONS, {"database": "leases"})

    with hold_everywhere(state, lock):
        pass
