"""A connection for a probe: to the address that was meant and no other, and never beyond its deadline."""

import ipaddress
import socket
import ssl

from runbook_lib.network.deadline import Deadline, connect_any


class AddressRefusedError(Exception):
    """A name leads to an address that no application of the customer's can have."""


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Return a TCP connection to one of the host's addresses, each of which is given its share of the time.

    The address that was checked is the one that is used: the name is not asked for a second time. No proxy is used: it
    would resolve the name by itself. Raises AddressRefusedError, TimeoutError, and OSError.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in addresses:
        _check(host, str(address[0]))
    return connect_any(addresses, deadline)


def connect_tls(host: str, port: int, context: ssl.SSLContext, deadline: Deadline) -> ssl.SSLSocket:
    """Return a TLS connection whose certificate is valid for `host`. Raises what `connect` does, and ssl.SSLError."""
    connection = connect(host, port, deadline)
    try:
        connection.settimeout(deadline.left())
        return context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def tls_context(trusted: str) -> ssl.SSLContext:
    """Return a context that trusts the authorities in `trusted` (a file or a folder) and asks for TLS 1.2 at least."""
    from pathlib import Path

    is_folder = Path(trusted).is_dir()
    context = ssl.create_default_context(cafile=None if is_folder else trusted, capath=trusted if is_folder else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _check(host: str, address: str) -> None:
    """A name that somebody else controls must not lead into the sandbox: to its identity endpoint, or to IMDS."""
    found = ipaddress.ip_address(address.partition("%")[0])
    # Of an IPv4 address in IPv6's clothes, the address counts.
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
