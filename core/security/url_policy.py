"""URL policy (against SSRF): which URLs Reelgate may call, and which addresses it may dial. Pure: nothing is resolved here.

Submit asks `check_url` about a URL's form and literal address; the worker's outbound client asks it again for every
request and every redirect, and asks `address_allowed` about each address that a name resolved to. The second check is
the one that protects: a name means whatever its owner's DNS says at the moment of dialling.

This module must not know who calls whom, and does no I/O. `ipaddress.is_global` is no help: it passes multicast,
6to4 of 127.0.0.1 and NAT64, and differs between Python versions.
"""

import re
import unicodedata
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

import idna
import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_CHARACTERS = 4096
MAX_HOST_CHARACTERS = 253

#: Everything in IPv4 that is not public unicast; the last line is Azure's platform address, public by number only.
_CLOSED_V4 = tuple(
    IPv4Network(cidr)
    for cidr in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",
    )
)
#: The only block from which public IPv6 unicast is given out, and what inside it is something else: protocol
#: assignments with Teredo, documentation, 6to4, AS112, the old 6bone, documentation again.
_PUBLIC_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    IPv6Network(cidr)
    for cidr in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20")
)

#: Names under which clouds hand out credentials: refused whatever the allow-list says.
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.com", "metadata.azure.internal"}
    | {"instance-data", "instance-data.ec2.internal", "metadata.tencentyun.com", "metadata.packet.net"}
    | {"metadata.platformequinix.com", "rancher-metadata"}
)
#: Endings that mean something inside a network only. An operator who allow-lists a range may want them.
_INSIDE_SUFFIXES = (".local", ".localdomain", ".internal", ".home.arpa", ".intranet", ".lan")

