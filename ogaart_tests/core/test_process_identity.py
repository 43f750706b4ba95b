"""A process is told from those of other times, hosts and containers, also where these have the same names."""

import os
import socket

import pytest

from ogaart.core.process_identity import is_alive, this_process

GONE = "999999999:1.00"
"""No process of this machine: ids end below it."""
BOOT = "00000000-0000-4000-8000-000000000000"


def test_this_process_lives_also_as_versions_before_named_it() -> None:
    own = this_process()

    assert is_alive(own)
    assert is_alive(own.partition("/")[0])
    assert is_alive(own.partition("@")[0])


def test_a_process_of_this_boot_that_is_gone_is_seen_to_be() -> None:
    own = this_process()

    assert is_alive(own.replace(":", ":9")) is False
    assert is_alive(f"{GONE}@{own.partition('@')[2]}") is False


@pytest.mark.parametrize(
    "identity",
    [
        f"{GONE}@elsewhere",
        f"{GONE}@elsewhere/{BOOT}",
        f"{GONE}@{socket.gethostname()}/{BOOT}",
        f"{os.getpid()}:1.00@{socket.gethostname()}/{BOOT}",
        f"1n4026532000:1.00@{this_process().partition('@')[2]}",
        f"1n4026532000:1.00@{socket.gethostname()}/{BOOT}",
        "written by a later version",
    ],
    # Names of its own: all processes of a run of tests must see the same tests.
    ids=[
        "another host",
        "another host and boot",
        "a gone process of a host of this name",
        "a living one of a host of this name",
        "a container of this machine",
        "the same container elsewhere",
        "another version",
    ],
)
def test_nothing_is_known_of_a_process_elsewhere(identity: str) -> None:
    assert is_alive(identity) is None
