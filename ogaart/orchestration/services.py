"""The Dagster UI and daemon of a data root: started together, stopped together, and once at a time."""

import os
import socket
import subprocess
import uuid
from contextlib import ExitStack

import psutil

from ogaart.orchestration.instance import open_instance, prepare_home
from ogaart.orchestration.service_processes import MARK, STOP, command, end_marked_processes, marked_processes
from ogaart.resources.storage.atomic_files import read_json, write_json
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import services_lock
from ogaart.resources.storage.locks import Locked, hold
from ogaart.settings import Settings

RECORD = "services.json"
"""File in DAGSTER_HOME that names the process that runs the services, and the mark of theirs."""

WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound
TAKE_OVER = 15.0
"""Seconds to wait for the processes of an ``ogaart up`` that was killed: they end by themselves."""


class AddressInUse(Locked):
    """The UI cannot listen on the address that was chosen."""


class Services:
    """The running UI and daemon.

    Args:
        settings: the settings; the data root is theirs.
        host: address that the UI listens on.
        port: its port.

    Raises:
        Locked: another process runs the services of this data root.
        AddressInUse: the UI cannot listen there.
        DataRootRefused: Dagster's own files are damaged.
    """

    def __init__(self, settings: Settings, host: str, port: int) -> None:
        self._held = ExitStack()
        self._mark = uuid.uuid4().hex
        try:
            self._take(settings)
            require_free_address(host, port)
            self._process = self._start(settings, host, port)
        except BaseException:
            self._held.close()
            raise

    def _take(self, settings: Settings) -> None:
        """Hold the lock of the services; end what an earlier holder left behind when it was killed."""
        root = DataRoot.of(settings)
        record = prepare_home(settings) / RECORD
        try:
            self._held.enter_context(hold(services_lock(root), what="the services lock"))
        except Locked as cause:
            pid = (read_json(record) or {}).get("pid", "unknown")
            raise Locked(
                f"`ogaart up` is already running on the data root {root.root} (process {pid}): use its UI, or stop it "
                f"(`kill {pid}`) first"
            ) from cause
        earlier = (read_json(record) or {}).get("mark")
        if earlier is not None:
            _, alive = psutil.wait_procs(marked_processes(earlier), timeout=TAKE_OVER)
            if alive:
                end_marked_processes(earlier)
        write_json(record, {"pid": os.getpid(), "mark": self._mark})
        self._held.callback(record.unlink, missing_ok=True)

    def _start(self, settings: Settings, host: str, port: int) -> "subprocess.Popen[bytes]":
        with open_instance(settings):
            pass  # an empty instance must be initialised before UI and daemon open it together
        names = [*settings.dagster_hosts.split(","), *([] if host in WILDCARDS else [host])]
        reading, writing = os.pipe()
        self._held.callback(os.close, writing)  # closed by the kernel, too, however this process ends
        try:
            return subprocess.Popen(
                command("supervisor", reading, host, port, ",".join(n.strip() for n in names if n.strip())),
                env={
                    **os.environ,
                    "PYTHONWARNINGS": "ignore",  # Dagster warns of beta parameters, once for each of its processes
                    "OGAART_DATA": str(settings.data),
                    "OGAART_QUERIES": str(settings.queries),
                    MARK: self._mark,
                },
                cwd=DataRoot.of(settings).dagster,
                pass_fds=(reading,),
                start_new_session=True,  # Ctrl-C is for this process, which stops the others in order
            )
        finally:
            os.close(reading)

    def poll(self) -> int | None:
        """The exit code of the services; None while they run."""
        return self._process.poll()

    def terminate(self) -> None:
        """Begin to stop the services."""
        self._process.terminate()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the services have ended, let them go, and return their exit code.

        Raises:
            subprocess.TimeoutExpired: they did not end in time.
        """
        code = self._process.wait(timeout)
        end_marked_processes(self._mark)
        self._held.close()
        return code

    def stop(self) -> int:
        """Stop the services, by force where they do not end in time; returns their exit code."""
        self.terminate()
        try:
            return self.wait(2 * STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self.wait()


def require_free_address(host: str, port: int) -> None:
    """Refuse an address that the UI could not listen on, before anything is started.

    Raises:
        AddressInUse: another program listens there, the host is not an address of this machine, or it is not allowed.
    """
    try:
        [family, kind, _, _, address], *_ = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as cause:
        raise AddressInUse(
            f"the Dagster UI cannot listen on {host}:{port} ({cause.strerror or cause}): choose another address with "
            "--host and --port, or a port with OGAART_DAGSTER_PORT"
        ) from cause
