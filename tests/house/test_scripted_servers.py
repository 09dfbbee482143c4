"""The tests' own servers report their own faults, but not the connections that a test breaks."""

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.support.automation import wait_for
from tests.support.raw_server import RawServer, says
from tests.support.scripted_server import Answer, ScriptedServer

Server = RawServer | ScriptedServer


def _refuses_the_certificate(server: Server) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(server.url, timeout=60)


def _ends_in_the_handshake(server: Server) -> None:
    host, _, port = server.host.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00")


def _ends_in_mid_answer(server: Server) -> None:
    host, _, port = server.host.partition(":")
    context = ssl.create_default_context(cafile=str(server.ca_file))
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        one.recv(1)


BREAKS = [_refuses_the_certificate, _ends_in_the_handshake, _ends_in_mid_answer]


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException] | None]:
    """Return the exceptions that threads have raised. Without this fixture pytest fails the test."""
    raised: list[type[BaseException] | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: raised.append(arguments.exc_type))
    return raised


@pytest.mark.parametrize("break_off", BREAKS)
@pytest.mark.parametrize("made", [RawServer, ScriptedServer])
def test_a_broken_connection_is_not_reported(
    made: Callable[[Path], Server],
    break_off: Callable[[Server], None],
    tmp_path: Path,
    faults: list[object],
    capfd: pytest.CaptureFixture[str],
) -> None:
    server = made(tmp_path)
    big = bytes(8_000_000)
    if isinstance(server, ScriptedServer):
        server.play(Answer(body=big))
    else:
        server.handler = says(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + big)
    before = threading.active_count()
    with server.running():
        break_off(server)
        wait_for(threading.active_count, lambda count: count <= before + 1)
    assert faults == []
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("made", [RawServer, ScriptedServer])
@pytest.mark.parametrize("error", [KeyError, FileNotFoundError])
def test_a_fault_of_the_server_is_raised(
    made: Callable[[Path], Server],
    error: type[Exception],
    tmp_path: Path,
    faults: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    server = made(tmp_path)
    monkeypatch.setattr(server, "next_act" if isinstance(server, ScriptedServer) else "handler", fail)
    with server.running():
        with pytest.raises(requests.ConnectionError):
            requests.get(server.url, verify=str(server.ca_file), timeout=60)
        wait_for(lambda: len(faults), lambda count: count == 1)
    assert faults == [error]
