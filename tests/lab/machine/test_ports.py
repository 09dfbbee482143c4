"""The ports for programs that cannot choose one themselves."""

import contextlib
import socket

import pytest

from lab.machine import ports
from lab.machine.ports import FIRST, LAST, free_ports


def test_the_ports_are_different_free_and_out_of_reach_of_clients() -> None:
    found = free_ports(20)
    assert len(set(found)) == 20 and min(found) >= FIRST and max(found) < LAST < 32_768
    for port in found:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            stream.bind(("127.0.0.1", port))
            datagram.bind(("127.0.0.1", port))


def test_a_port_that_is_taken_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    (taken,) = free_ports(1)
    monkeypatch.setattr(ports, "MAX_TRIES", 1)
    monkeypatch.setattr(ports, "FIRST", taken)
    monkeypatch.setattr(ports, "LAST", taken + 1)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with contextlib.closing(socket.socket(type=kind)) as held:
            held.bind(("127.0.0.1", taken))
            with pytest.raises(OSError, match="are taken"):
                free_ports(1)
    assert free_ports(1) == [taken]
