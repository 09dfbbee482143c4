"""One report on its way to the publisher, over TLS, with a server that gives every answer that a network may give."""

import hashlib
import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime

import pytest

from runbook_lib.callbacks.client import MAX_ANSWER_BYTES, CallbackClient, CallbackReport
from runbook_lib.callbacks.payloads import DeploymentProgress
from runbook_lib.errors import RunbookError
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.request_signing.signer import SigningKey
from tests.support.fake_clock import FakeClock
from tests.support.running_lab import FOREIGN
from tests.support.scripted_server import Act, Answer, Request, Reset, ScriptedServer, Silence, json_answer

KEY = SigningKey("hmac-0123456789abcdef", bytes(range(32)))
TAKEN = json_answer({"accepted": True, "key_id": KEY.key_id})
REPORT_ID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
REPORT = CallbackReport(
    report_id=REPORT_ID,
    payload=DeploymentProgress(
        instance_id="contoso-1",
        at="2026-11-23T10:00:00.000000Z",
        correlation_id="0f8fad5b-d9cb-469f-a165-70867728950e",
        release_version="2026.11.0",
        step="import_images",
        status="succeeded",
        error_code="",
        duration_ms=1,
    ),
)
SIGNATURE_INPUT = re.compile(
    r'(\w+)=(\("@method" "@authority" "@path" "@query" "content-digest" "content-type"\)'
    r';created=(\d+);expires=(\d+);nonce="([\w-]+)";keyid="([^"]+)";tag="vibedata-callback-v1")'
)


@dataclass(frozen=True, slots=True)
class World:
    server: ScriptedServer
    clock: FakeClock
    client: CallbackClient

    def send(self, *acts: Act) -> None:
        self.server.play(*acts)
        self.client.send(REPORT, KEY)

    def error(self, *acts: Act) -> RunbookError:
        with pytest.raises(RunbookError) as caught:
            self.send(*acts)
        return caught.value


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path_factory.mktemp("certificates")).running() as running:
        yield running


def client_of(url: str, clock: FakeClock, policy: NetworkRetryPolicy | None = None) -> CallbackClient:
    return CallbackClient(
        publisher_api=url, session=new_session(), retry_policy=lambda: policy or NetworkRetryPolicy(), clock=clock
    )


@pytest.fixture
def world(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    server.forget()
    clock = FakeClock()
    return World(server, clock, client_of(server.url, clock))


def check_signature(request: Request, host: str) -> str:
    """Check a request's signature by RFC 9421, with separate code, and return its nonce."""
    digest = "sha-256=:" + b64encode(hashlib.sha256(request.body).digest()).decode() + ":"
    assert request.headers["Content-Digest"] == digest
    found = SIGNATURE_INPUT.fullmatch(request.headers["Signature-Input"])
    assert found is not None
    label, parameters, created, expires, nonce, key_id = found.groups()
    assert (int(expires) - int(created), key_id) == (60, KEY.key_id)
    path, _, query = request.path.partition("?")
    base = (
        f'"@method": {request.method}\n"@authority": {host}\n"@path": {path}\n"@query": ?{query}\n'
        f'"content-digest": {digest}\n"content-type": application/json\n"@signature-params": {parameters}'
    )
    mac = hmac.new(KEY.key, base.encode(), hashlib.sha256).digest()
    assert b64decode(request.headers["Signature"].removeprefix(f"{label}=:").removesuffix(":")) == mac
    return nonce


def test_a_report_is_sent_signed_once(world: World) -> None:
    world.send(TAKEN)
    (request,) = world.server.requests
    assert (request.method, request.path) == ("POST", "/v1/instances/contoso-1/deployment")
    assert request.headers["Idempotency-Key"] == REPORT_ID
    assert json.loads(request.body)["step"] == "import_images"
    check_signature(request, world.server.host)


@pytest.mark.parametrize(
    "failures",
    [
        [Answer(status=500)],
        [Answer(status=429, headers={"Retry-After": "3"})],
        [Answer(status=503), Answer(status=502)],
        [Reset()],
        [Reset(), Answer(status=408)],
    ],
)
def test_another_attempt_has_the_same_id_and_a_signature_of_its_own(world: World, failures: list[Act]) -> None:
    world.send(*failures, TAKEN)
    requests = world.server.requests
    assert len(requests) == len(failures) + 1
    assert {request.headers["Idempotency-Key"] for request in requests} == {REPORT_ID}
    assert len({request.body for request in requests}) == 1
    assert len({check_signature(request, world.server.host) for request in requests}) == len(requests)
    created = [SIGNATURE_INPUT.match(request.headers["Signature-Input"]) for request in requests]
    assert [int(found[3]) - int(created[0][3]) for found in created if found and created[0]][-1] == int(
        sum(world.clock.slept)
    )


@pytest.mark.parametrize("act", [Answer(status=500), Answer(status=429), Reset()])
def test_a_publisher_that_is_down_is_given_up(world: World, act: Act) -> None:
    error = world.error(*[act] * 4)
    assert (error.code, error.target) == ("VD-CALLBACK-020", world.server.host)
    assert len(world.server.requests) == 4


def test_a_publisher_that_asks_to_wait_long_holds_no_job(world: World) -> None:
    assert world.error(Answer(status=429, headers={"Retry-After": "120"})).code == "VD-CALLBACK-020"
    assert world.clock.slept == []


def test_a_publisher_that_hangs_is_given_up(world: World) -> None:
    hasty = client_of(world.server.url, world.clock, NetworkRetryPolicy(max_retries=0, total_seconds=1.0))
    world.server.play(Silence(2.0))
    with pytest.raises(RunbookError) as caught:
        hasty.send(REPORT, KEY)
    assert caught.value.code == "VD-CALLBACK-020"


def test_a_missing_server_and_an_untrusted_server_have_the_same_code(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(RunbookError) as caught:
        client_of("https://127.0.0.1:1", world.clock).send(REPORT, KEY)
    assert caught.value.code == "VD-CALLBACK-020"
    with ScriptedServer(tmp_path_factory.mktemp("other")).running() as other:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.ca_file))
        assert world.error(TAKEN).code == "VD-CALLBACK-020"
    assert world.server.requests == []


