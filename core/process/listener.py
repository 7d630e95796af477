"""Listening sockets of a process: for callers, and for operators' pages."""

import socket


class CannotListen(Exception):  # noqa: N818 - it says what is wrong
    """The port is taken, or the host is none of this machine's."""


def take_port(host: str, port: int) -> socket.socket:
    """Take a port, at which nobody is heard yet; 0 is a free one. ``::`` is each address, IPv4's too. Raises CannotListen."""
    try:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            _take(listener, host, port)
        except OSError:
            listener.close()
            raise
    except OSError as refused:
        raise CannotListen(f"cannot listen on {host}:{port}: {refused.strerror}") from None
    return listener


def _take(listener: socket.socket, host: str, port: int) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((host, port))
