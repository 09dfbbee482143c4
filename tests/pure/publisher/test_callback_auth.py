"""The gate before any application, as WSGI and ASGI servers call it, with and without the original target."""

import asyncio
import io
import json
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from publisher.callback_api.gate import MAX_BODY_BYTES, CallbackGate
from publisher.callback_api.wsgi_asgi import KEY_ID, AsgiCallbackAuth, WsgiCallbackAuth
from runbook_lib.request_signing.signer import SigningKey, sign
from runbook_lib.request_signing.verifier import UnavailableError
from tests.support.fake_clock import FakeClock

ADDRESS = "https://api.vibedata.ai/base"
KEY = SigningKey("hmac-0123456789abcdef", b"k" * 32)
BODY = b'{"a": 1}'
PATH = "/base/some/p%C3%A4th"


class Keys:
    down = False

    def find(self, *, path: str, key_id: str) -> bytes | None:
        if self.down:
            raise UnavailableError("the test says so")
        return KEY.key if key_id == KEY.key_id and path.startswith("/base/") else None


class Nonces:
    def __init__(self) -> None:
        self.spent: set[str] = set()

    def spend(self, *, key_id: str, nonce: str, until: float) -> bool:
        assert key_id == KEY.key_id
        assert until > FakeClock().now().timestamp()
        fresh = nonce not in self.spent
        self.spent.add(nonce)
        return fresh


