"""A connection for a probe. It goes only to the checked address, and ends at its deadline."""

import ipaddress
import socket
import ssl

from runbook_lib.network.deadline import Deadline, connect_any


class AddressRefusedError(Exception):
    """A name leads to an address that no application of the customer can have."""


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Return a TCP connection to one of the host's addresses. Each address gets its share of the time.

    It connects to exactly the checked address, and does not resolve the name a second time. It uses no proxy, because a
    proxy would resolve the name itself. Raises AddressRefusedError, TimeoutError, and OSError.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in addresses:
        _check(host, str(address[0]))
    return connect_any(addresses, deadline)


def connect_tls(host: str, port: int, context: ssl.SSLContext, deadline: Deadline) -> ssl.SSLSocket:
    """Return a TLS connection whose certificate is valid for `host`. Raises the same as `connect`, and ssl.SSLError."""
    connection = connect(host, port, deadline)
    try:
        connection.settimeout(deadline.left())
        return context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def tls_context(trusted: str) -> ssl.SSLContext:
    """Return a context that trusts the authorities in `trusted` (a file or a folder) and demands at least TLS 1.2."""
    from pathlib import Path

    is_folder = Path(trusted).is_dir()
    context = ssl.create_default_context(cafile=None if is_folder else trusted, capath=trusted if is_folder else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _check(host: str, address: str) -> None:
    """Refuse an address within the sandbox: a foreign name must not lead to its identity endpoint, or to IMDS."""
    found = ipaddress.ip_address(address.partition("%")[0])
    # If IPv6 holds an IPv4 address, that address counts.
    found = getattr(found, "ipv4_mapped", None) or found
    own = found.is_loopback and not _is_literal(host)
    if own or found.is_link_local or found.is_multicast or found.is_unspecified:
        raise AddressRefusedError(f"{host} leads to {address}")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
