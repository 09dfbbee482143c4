"""Read the text of an address into its parts. The suite sends, compares and shows the parts, not the text. Pure.

RFC 3986 has the syntax, and RFC 9110, 4.2 the two schemes. Two texts name the same server if scheme, host and port are
the same: capitals, a default port, the dot at a name's end and the spelling of an IPv6 address do not count.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urljoin

# RFC 9110, 4.1: every recipient should accept addresses of this length.
MAX_LENGTH = 8000
# RFC 1035, 2.3.4.
MAX_NAME_LENGTH = 253
DEFAULT_PORTS = {"https": 443, "http": 80}
# An address of Azure's own services that counts as public (learn what-is-ip-address-168-63-129-16).
AZURE_HOST = ipaddress.ip_address("168.63.129.16")

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(\?(?P<query>[^#]*))?(#.*)?")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]*\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{0,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Python's reader drops some of these characters and reads on. Browsers read a backslash as a slash.
_NEVER = re.compile(r"[^\x20-\x7e]|\\")
_LOCAL_NAMES = ("localhost", "localhost6", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


class NotAnAddressError(ValueError):
    """The text is not an http or https address that a client may use. The message says why and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Address:
    """An http or https address without a user and a fragment.

    Attributes:
        scheme: In small letters.
        host: A name in small letters without a dot at its end, or an IP address. An IPv6 address has no brackets.
        port: The port, also if the address does not name it.
        path: Begins with a slash.
        query: Without its question mark.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, as addresses are compared (RFC 9110, 4.3.1). The scheme's default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}")

    @property
    def shown(self) -> str:
        """The address as a message may show it, without the query: a query may hold a signature."""
        return self.origin + self.path

    def __str__(self) -> str:
        """Return the address as it is sent."""
        return self.shown + (f"?{self.query}" if self.query else "")


def read(text: str) -> Address:
    """Return the address in a text. Raises NotAnAddressError."""
    if len(text) > MAX_LENGTH:
        raise NotAnAddressError(f"it has {len(text)} characters; at most {MAX_LENGTH} are read")
    if _NEVER.search(text):
        raise NotAnAddressError("it has characters that an address may not have")
    parts = _ADDRESS.fullmatch(text.strip(" "))
    scheme = parts["scheme"].lower() if parts else ""
    if parts is None or scheme not in DEFAULT_PORTS:
        raise NotAnAddressError("it begins with neither https:// nor http://")
    if "@" in parts["authority"]:
        raise NotAnAddressError("it has a user in front of its host")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise NotAnAddressError("it has no host and port that can be read")
    port = int(authority["port"] or DEFAULT_PORTS[scheme])
    if not 0 < port < 65536:
        raise NotAnAddressError(f"there is no port {port}")
    # Some services leave spaces in the addresses that they make.
    path, query = ((parts[name] or "").replace(" ", "%20") for name in ("path", "query"))
    return Address(scheme, _host(authority["host"].lower()), port, path or "/", query)


def read_server(text: str) -> Address:
    """Return the https address of `host` or `host:port`. Raises NotAnAddressError for any other text."""
    if not _AUTHORITY.fullmatch(text):
        raise NotAnAddressError("it is not a host name, or a host name and a port")
    return read(f"https://{text}")


def follow(base: Address, reference: str) -> Address:
    """Return the address that a reference, such as a Location or a link, leads to from `base` (RFC 3986, 5).

    Raises NotAnAddressError, also for an empty reference.
    """
    if len(reference) > MAX_LENGTH or _NEVER.search(reference):
        return read(reference)  # `read` says what is wrong with it; `urljoin` would mend it
    if not reference.strip():
        raise NotAnAddressError("it is empty")
    try:
        return read(urljoin(str(base), reference.strip()))
    except NotAnAddressError:
        raise
    except ValueError as error:
        raise NotAnAddressError("it has no host and port that can be read") from error


def is_inner(address: Address) -> bool:
    """Whether the host is an IP address of an inner network, of this machine, or of the machine's host.

    Names are not resolved: a name may stand for a private endpoint's address.
    """
    try:
        literal = ipaddress.ip_address(address.host)
    except ValueError:
        return address.host in _LOCAL_NAMES or address.host.endswith(".localhost")
    if isinstance(literal, ipaddress.IPv6Address) and literal.sixtofour is not None:
        return True  # RFC 3056: it stands for an IPv4 address
    # In IPv6, ::/8 is reserved. It holds all other forms that stand for an IPv4 address (RFC 4291, RFC 6052).
    return not literal.is_global or literal.is_multicast or literal.is_reserved or literal == AZURE_HOST


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return ipaddress.IPv6Address(text[1:-1]).compressed
        except ValueError as error:
            raise NotAnAddressError("the text in its brackets is not an IPv6 address") from error
    name = text.removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # Some programs read 0x7f.1, 2130706433 and 0177.0.0.1 as 127.0.0.1, and others read them differently.
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError as error:
            raise NotAnAddressError("its host is a number, but not an IPv4 address in its usual form") from error
    if len(name) > MAX_NAME_LENGTH or not all(map(_LABEL.fullmatch, labels)):
        raise NotAnAddressError("its host is not a name: a part of it is empty, too long, or has other characters")
    return name
