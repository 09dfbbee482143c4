"""Probes over the wire: whatever an application does, its probe ends by its deadline and says what it saw."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest

from lab.machine import certificates
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.health.probes.choice import look_tcp
from runbook_lib.health.probes.connection import tls_context
from runbook_lib.health.probes.http import MAX_BODY_BYTES, HttpTarget, look_http
from runbook_lib.health.probes.many import Probe, run_probes
from runbook_lib.health.rules import Observation
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import Answer, Reset, ScriptedServer

# A good answer may take long on a busy machine. A probe that never gets a complete answer ends by its deadline.
SECONDS, SHORT_SECONDS = 60.0, 1.5
ANSWERS = Observation("answers")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path_factory.mktemp("server")).running() as running:
        yield running


def look(target: HttpTarget, trust: ssl.SSLContext, seconds: float = SECONDS) -> Observation:
    probe = Probe(seconds=seconds, look=lambda deadline: look_http(target, trust, deadline))
    (seen,) = run_probes([probe], clock=SYSTEM_CLOCK, on_progress=lambda _: None)
    return seen


def at(host: str, **fields: Any) -> HttpTarget:
    name, _, port = host.partition(":")
    return HttpTarget(host=name, port=int(port), **fields)


def asked(lab: LabUnderTest, *, seconds: float = SECONDS, **fields: Any) -> Observation:
    """Return the observation of a probe of application studio."""
    applications = lab.control("GET", "/applications")["applications"]
    (url,) = [each["url"] for each in applications if each["name"] == "studio"]
    target = at(url.removeprefix("https://"), path="/healthz", **fields)
    return look(target, tls_context(lab.env["REQUESTS_CA_BUNDLE"]), seconds)


def ill(lab: LabUnderTest, mode: str, **fields: Any) -> None:
    lab.control("POST", "/applications", {"name": "studio", "mode": mode, **fields})


def test_a_healthy_application(lab: LabUnderTest) -> None:
    assert asked(lab) == ANSWERS
    (entry,) = lab.journal(service="application")
    assert (entry["method"], entry["path"]) == ("GET", "/studio/healthz")
    assert entry["client"].startswith("vibedata-runbooks/")


@pytest.mark.parametrize(
    ("mode", "fields", "seconds", "reason"),
    [
        ("status", {"status": 503}, SECONDS, "answers 503, not 200"),
        ("slow", {"seconds": 30}, SHORT_SECONDS, "no whole answer within 1.5 s"),
        ("hang", {}, SHORT_SECONDS, "no whole answer within 1.5 s"),
        ("drip", {"seconds": 0.1}, SHORT_SECONDS, "no whole answer within 1.5 s"),
        ("redirect_loop", {}, SECONDS, "more than 3 redirects"),
        ("closed", {}, SECONDS, "refuses the connection"),
        ("bad_certificate", {}, SECONDS, "its certificate is not accepted: "),
    ],
)
def test_an_ill_application(lab: LabUnderTest, mode: str, fields: dict[str, Any], seconds: float, reason: str) -> None:
    ill(lab, mode, **fields)
    seen = asked(lab, seconds=seconds)
    assert seen.sight == "fails" and seen.reason.startswith(reason)
    ill(lab, "healthy")
    assert asked(lab) == ANSWERS


def test_a_body_of_three_gigabytes_is_not_read(lab: LabUnderTest) -> None:
    ill(lab, "huge")
    assert asked(lab) == ANSWERS


def test_the_expected_status_may_be_any_also_a_redirect(lab: LabUnderTest) -> None:
    ill(lab, "status", status=401)
    assert asked(lab, expected_status=401) == ANSWERS
    ill(lab, "redirect", location="https://elsewhere.example/")
    assert asked(lab, expected_status=302) == ANSWERS


@pytest.mark.parametrize(
    "location",
    [
        "https://169.254.169.254/metadata/identity/oauth2/token",
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://elsewhere.example/path?secret=value",
        "//elsewhere.example",
        "https://[",
        "ftp://127.0.0.1/",
    ],
)
def test_a_redirect_elsewhere_is_not_followed(lab: LabUnderTest, location: str) -> None:
    before = len(lab.journal())
    ill(lab, "redirect", location=location)
    seen = asked(lab)
    assert seen.sight == "fails" and "secret" not in seen.reason
    assert [entry["service"] for entry in lab.journal()[before:]] == ["application"]


def test_a_redirect_within_the_application_is_followed(server: ScriptedServer) -> None:
    server.forget()
    server.play(
        Answer(status=302, headers={"Location": "/login?next=1"}),
        Answer(status=307, headers={"Location": f"{server.url}/deep/er"}),
        Answer(status=301, headers={"Location": "../well"}),
        Answer(),
    )
    assert look(at(server.host), tls_context(str(server.ca_file))) == ANSWERS
    assert [request.path for request in server.requests] == ["/", "/login?next=1", "/deep/er", "/well"]
    # The request has nothing that anybody could misuse.
    assert {name.lower() for request in server.requests for name in request.headers} == {
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "connection",
    }


def test_a_redirect_without_an_address_leads_nowhere(server: ScriptedServer) -> None:
    server.forget()
    server.play(Answer(status=302))
    assert look(at(server.host), tls_context(str(server.ca_file))).sight == "fails"
    assert len(server.requests) == 1


def test_a_connection_that_breaks(server: ScriptedServer) -> None:
    trust = tls_context(str(server.ca_file))
    server.forget()
    server.play(Reset())
    seen = look(at(server.host), trust)
    assert seen.sight == "fails" and seen.reason.startswith("the connection broke: ")
    assert len(server.requests) == 1  # one attempt: a probe does not retry


def test_a_certificate_of_another_name_is_refused(lab: LabUnderTest, server: ScriptedServer) -> None:
    foreign = look(at(server.host), tls_context(lab.env["REQUESTS_CA_BUNDLE"]))
    assert foreign.reason.startswith("its certificate is not accepted: ")


def test_a_name_that_leads_into_the_sandbox_is_not_asked(server: ScriptedServer) -> None:
    server.forget()
    seen = look(HttpTarget(host="localhost", port=at(server.host).port), tls_context(str(server.ca_file)))
    assert seen.sight == "fails"
    assert seen.reason.startswith("not asked: localhost leads to ")
    assert server.requests == []


def test_the_metadata_service_is_not_asked() -> None:
    seen = look(HttpTarget(host="169.254.169.254", port=443), ssl.create_default_context())
    assert seen.reason.startswith("not asked: 169.254.169.254 leads to 169.254.169.254")


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> NoReturn:  # as the C library reports it; no real server is asked
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    seen = look(HttpTarget(host="nowhere.invalid", port=443), ssl.create_default_context(), seconds=20)
    assert seen.sight == "fails"


class RawServer:
    """Sends bytes to every client, with TLS or without, and then stays silent."""

    def __init__(self, sent: bytes, context: ssl.SSLContext | None) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sent, self._context = sent, context
        self.port = self._listening.getsockname()[1]
        self.closed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            plain, _ = self._listening.accept()
        except OSError:
            return
        connection = plain if self._context is None else self._context.wrap_socket(plain, server_side=True)
        with connection, suppress(OSError):  # the client may close the connection before all is sent
            connection.sendall(self._sent)
            self.closed.wait()

    def close(self) -> None:
        self.closed.set()
        # Also close it if the thread has not accepted yet, because the kernel would continue to listen.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.mark.parametrize(
    ("sent", "seconds", "reason"),
    [
        (b"220 smtp ready\r\n", SECONDS, "its answer is not HTTP: BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, SECONDS, "its answer is not HTTP: LineTooLong"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200, SECONDS, "its answer is not HTTP: HTTPException"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.5, "no whole answer within 0.5 s"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 0.5, "no whole answer within 0.5 s"),
    ],
)
def test_an_answer_that_is_not_http_or_is_not_whole(tmp_path: Path, sent: bytes, seconds: float, reason: str) -> None:
    made = certificates.ensure(tmp_path)
    server = RawServer(sent, made.server_context())
    seen = look(HttpTarget(host="127.0.0.1", port=server.port), tls_context(str(made.ca)), seconds)
    server.close()
    assert seen == Observation("fails", reason)


def test_a_port_that_speaks_no_tls_and_one_that_stays_silent() -> None:
    silent = "no whole answer within 0.5 s"
    for sent, seconds, reason in ((b"220 smtp ready\r\n", SECONDS, "no TLS: "), (b"", 0.5, silent)):
        server = RawServer(sent, None)
        seen = look(HttpTarget(host="127.0.0.1", port=server.port), ssl.create_default_context(), seconds)
        server.close()
        assert seen.sight == "fails" and seen.reason.startswith(reason)


def test_a_large_body_is_read_to_the_cap_only(tmp_path: Path) -> None:
    made = certificates.ensure(tmp_path)
    # It announces more bytes that never come. A reader that waited for them would hang.
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: 3221225472\r\n\r\n" + bytes(MAX_BODY_BYTES)
    server = RawServer(sent, made.server_context())
    assert look(HttpTarget(host="127.0.0.1", port=server.port), tls_context(str(made.ca))) == ANSWERS
    server.close()


def test_tcp_wants_a_connection_and_no_more() -> None:
    def look_at(port: int) -> Observation:
        target = HttpTarget(host="127.0.0.1", port=port)
        probe = Probe(seconds=SECONDS, look=lambda deadline: look_tcp(target, deadline))
        (seen,) = run_probes([probe], clock=SYSTEM_CLOCK, on_progress=lambda _: None)
        return seen

    server = RawServer(b"", None)
    assert look_at(server.port) == ANSWERS
    server.close()
    assert look_at(server.port) == Observation("fails", "refuses the connection")


def test_many_side_by_side_with_some_that_hang(lab: LabUnderTest) -> None:
    applications = {each["name"]: each["url"] for each in lab.control("GET", "/applications")["applications"]}
    trust = tls_context(lab.env["REQUESTS_CA_BUNDLE"])
    ill(lab, "hang")

    def probe(name: str) -> Probe:
        target = at(applications[name].removeprefix("https://"))
        seconds = SHORT_SECONDS if name == "studio" else SECONDS
        return Probe(seconds=seconds, look=lambda deadline: look_http(target, trust, deadline))

    names = (["scheduler"] * 9 + ["studio"]) * 10
    seen = run_probes([probe(name) for name in names], clock=SYSTEM_CLOCK, on_progress=lambda _: None)
    assert {name: {each.sight for each, at in zip(seen, names, strict=True) if at == name} for name in set(names)} == {
        "scheduler": {"answers"},
        "studio": {"fails"},
    }
