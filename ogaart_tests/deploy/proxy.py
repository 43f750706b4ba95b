"""The deployed proxy of the search page, run on this machine."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ogaart.cli.demo_command import free_port
from ogaart_tests.ui import wait_until

DEPLOYED = Path(__file__).resolve().parents[2] / "deploy" / "compose" / "nginx.conf"
AROUND = """daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {deployed}
}}
"""


@contextmanager
def proxy(folder: Path, ports: tuple[int, ...]) -> Iterator[str]:
    """nginx with the deployed configuration, in which ports and addresses of this machine take the place of Docker's.

    Args:
        folder: a folder that is made for it.
        ports: of the replicas.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    port = free_port(0)
    servers = " ".join(f"server 127.0.0.1:{replica} max_fails=0;" for replica in ports)
    deployed = DEPLOYED.read_text(encoding="utf-8")
    for before, after in {
        "resolver 127.0.0.11 valid=5s;": "",
        "server search:8080 resolve max_fails=0;": servers,
        "listen 80;": f"listen 127.0.0.1:{port};",
        "set_real_ip_from 172.16.0.0/12;": "set_real_ip_from 127.0.0.0/8;",
    }.items():
        assert deployed.count(before) == 1
        deployed = deployed.replace(before, after)
    folder.mkdir()
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, deployed=deployed))
    process = subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    try:
        wait_until(lambda: _listens(port), 60, "nginx listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with closing(socket.socket()) as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
