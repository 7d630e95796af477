"""How a world finds its ports: two that look at the same time never find the same one."""

import random
import subprocess
import sys
from socket import create_server

import pytest

from sandbox.world import ports
from sandbox.world.ports import free_port

LOOK = "from sandbox.world import ports; ports.LOWEST_PORT, ports.HIGHEST_PORT = {}, {}; print(ports.free_port())"


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Two free ports, and there are no others: below those among which the processes of other tests look for theirs."""
    while True:
        low = random.SystemRandom().randint(ports.LOWEST_PORT - 5_000, ports.LOWEST_PORT - 2)
        if not ports.is_taken(low) and not ports.is_taken(low + 1):
            break
    monkeypatch.setattr(ports, "LOWEST_PORT", low)
    monkeypatch.setattr(ports, "HIGHEST_PORT", low + 1)
    return low, low + 1


def test_where_no_port_is_free_that_is_said_and_nobody_looks_for_ever(pair: tuple[int, int]) -> None:
    refused = pytest.raises(OSError, match=rf"No port between {pair[0]} and {pair[1]} is free")
    with create_server(("127.0.0.1", pair[0])), create_server(("127.0.0.1", pair[1])), refused:
        free_port()


def test_a_port_that_was_found_is_found_by_nobody_else_before_somebody_listens_there(pair: tuple[int, int]) -> None:
    found = free_port()
    other = subprocess.run([sys.executable, "-c", LOOK.format(*pair)], capture_output=True, check=True, text=True)
    assert {found, int(other.stdout)} == set(pair)


def test_who_it_was_found_for_can_listen_there(pair: tuple[int, int]) -> None:
    for port in (free_port(), free_port()):
        create_server(("127.0.0.1", port)).close()
