"""Any answer, however slow: each client ends in time, with little memory, and with an error of the catalogue."""

import gzip
import io
import json
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import requests
from azure.core.exceptions import AzureError

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.azure.settings import Settings, load
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.callbacks.client import CallbackClient
from runbook_lib.container_registry.wire import PUBLISHER, ContainerRegistryWire
from runbook_lib.errors import RunbookError
from runbook_lib.health.probes.connection import tls_context
from runbook_lib.health.probes.http import HttpTarget, look_http
from runbook_lib.health.probes.many import Probe, run_probes
from runbook_lib.health.rules import Observation
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.http import MAX_CONTENT_BYTES
from runbook_lib.network.http_answer import MAX_LINE_BYTES
from runbook_lib.network.http_session import new_session
from runbook_lib.network.requests_retry import send
from runbook_lib.network.retry import SLOWEST_BYTES_PER_SECOND, AnswerLost, NetworkRetryPolicy
from runbook_lib.request_signing.signer import SigningKey
from tests.support.every_client import RESOURCE, SUBSCRIPTION, StaticCredential
from tests.support.raw_server import RawServer, answer, drips, says

# A request that ends by its deadline has a short one. An answered request has a long one, for a busy machine.
TOTAL, PATIENCE = 1.0, 60.0
POLICY = NetworkRetryPolicy(max_retries=0, total_seconds=TOTAL)
PATIENT = NetworkRetryPolicy(max_retries=0, total_seconds=PATIENCE)
# Longer than the total time, for a busy machine, but much shorter than the 60 s of a slow answer.
MARGIN = 25.0
KEY = SigningKey("hmac-0123456789abcdef", bytes(32))
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW = {
    "status": drips(b"HTTP/1.1 200 ", b"O"),
    "interim answers": drips(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "header": drips(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "body": drips(LENGTH, b"x"),
    "body without an end": drips(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "chunks": drips(CHUNKED, b"1\r\nx\r\n"),
    "size of a chunk": drips(CHUNKED, b"0"),
    "trailers": drips(CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n"),
    "an error's body": drips(b"HTTP/1.1 403 No\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "a redirect's body": drips(b"HTTP/1.1 307 X\r\nLocation: /x\r\nContent-Length: 1000\r\n\r\n", b"x"),
}


@dataclass
class World:
    server: RawServer
    settings: Settings
    clients: AzureClients
    policy: NetworkRetryPolicy = PATIENT

    def ping(self) -> None:
        client = CallbackClient(
            publisher_api=self.server.url,
            session=self.clients.session,
            retry_policy=lambda: self.policy,
            clock=SYSTEM_CLOCK,
        )
        client.ping("contoso-1", KEY, report_id="0")

    def wire(self, **options: Any) -> Any:
        wire = ContainerRegistryWire(
            login_server=self.server.host,
            side=PUBLISHER,
            session=self.clients.session,
            policy=lambda: self.policy,
            clock=SYSTEM_CLOCK,
        )
        return wire.request("GET", self.server.url + "/v2/", **options)

    def get_resource(self) -> Any:
        return self.clients.resources.resources.get_by_id(RESOURCE, api_version="2023-05-01")

    def get_blob(self) -> bytes:
        content: bytes = self.clients.blob_service.get_blob_client("c", "b").download_blob().readall()
        return content

    def get_row(self) -> Any:
        return self.clients.table_service.get_table_client("T").get_entity("p", "r")

    def create_row(self) -> Any:
        return self.clients.table_service.get_table_client("T").create_entity({"PartitionKey": "p", "RowKey": "r"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawServer]:
    with RawServer(tmp_path_factory.mktemp("certificates")).running() as running:
        yield running


@pytest.fixture
def world(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    server.heads.clear()
    endpoints = {f"{name}_endpoint": server.url for name in ("arm", "blob", "table", "key_vault", "logs")}
    given = {"subscription_id": SUBSCRIPTION, "dcr_id": "dcr-" + "0" * 32, **endpoints}
    settings = load({}, {}, json.dumps(given))
    clients = AzureClients(
        settings=settings,
        credential=StaticCredential(),
        retry_policy_source=lambda: made.policy,
        clock=SYSTEM_CLOCK,
    )
    made = World(server=server, settings=settings, clients=clients)
    yield made
    clients.session.close()


def look(world: World) -> Observation:
    target, trust = (
        HttpTarget(host="127.0.0.1", port=int(world.server.host.partition(":")[2])),
        tls_context(str(world.server.ca_file)),
    )
    probe = Probe(seconds=PATIENCE, look=lambda deadline: look_http(target, trust, deadline))
    (seen,) = run_probes([probe], clock=SYSTEM_CLOCK, on_progress=lambda _: None)
    return seen


def code_of(call: Callable[[], object]) -> str:
    """Return the code that a user sees for the failure of a call."""
    with pytest.raises((RunbookError, AzureError)) as caught:
        call()
    named = as_runbook_error(caught.value)
    return "" if named is None else named.code


CALLS: dict[str, tuple[Callable[[World], object], str]] = {
    "callback": (World.ping, "VD-CALLBACK-020"),
    "container registry": (World.wire, "VD-REGISTRY-001"),
    "resource": (World.get_resource, "VD-NET-001"),
    "blob": (World.get_blob, "VD-NET-001"),
    "row": (World.get_row, "VD-NET-001"),
}


def all_end_in_time(world: World) -> None:
    """Make every call at the same time."""
    world.policy = POLICY
    clients = world.clients
    # This imports the clients before the measurement begins.
    assert clients.resources and clients.blob_service and clients.table_service

    def run(name: str) -> tuple[str, float]:
        call, _ = CALLS[name]
        began = time.monotonic()
        return code_of(lambda: call(world)), time.monotonic() - began

    with ThreadPoolExecutor(len(CALLS)) as pool:
        for name, (code, took) in zip(CALLS, pool.map(run, CALLS), strict=True):
            assert code == CALLS[name][1]
            assert took < TOTAL + MARGIN, name


@pytest.mark.parametrize("slow", SLOW)
def test_a_drip_gains_no_time(world: World, slow: str) -> None:
    world.server.handler = SLOW[slow]
    all_end_in_time(world)


def test_a_handshake_that_drips_gains_no_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(plain: socket.socket) -> None:
        # The beginning of a TLS record of 16 KB.
        plain.sendall(b"\x16\x03\x03\x40\x00")
        for _ in range(600):
            time.sleep(0.1)
            plain.sendall(b"\x02")

    monkeypatch.setattr(world.server, "before_tls", drip)
    all_end_in_time(world)


def test_the_identity_endpoint_has_its_time_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runbook_lib.azure.identity.IDENTITY_POLICY", POLICY)
    monkeypatch.setenv("IDENTITY_ENDPOINT", world.server.url)
    monkeypatch.setenv("IDENTITY_HEADER", "h")
    settings = replace(world.settings, uami_client_id=SUBSCRIPTION)
    identity = credential(settings, {"IDENTITY_ENDPOINT": "x", "IDENTITY_HEADER": "h"})
    deep = b'{"access_token": ' + b"[" * 100_000 + b"}"
    for handler in (SLOW["body"], SLOW["headers"], says(answer(body=deep))):
        world.server.handler = handler
        began = time.monotonic()
        assert code_of(lambda: identity.get_token("https://vault.azure.net/.default")) == "VD-IDENTITY-001"
        assert time.monotonic() - began < TOTAL + MARGIN


def test_all_addresses_of_a_name_share_the_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # A full queue neither accepts a connection nor refuses one.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        there = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [there] * 20)
        began = time.monotonic()
        with pytest.raises(requests.ConnectTimeout):
            send(world.clients.session, "POST", "https://many.example", policy=POLICY, clock=SYSTEM_CLOCK)
        assert time.monotonic() - began < TOTAL + MARGIN
        for each in waiting:
            each.close()


def test_a_large_download_has_time_for_its_size(world: World) -> None:
    size = 100
    world.policy = POLICY
    world.server.handler = drips(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, bytes(5), every=0.1, seconds=2
    )
    file = io.BytesIO()
    world.wire(into=file, max_bytes=60 * SLOWEST_BYTES_PER_SECOND)
    assert len(file.getvalue()) == size
    # A slow answer has no more time than its size allows.
    world.server.handler = SLOW["body"]
    assert code_of(lambda: world.wire(into=file, max_bytes=SLOWEST_BYTES_PER_SECOND)) == "VD-REGISTRY-001"


GZIP = b"Content-Encoding: gzip"


@cache
def bomb() -> bytes:
    """Return some 200 kB that unpack to 200 MB."""
    return gzip.compress(bytes(200_000_000), 9)


@pytest.mark.parametrize("status", [200, 301, 302, 303, 307, 308, 401, 404, 500])
@pytest.mark.parametrize("call", CALLS)
def test_a_body_that_swells_takes_no_memory(world: World, call: str, status: int) -> None:
    world.server.handler = says(answer(status, GZIP, b"Location: /elsewhere", body=bomb()))
    run, _ = CALLS[call]
    tracemalloc.start()
    code = code_of(lambda: run(world))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert code
    assert peak < 4 * MAX_CONTENT_BYTES


@pytest.mark.parametrize(
    "location",
    [
        b"/\xff\xfe",
        b"/caf\xc3\xa9",
        b"https://[",
        b"//",
        b"",
        b"https://" + b"a" * 70 + b".example",
        b"/" * 60_000,
        b"\x00",
    ],
)
@pytest.mark.parametrize("status", [301, 307])
def test_no_address_in_a_redirect_ends_a_run(world: World, status: int, location: bytes) -> None:
    world.server.handler = says(answer(status, b"Location: " + location))
    assert code_of(world.ping) == "VD-CALLBACK-023"
    assert world.wire().status == status
    seen = look(world)
    assert seen.sight == "fails" and "probe itself" not in seen.reason
    assert seen.reason.isascii() and seen.reason.isprintable()


def test_a_location_of_other_bytes_than_ascii_is_followed_as_it_was_sent(world: World) -> None:
    for sent, asked in ((b"/caf\xc3\xa9", b"/caf%C3%A9"), (b"/caf\xe9", b"/caf%E9"), (b"/a%2Fb", b"/a%2Fb")):
        world.server.handler = lambda head, tell, sent=sent: tell(  # type: ignore[misc]
            answer(302, b"Location: " + sent) if head.startswith(b"GET / ") else answer()
        )
        assert look(world) == Observation("answers")
        assert world.server.heads[-1].startswith(b"GET " + asked + b" ")


INTERIM = {
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nContent-Length: 7\r\n\r\n",
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "199": b"HTTP/1.1 199 Whatever\r\n\r\n",
}


@pytest.mark.parametrize("times", [1, 3, 50])
@pytest.mark.parametrize("interim", INTERIM)
def test_interim_answers_are_skipped(world: World, interim: str, times: int) -> None:
    before = INTERIM[interim] * times
    world.server.handler = says(before + answer(body=b"{}"))
    assert look(world) == Observation("answers")
    assert (world.wire().status, world.wire().content) == (200, b"{}")
    assert world.get_resource() is not None
    world.server.handler = says(before + answer(body=b'{"accepted": true, "key_id": "%s"}' % KEY.key_id.encode()))
    world.ping()


BROKEN = {
    "cut": LENGTH + b"half",
    "nothing of it": LENGTH,
    "cut in a chunk": CHUNKED + b"3e8\r\nhalf",
    "no last chunk": CHUNKED + b"4\r\nhalf\r\n",
    "interim answers without end": INTERIM["102"] * (MAX_LINE_BYTES // 20),
    "large headers": b"HTTP/1.1 200 OK\r\n" + b"X: %s\r\n" % (b"x" * 60_000) * 2 + b"Content-Length: 0\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"Content-Length: 0\r\n\r\n",
    "extensions of chunks": CHUNKED + b"1;%s\r\nx\r\n" % (b"x" * 4000) * 100 + b"0\r\n\r\n",
    "trailers": CHUNKED + b"0\r\n" + b"X: %s\r\n" % (b"x" * 4000) * 100 + b"\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "a length in words": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
    "a length with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
    "a length of many digits": b"HTTP/1.1 200 OK\r\nContent-Length: %s2\r\n\r\n{}" % (b"0" * 5000),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_an_incomplete_answer_does_not_count(world: World, broken: str) -> None:
    def handle(_: bytes, tell: Callable[[bytes], object]) -> None:
        tell(BROKEN[broken])
        raise ConnectionAbortedError("the connection ends here")

    world.server.handler = handle
    for run, code in CALLS.values():
        assert code_of(lambda run=run: run(world)) == code  # type: ignore[misc]
    seen = look(world)
    assert seen.sight == "fails"
    assert seen.reason.startswith(("its answer is cut short", "its answer is not HTTP"))


def test_equal_lengths_are_one(world: World) -> None:
    world.server.handler = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\n{}")
    assert world.wire().content == b"{}"
    assert look(world) == Observation("answers")


LARGE = b'{"a": "' + b"x" * (MAX_CONTENT_BYTES + 1) + b'"}'
DEEP = b"[" * 100_000


@pytest.mark.parametrize("body", [LARGE, DEEP], ids=["large", "deep"])
@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_a_client_cannot_read_is_final(world: World, status: int, body: bytes) -> None:
    world.server.handler = says(answer(status, b"Content-Type: application/json", body=body))
    for call in (world.get_resource, world.get_row):
        assert code_of(call) == "VD-NET-001"
    asked = len(world.server.heads)
    with pytest.raises(AnswerLost):  # it may have been carried out, so somebody has to look
        world.create_row()
    assert len(world.server.heads) == asked + 1


def test_a_blob_is_no_json_to_its_client(world: World) -> None:
    fields = [
        b"Content-Range: bytes 0-%d/%d" % (len(DEEP) - 1, len(DEEP)),
        b"Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT",
        b'ETag: "1"',
        b"Content-Type: application/json",
        b"x-ms-blob-type: BlockBlob",
    ]
    world.server.handler = says(answer(206, *fields, body=DEEP))
    assert world.get_blob() == DEEP


def test_a_write_whose_answer_does_not_end_is_not_repeated(world: World) -> None:
    world.policy = NetworkRetryPolicy(max_retries=3, delay_seconds=0.01, total_seconds=TOTAL)
    world.server.handler = drips(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n", b"x")
    with pytest.raises(AnswerLost):
        world.create_row()
    assert len(world.server.heads) == 1


def test_a_connection_is_used_again_with_a_deadline_of_its_own(world: World) -> None:
    seconds = 5.0
    world.policy = NetworkRetryPolicy(max_retries=0, total_seconds=seconds)
    world.server.handler = says(answer(body=b"{}"))
    world.wire()
    time.sleep(seconds * 1.2)
    assert world.wire().content == b"{}"


def test_libraries_below_requests_raise_only_errors_of_requests() -> None:
    for host in ("a" * 64 + ".example", "a..example"):
        with pytest.raises(requests.RequestException):
            send(new_session(), "GET", f"https://{host}/", policy=POLICY, clock=SYSTEM_CLOCK)