class Rig:
    """The gate, an application behind it that reports what it received, and the log."""

    def __init__(self) -> None:
        self.keys, self.events = Keys(), list[Any]()
        self.gate = CallbackGate(
            address=ADDRESS, keys=self.keys, nonces=Nonces(), log=self.events.append, clock=FakeClock()
        )

    def wsgi(self, target: str, fields: dict[str, str], body: bytes = BODY, **more: Any) -> tuple[int, Any]:
        """Return the status and the document that a WSGI server would get. The standard library checks both sides."""
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "/base",
            "PATH_INFO": decoded(path).removeprefix("/base"),
            "QUERY_STRING": query,
            "HTTP_HOST": "api.vibedata.ai",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            **{variable(name): value for name, value in fields.items()},
            **more,
        }
        setup_testing_defaults(environ)
        answers: list[tuple[str, Any]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
            answers.append((status, headers))
            return lambda _: None

        checked = validator(WsgiCallbackAuth(validator(self._wsgi_application), self.gate))
        parts = checked(environ, start_response)
        content = b"".join(parts)
        parts.close()  # type: ignore[attr-defined]
        return int(answers[0][0].split()[0]), json.loads(content)

    @staticmethod
    def _wsgi_application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"key_id": environ[KEY_ID], "body": body.decode()}).encode()]

    def asgi(self, target: str, fields: dict[str, str], *parts: bytes, **more: Any) -> tuple[int, Any]:
        """Return the status and the document that an ASGI server would get."""
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "method": "POST",
            "path": decoded(path).encode("latin-1").decode(),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [
                (b"host", b"api.vibedata.ai"),
                *((name.lower().encode(), value.encode("latin-1")) for name, value in fields.items()),
            ],
            **more,
        }
        last = len(parts) - 1
        events = [
            {"type": "http.request", "body": part, "more_body": number < last} for number, part in enumerate(parts)
        ]
        sent = asyncio.run(converse(AsgiCallbackAuth(self._asgi_application, self.gate), scope, events))
        content = b"".join(event.get("body", b"") for event in sent)
        return (sent[0].get("status", 0), json.loads(content)) if sent and content else (0, sent)

    @staticmethod
    async def _asgi_application(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        event = await receive()
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        told = {"key_id": scope[KEY_ID], "body": event["body"].decode()}
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


async def converse(
    application: AsgiCallbackAuth, scope: dict[str, Any], events: list[dict[str, Any]]
) -> list[MutableMapping[str, Any]]:
    waiting, sent = iter(events), list[MutableMapping[str, Any]]()

    async def receive() -> MutableMapping[str, Any]:
        return next(waiting, {"type": "http.disconnect"})

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(event)

    await application(scope, receive, send)
    return sent


def decoded(path: str) -> str:
    return path.encode().replace(b"%C3%A4", b"\xc3\xa4").decode("latin-1")


def variable(name: str) -> str:
    return "CONTENT_TYPE" if name == "Content-Type" else f"HTTP_{name.upper().replace('-', '_')}"


def signed(target: str = PATH, body: bytes = BODY, nonce: str = "0123456789abcdef") -> dict[str, str]:
    return sign(
        method="POST",
        url="https://api.vibedata.ai" + target,
        content_type="application/json",
        body=body,
        key=KEY,
        created=int(FakeClock().now().timestamp()),
        nonce=nonce,
    )


PASSED = (200, {"key_id": KEY.key_id, "body": BODY.decode()})
REFUSED = (401, {"accepted": False, "error": "unauthorized"})


@pytest.mark.parametrize("raw", [{}, {"REQUEST_URI": PATH + "?q=%20"}, {"RAW_URI": PATH + "?q=%20"}])
def test_wsgi(raw: dict[str, Any]) -> None:
    rig, target = Rig(), PATH + "?q=%20"
    fields = signed(target)
    assert rig.wsgi(target, fields, body=b"{}", **raw) == REFUSED
    assert rig.wsgi(target, fields, **raw) == PASSED
    assert rig.wsgi(target, fields, **raw) == REFUSED
    assert rig.wsgi(target, {}, **raw) == REFUSED
    assert [event["reason"] for event in rig.events] == ["digest", "replay", "missing"]


def test_wsgi_takes_the_target_as_it_came() -> None:
    """Decoded, both are one path. The signature covers another spelling."""
    rig = Rig()
    assert rig.wsgi(PATH, signed(), REQUEST_URI=PATH.replace("some", "%73ome")) == REFUSED
    assert rig.wsgi(PATH, signed(), REQUEST_URI="http://api.vibedata.ai" + PATH) == REFUSED
    assert rig.wsgi(PATH, signed(), REQUEST_URI=PATH) == PASSED


def test_wsgi_reads_no_more_than_is_allowed() -> None:
    rig = Rig()
    large = b" " * MAX_BODY_BYTES
    assert rig.wsgi(PATH, signed(body=large), large)[0] == 200
    assert rig.wsgi(PATH, signed(body=large + b" "), large + b" ")[0] == 413
    assert rig.wsgi(PATH, signed(), CONTENT_LENGTH="9" * 100)[0] == 413
    assert rig.wsgi(PATH, signed(), HTTP_TRANSFER_ENCODING="chunked")[0] == 411
    assert rig.events == []


def test_asgi() -> None:
    rig, target = Rig(), PATH + "?q=%20"
    fields = signed(target)
    assert rig.asgi(target, fields, b"{}") == REFUSED
    assert rig.asgi(target, fields, BODY[:3], BODY[3:]) == PASSED
    assert rig.asgi(target, fields, BODY) == REFUSED
    assert rig.asgi(target, {}, BODY) == REFUSED
    assert rig.asgi(target, signed(target, nonce="f" * 16), BODY, raw_path=None) == PASSED
    assert rig.asgi(target, signed(target), b" " * MAX_BODY_BYTES, b" ")[0] == 413
    assert rig.asgi(target, signed(target)) == (0, [])  # the client went away
    assert [event["reason"] for event in rig.events] == ["digest", "replay", "missing"]


class Part(bytes):
    """A part of a body. It must not be added to a copy of all earlier parts."""

    def __radd__(self, other: bytes) -> bytes:
        raise AssertionError("each part copies those before it")


def test_asgi_takes_a_body_in_many_small_parts() -> None:
    large = b" " * 20_000
    parts = [Part(large[:1])] * len(large)
    assert Rig().asgi(PATH, signed(body=large), *parts) == (200, {"key_id": KEY.key_id, "body": large.decode()})


def test_asgi_lets_nothing_past_in_another_guise() -> None:
    rig = Rig()
    assert rig.asgi(PATH, {}, type="websocket") == (0, [{"type": "websocket.close"}])
    double = {**signed(), "Signature": ""}
    assert rig.asgi(PATH, double, BODY) == REFUSED


@pytest.mark.parametrize("serve", [Rig.wsgi, Rig.asgi])
def test_an_outage_is_no_refusal(serve: Callable[..., tuple[int, Any]]) -> None:
    rig = Rig()
    rig.keys.down = True
    assert serve(rig, PATH, signed(), BODY) == (503, {"accepted": False, "error": "unavailable"})
    assert rig.events == [{"event": "unavailable", "what": "the test says so", "path": PATH}]
    rig.keys.down = False
    assert serve(rig, PATH, signed(), BODY) == PASSED


@pytest.mark.parametrize("serve", [Rig.wsgi, Rig.asgi])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Signature": "a" + " " * 15_000 + "b"}, "malformed"),
        ({"Signature-Input": "a=(" + " " * 15_000}, "malformed"),
        ({"Content-Type": "\t" * 15_000}, "malformed"),
        ({"Signature": None, "Content-Type": "\x00"}, "missing"),
    ],
)
def test_what_costs_nothing_to_refuse_is_refused_before_anything_is_parsed(
    serve: Callable[..., tuple[int, Any]],
    changes: dict[str, str | None],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parse(*_: object, **__: object) -> None:
        raise AssertionError("it is parsed")

    monkeypatch.setattr("publisher.callback_api.gate.field_values", parse)
    monkeypatch.setattr("publisher.callback_api.gate.received_message", parse)
    rig = Rig()
    fields = {"Content-Type": "application/json", "Content-Digest": "d", "Signature-Input": "i", "Signature": "s"}
    sent = {name: value for name, value in {**fields, **changes}.items() if value is not None}
    assert serve(rig, PATH, sent, BODY)[0] == 401
    assert [event["reason"] for event in rig.events] == [reason]
