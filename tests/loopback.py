"""For clients that speak to this machine alone, over no TLS: each would read all public authorities, which takes 50 ms."""

import ssl

#: trusts nobody
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
