"""Exception chains: the causes behind the one exception that a library raises for a failed connection. Pure."""

import ssl
from collections.abc import Iterator


def causes_of(fault: BaseException | None) -> Iterator[BaseException]:
    """Walk back to where a fault came from; TLS asking for more bytes is a context of every read."""
    while fault is not None:
        if not isinstance(fault, (ssl.SSLWantReadError, ssl.SSLWantWriteError)):
            yield fault
        fault = fault.__cause__ or fault.__context__


def is_tls_failure(fault: BaseException) -> bool:
    """Tell whether TLS broke it: a certificate that is not good, or a handshake that fails."""
    return any(isinstance(cause, ssl.SSLError) for cause in causes_of(fault))
