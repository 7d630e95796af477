"""Origin check: tells a program's call from one that a web page makes through the browser of this machine's user.

What steers the sandbox and what reads the receiver's inbox asks for no token, since only loopback leads there. A browser
leads there too: across origins, which it names in `Origin`, or under a name that was made to mean 127.0.0.1 (DNS
rebinding), which stands in `Host`. The calls of the backend's contract need headers that no page can send unasked.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_from_web_page(headers: Mapping[str, str]) -> bool:
    """Whether to refuse; `headers` have lower-case names. Programs name no origin, and call by a number or localhost."""
    host = headers.get("host", "")
    return not _is_own_name(host) or headers.get("origin", f"http://{host}") != f"http://{host}"


def _is_own_name(host: str) -> bool:
    """No DNS answer gives ``127.0.0.1:8900`` or ``localhost:8900`` another meaning."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False
