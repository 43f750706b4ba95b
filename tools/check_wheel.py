"""Check the wheel: build it, install it into a bare environment, and use it from an empty folder.

``python tools/check_wheel.py`` with the project's own Python. The bare environment takes the dependencies from there:
they are not downloaded again. Prints what it does, with seconds, and ends with an error at the first step that fails.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
MODEL = "efficientnet_lite0"
"""Its weights come with a package, so that the check needs no download."""
START_SECONDS = 180
STOP_SECONDS = 60


def main() -> int:
    """0 if the wheel works; the exit code of the command that failed otherwise."""
    with TemporaryDirectory() as folder:
        python = install(build(Path(folder)), Path(folder) / "venv")
        empty = Path(folder) / "empty"
        empty.mkdir()
        ogaart = python.with_name("ogaart")
        environment = bare_environment(empty)
        try:
            with timed("ogaart doctor"):
                run([ogaart, "doctor"], empty, environment)
            with timed("ogaart demo --once"):
                run([ogaart, "demo", "--once", "--port", str(free_port())], empty, environment)
            with timed("ogaart up"):
                start_and_stop(ogaart, empty, environment)
        except subprocess.CalledProcessError as cause:
            sys.stderr.write(f"{cause}\n")
            return cause.returncode or 1
    return 0


def build(folder: Path) -> Path:
    """Build the wheel into ``folder``; returns its path."""
    with timed("build the wheel"):
        run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT], folder)
    [wheel] = folder.glob("ogaart-*.whl")
    return wheel


def install(wheel: Path, venv: Path) -> Path:
    """Install the wheel into a new environment beside the dependencies of this one; returns its Python."""
    with timed("install it into a bare environment"):
        run([sys.executable, "-m", "venv", venv], venv.parent)
        python = venv / "bin" / "python"
        run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], venv.parent)
        paths = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        )
        # A path in a .pth file is searched after the environment's own packages, and .pth files in it are ignored:
        # this project's own editable installation there stays out of sight.
        dependencies = [path for path in sys.path if Path(path).name == "site-packages"]
        (Path(paths.stdout.strip()) / "dependencies.pth").write_text("\n".join(dependencies) + "\n")
    return python


def bare_environment(folder: Path) -> Mapping[str, str]:
    """The environment without this project's settings, which a new user has not set either."""
    own = ("OGAART_", "QDRANT_", "DAGSTER_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {**kept, "OGAART_MODEL": MODEL, "OGAART_SITE": "http://127.0.0.1:9", "HOME": str(folder)}


def start_and_stop(ogaart: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Start ``ogaart up``, wait for its page, and stop it as Ctrl-C does."""
    port = free_port()
    process = subprocess.Popen([ogaart, "up", "--port", str(port)], cwd=folder, env=environment, process_group=0)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(f"http://127.0.0.1:{port}/server_info"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise subprocess.CalledProcessError(process.poll() or 1, f"ogaart up --port {port}")
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        if (code := process.wait(STOP_SECONDS)) not in {0, 130}:
            raise subprocess.CalledProcessError(code, "ogaart up, stopped by Ctrl-C")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def answers(url: str) -> bool:
    """Whether a page is served there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own loopback URL
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command in ``folder``; raises ``CalledProcessError`` where it fails."""
    subprocess.run(command, cwd=folder, env=environment, check=True)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print what is done and the seconds it took."""
    start = time.monotonic()
    yield
    sys.stdout.write(f"wheel: {what}: {time.monotonic() - start:.0f} s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
