"""Ports for programs that cannot choose one themselves."""

import contextlib
import random
import socket

# Below the ports that a kernel gives to clients and to servers that ask for any port (Linux from 32768, IANA from
# 49152). Otherwise one of many connections could take a port before its program starts, or while it starts again.
FIRST, LAST = 20_000, 32_000
# Far more than are ever taken.
MAX_TRIES = 1_000


def free_ports(count: int) -> list[int]:
    """Return different ports that are free for TCP and UDP. If another process takes one meanwhile, the start fails.

    Raises OSError if hardly any port is free.
    """
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        for port in random.sample(range(FIRST, LAST), MAX_TRIES):
            stream = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            datagram = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):  # taken: the next port may be free for both
                stream.bind(("127.0.0.1", port))
                datagram.bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == count:
                return ports
        raise OSError(f"{MAX_TRIES} ports from {FIRST} to {LAST} are taken")
