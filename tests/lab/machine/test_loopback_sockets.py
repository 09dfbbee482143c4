"""Find the owner of a loopback connection: ask the kernel, and read its list."""

import os
import socket
from collections.abc import Iterator

import pytest

from lab.machine import loopback_sockets, process_table
from lab.machine.loopback_sockets import Address


@pytest.fixture(params=["sock_diag", "list"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "list":

        def no_sock_diag(_client: Address, _server: Address) -> int | None:
            raise OSError("a kernel without it")

        monkeypatch.setattr(loopback_sockets, "_ask_kernel", no_sock_diag)


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
        with client, server:
            yield client, server


@pytest.mark.usefixtures("way")
def test_client_is_found_by_its_connection(connection: tuple[socket.socket, socket.socket]) -> None:
    client, server = connection
    inode = loopback_sockets.client_inode(server.getpeername(), server.getsockname())
    assert inode == os.fstat(client.fileno()).st_ino
    assert process_table.owner_of_socket(inode, [1, os.getpid()]) == os.getpid()
    assert process_table.owner_of_socket(inode, []) is None


@pytest.mark.usefixtures("way")
def test_no_connection_has_no_client(connection: tuple[socket.socket, socket.socket]) -> None:
    client, server = connection
    peer, own = server.getpeername(), server.getsockname()
    assert loopback_sockets.client_inode(peer, (own[0], 1)) is None
    client.close()
    assert loopback_sockets.client_inode(peer, own) is None
