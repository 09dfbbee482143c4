"""Chunks of an answer's body with a malformed size."""

import http.client
import socket

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.network.deadline import Deadline
from runbook_lib.network.http_answer import HttpAnswer

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("size", [b"-10", b"-1", b"-0x1", b"no", b""])
def test_a_chunk_of_no_size_ends_the_answer_by_a_known_error(size: bytes) -> None:
    """Otherwise `-1` would be read as everything that comes, and any other negative size would raise ValueError."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(HEAD + b"3\r\nabc\r\n" + size + b"\r\nxyz\r\n0\r\n\r\n")
        theirs.shutdown(socket.SHUT_WR)
        with HttpAnswer(ours, Deadline(SYSTEM_CLOCK, 10), method="GET") as answer:
            answer.begin()
            with pytest.raises(http.client.IncompleteRead):
                answer.read()
