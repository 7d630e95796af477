"""Free ports."""

import socket

from sandbox.world.ports import HIGHEST_PORT, LOWEST_PORT, free_port


def test_a_free_port_can_be_listened_on_and_is_none_of_those_for_outgoing_calls():
    port = free_port()
    assert LOWEST_PORT <= port <= HIGHEST_PORT
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