#: Ports above 1023 on which something else than HTTP answers, and might take a request for commands.
_OTHER_SERVICE_PORTS = frozenset(
    {1433, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 3128, 3306, 3389, 4045, 5060, 5061, 5432, 5672, 5900, 5984}
    | {6000, 6379, 6380, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 9042, 9092, 9200, 9300, 10080, 10250}
    | {11211, 26379, 27017}
)

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(?:[/?#].*)?")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
#: Visible ASCII but the backslash: what nearly every URL is made of.
_PLAIN = re.compile(r"[!-\[\]-~]+")
#: Zero-width joiners, with which Persian words and emoji are made; in a host name IDNA judges them.
_JOINERS = "\u200c\u200d"
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
#: A last label of digits or 0x-hex makes resolvers read the whole host as an IPv4 address (WHATWG "ends in a number").
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


UrlRefusalCode = Literal[
    "url_too_long",
    "url_malformed",
    "user_info_not_allowed",
    "address_not_allowed",
    "host_not_allowed",
    "scheme_not_allowed",
    "port_not_allowed",
]


class Refusal(msgspec.Struct, frozen=True):
    """Why a URL may not be called. `code` is for programs, e.g. ``address_not_allowed``; `detail` is one sentence."""

    code: UrlRefusalCode
    detail: str


class _Refused(Exception):  # noqa: N818 - carries a Refusal from a rule to `check_url`
    def __init__(self, code: UrlRefusalCode, detail: str) -> None:
        self.refusal = Refusal(code, detail)


def check_url(url: str, *, http_allowed: bool, allow: Sequence[Network]) -> Refusal | None:
    """Judge a URL's form and, if it has one, its literal address; None means: go on. The URL is never in the answer.

    Plain http passes by setting, or where host is a literal address (or localhost) inside `allow`. Names pass when
    they look public; what they resolve to is judged when it is dialled.
    """
    try:
        scheme, host, port = _split(url)
        opened = _check_host(host, allow)
        _check_scheme(scheme, http_allowed=http_allowed or opened)
        _check_port(port, opened=opened)
    except _Refused as refused:
        return refused.refusal
    return None


def ascii_url(url: str) -> str:
    """Spell a URL's host as DNS has it: ``https://straße.de/ü`` is ``https://xn--strae-oqa.de/ü``.

    Whoever dials does this first. Raises ValueError for a host that `check_url` refuses; what else is wrong with a URL
    is for others to say, and a path may hold anything, as in the redirects of careless servers.
    """
    whole = _URL.fullmatch(url)
    authority = whole and _AUTHORITY.fullmatch(whole[2])
    if not whole or not authority or authority[1].isascii():
        return url
    try:
        _check_characters(authority[1])
        name = _ascii_name(authority[1])
    except _Refused as refused:
        raise ValueError(refused.refusal.detail) from None
    return url[: whole.start(2)] + name + url[whole.start(2) + len(authority[1]) :]


def address_allowed(address: Address, allow: Sequence[Network]) -> bool:
    """Tell whether this address may be dialled: public unicast, or inside `allow`."""
    plain = _unmapped(address)
    if any(plain in network or address in network for network in allow):
        return True
    if isinstance(plain, IPv4Address):
        return not any(plain in network for network in _CLOSED_V4)
    return plain in _PUBLIC_V6 and not any(plain in network for network in _CLOSED_V6)


def _unmapped(address: Address) -> Address:
    """See ::ffff:127.0.0.1 as what a socket dials for it."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _split(url: str) -> tuple[str, str, int | None]:
    """Take a URL apart into scheme, host (with brackets) and port; what two parsers might read differently fails."""
    if len(url) > MAX_URL_CHARACTERS:
        raise _Refused("url_too_long", f"A URL may have {MAX_URL_CHARACTERS} characters at most.")
    _check_characters(url)
    whole = _URL.fullmatch(url)
    if whole is None:
        raise _Refused("url_malformed", "A full URL is needed, e.g. https://example.com/hook.")
    if "@" in whole[2]:
        raise _Refused("user_info_not_allowed", "A URL must not carry a user name or password.")
    authority = _AUTHORITY.fullmatch(whole[2])
    if authority is None or not authority[1]:
        raise _Refused("url_malformed", "The URL's host or port cannot be read.")
    return whole[1].lower(), authority[1], int(authority[2]) if authority[2] else None


def _check_characters(text: str) -> None:
    if not _PLAIN.fullmatch(text) and not all(_is_visible(char) for char in text):
        raise _Refused("url_malformed", "A URL must not contain spaces, backslashes or invisible characters.")


def _is_visible(char: str) -> bool:
    return (char.isprintable() and not char.isspace() and char != "\\") or char in _JOINERS


def _check_host(host: str, allow: Sequence[Network]) -> bool:
    """Refuse a forbidden host; True says that it lies, as written, inside the allow-list."""
    address = _literal(host)
    if address is None:
        return _check_name(_ascii_name(host), allow)
    if not address_allowed(address, allow):
        raise _Refused("address_not_allowed", "The URL's address is not a public one.")
    return any(address in network or _unmapped(address) in network for network in allow)


def _literal(host: str) -> Address | None:
    """Read a literal address; only the one usual spelling of an IPv4 address is taken, whatever it stands for."""
    try:
        if host.startswith("["):
            return _bracketed(host[1:-1])
        return IPv4Address(host) if host[-1:].isdigit() else None
    except ValueError:
        if host.startswith("["):
            raise _Refused("host_not_allowed", "The URL's IPv6 address cannot be read.") from None
        return None


def _bracketed(text: str) -> IPv6Address:
    address = ip_address(text)
    if not isinstance(address, IPv6Address) or address.scope_id is not None:
        raise ValueError("a zone or an IPv4 address in brackets")
    return address


def _ascii_name(host: str) -> str:
    """Lower a name to the ASCII that DNS sees, by UTS 46 and IDNA 2008: ``straße.de`` is ``xn--strae-oqa.de``.

    A name that only folds into another (full-width, circled) is refused, and so is what no registry gives out and
    the client cannot dial: emoji, and ``xn--`` before what no name is spelt like.
    """
    if host.isascii() and "xn--" not in host.lower():
        return host.lower()
    if unicodedata.normalize("NFKC", host) != unicodedata.normalize("NFC", host):
        raise _Refused("host_not_allowed", "The URL's host name is spelt in a form that is not allowed.")
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError:
        raise _Refused(
            "host_not_allowed", "The URL's host name is not a valid international one (IDNA 2008)."
        ) from None


def _check_name(name: str, allow: Sequence[Network]) -> bool:
    """Refuse names that are misspelt, are addresses in disguise, or mean this machine, this network, or a cloud's."""
    bare = name.removesuffix(".")
    if len(bare) > MAX_HOST_CHARACTERS or not _NAME.fullmatch(bare):
        raise _Refused("host_not_allowed", "The URL's host name is not a valid one.")
    _, dot, last = bare.rpartition(".")
    if _NUMERIC_LABEL.fullmatch(last):
        raise _Refused("host_not_allowed", "Write an IPv4 address as four decimal numbers, e.g. 8.8.8.8.")
    if last == "localhost":
        return _check_localhost(allow)
    if bare in _METADATA_NAMES or (not allow and (not dot or bare.endswith(_INSIDE_SUFFIXES))):
        raise _Refused("host_not_allowed", "The URL's host name is not a public one.")
    return False


def _check_localhost(allow: Sequence[Network]) -> bool:
    if not any(IPv4Address("127.0.0.1") in network for network in allow):
        raise _Refused("address_not_allowed", "The URL's host name means this machine.")
    return True


def _check_scheme(scheme: str, *, http_allowed: bool) -> None:
    if scheme != "https" and not (scheme == "http" and http_allowed):
        raise _Refused("scheme_not_allowed", "The URL must begin with https://.")


def _check_port(port: int | None, *, opened: bool) -> None:
    """Allow 80, 443 and the free range for everybody, and every port inside the allow-list."""
    if port is None or port in {80, 443}:
        return
    if not 1 <= port <= 65535:  # noqa: PLR2004 - the whole range of TCP
        raise _Refused("url_malformed", "The URL's port is not between 1 and 65535.")
    if not opened and (port < 1024 or port in _OTHER_SERVICE_PORTS):  # noqa: PLR2004 - the system ports end there
        raise _Refused("port_not_allowed", "The URL's port belongs to another service than HTTP.")