def date(clock: FakeClock, seconds: float) -> dict[str, str]:
    moment = datetime.fromtimestamp(clock.now().timestamp() + seconds, tz=timezone.utc)
    return {"Date": format_datetime(moment, usegmt=True)}


@pytest.mark.parametrize(("seconds", "words"), [(-3600, "3600 s ahead"), (3600, "3600 s behind"), (31, "31 s behind")])
def test_a_refusal_with_clocks_apart_shows_both_times(world: World, seconds: float, words: str) -> None:
    refusal = Answer(status=401, headers=date(world.clock, seconds), body=b"{}")
    error = world.error(refusal)
    assert error.code == "VD-CALLBACK-021"
    assert error.message.endswith(words)
    ours, theirs = re.findall(r"2026-11-23T[0-9:.]+Z", error.message)
    assert (datetime.fromisoformat(theirs[:-1]) - datetime.fromisoformat(ours[:-1])).total_seconds() == seconds


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Date": "yesterday"},
        {"Date": "Mon, 99 Nov 2026 10:00:00 GMT"},
        {"Date": "Fri, 31 Dec 9999 23:59:59 -2300"},
    ],
)
def test_a_refusal_without_a_time_names_key_and_path(world: World, headers: dict[str, str]) -> None:
    error = world.error(Answer(status=401, headers=headers))
    assert error.code == "VD-CALLBACK-022"
    assert f"key {KEY.key_id}, POST /v1/instances/contoso-1/deployment" in error.message
    assert "proxy" in error.cause
    assert len(world.server.requests) == 1


def test_a_refusal_at_the_same_time_is_the_signatures(world: World) -> None:
    assert world.error(Answer(status=401, headers=date(world.clock, -30))).code == "VD-CALLBACK-022"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=200),
        Answer(status=200, body=b"<html>sign in</html>"),
        json_answer([]),
        json_answer({"accepted": "true", "key_id": KEY.key_id}),
        json_answer({"accepted": True}),
        json_answer({"accepted": True, "key_id": "hmac-ffffffffffffffff"}),
        json_answer({"accepted": True, "key_id": KEY.key_id, "more": "x" * MAX_ANSWER_BYTES}),
        Answer(status=204),
        Answer(status=302, headers={"Location": "/v1/instances/contoso-1/ping"}),
        Answer(status=307, headers={"Location": "https://elsewhere.example/"}),
    ],
)
def test_what_is_not_the_apis_answer_is_no_acceptance(world: World, answer: Answer) -> None:
    assert world.error(answer).code == "VD-CALLBACK-023"
    assert len(world.server.requests) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413])
def test_a_report_that_is_not_taken_says_so(world: World, status: int) -> None:
    error = world.error(Answer(status=status, body=b"contoso's own words"))
    assert (error.code, len(world.server.requests)) == ("VD-CALLBACK-024", 1)
    assert f"status {status}" in error.message
    assert "words" not in str(error)


def test_an_answer_that_breaks_off_is_no_acceptance(world: World) -> None:
    # On a busy machine a reset may overtake the beginning of the answer. Then there is another attempt.
    assert world.error(*[Answer(body=TAKEN.body, cut_at=5)] * 4).code == "VD-CALLBACK-020"


def test_a_ping_says_who_and_when(world: World) -> None:
    world.server.play(TAKEN)
    world.client.ping("contoso-1", KEY, report_id=REPORT_ID)
    (request,) = world.server.requests
    assert request.path == "/v1/instances/contoso-1/ping"
    assert json.loads(request.body) == {"instance_id": "contoso-1", "at": "2026-11-23T10:00:00.000000Z"}


def test_the_key_is_in_no_text(world: World) -> None:
    assert "\\x1f" not in repr(KEY)
    assert b64encode(KEY.key).decode() not in str(world.error(Answer(status=401)))
