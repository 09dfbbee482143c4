"""Ports for programs that cannot choose one themselves."""

import contextlib
import socket


def free_ports(count: int) -> list[int]:
    """Return different ports that are free for TCP and UDP. If another process takes one meanwhile, the start fails."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            stream = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            datagram = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            stream.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):  # UDP is taken: the next port may be free for both
                datagram.bind(stream.getsockname())
                ports.append(stream.getsockname()[1])
        return ports
