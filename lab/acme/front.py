"""The front of the ACME server: Pebble's own answers, and the additions of Let's Encrypt.

Real: Pebble checks signatures, nonces, accounts and challenges, and issues certificates. It gets the client's Host
header, so all addresses in its answers lead through this front. The front adds renewal information
(lab/acme/renewals.py), `replaces` in orders, rate limits by the lab's clock (lab/acme/limits.py; 429 rateLimited with
Retry-After), and the authority's name in CAA records. Left out: profiles, DNS-PERSIST-01, a check of CAA records
(Pebble has none), external accounts, pauses.

The control API:

    POST /acme  {"renew_now": true}        the renewal windows of all certificates are over
                {"refuse_replaces": true}  no order may replace a certificate, as after a change of the account
                {"bad_nonces": 3}          the next 3 signed requests are refused with badNonce
                {"slow_looks": 9}          the next 9 looks at an issued order show that it is still processing
                {"window": ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]}
                                           each certificate has this suggested window, as it is written
                {"chain": [0, 1]}          an issued chain has these of its certificates, in this order

Sources: RFC 8555, RFC 9773; letsencrypt.org docs/rate-limits; Pebble 2.4.0.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from multidict import CIMultiDict
from yarl import URL

from lab.acme import pebble
from lab.acme.limits import LimitedError, Limits, Order
from lab.acme.renewals import Renewals, ReplacesRefusedError
from lab.front import answers
from lab.front.faults import InvalidFaultError
from lab.shared import Lab

SITE = "acme"
MAX_BODY_BYTES = 1024 * 1024
# How often a client should ask for renewal information (Let's Encrypt's answer).
ARI_RETRY_SECONDS = 21_600
NEW_ORDER, ORDER, FINALIZE = "/order-plz", "/my-order/", "/finalize-order/"
AUTHORIZATION, CERTIFICATE = "/authZ/", "/certZ/"
RENEWAL_INFO = "/renewal-info"
# The authority's name in CAA records.
CAA_IDENTITY = "acme.example"
PASSED_HEADERS = ("content-type", "location", "link", "replay-nonce", "retry-after", "cache-control")


@dataclass(slots=True)
class AcmeState:
    """The state of the front, in addition to Pebble's.

    orders: the orders, by the address that finalizes them. account_of: the account, by the address of its certificate.
    failed: addresses of the authorizations that were counted as failed. bad_nonces: how many of the next signed
    requests are refused. slow_looks: how many of the next looks at an issued order show that it is still processing.
    window: the start and the end of each suggested window, () for windows that fit. chain: which certificates of a
    chain are sent, () for all.
    """

    limits: Limits = field(default_factory=Limits)
    renewals: Renewals = field(default_factory=Renewals)
    orders: dict[str, Order] = field(default_factory=dict)
    account_of: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    bad_nonces: int = 0
    slow_looks: int = 0
    window: tuple[str, ...] = ()
    chain: tuple[int, ...] = ()

    def clear(self) -> None:
        """Forget everything."""
        self.limits.clear()
        self.renewals.clear()
        for kept in (self.orders, self.account_of, self.failed):
            kept.clear()
        self.bad_nonces = self.slow_looks = 0
        self.window, self.chain = (), ()


def routes(lab: Lab, state: AcmeState) -> web.Application:
    """Return the front's app."""
    front = _Front(lab, state)
    application = web.Application(client_max_size=MAX_BODY_BYTES)
    application.router.add_get(f"{RENEWAL_INFO}/{{id}}", front.renewal_info)
    application.router.add_route("*", "/{path:.*}", front.passed)
    return application


def control(state: AcmeState, lab: Lab, body: Any) -> object:
    """Apply the body of POST /acme and return what is set; InvalidFaultError if it is not understood."""
    known = {"renew_now", "refuse_replaces", "bad_nonces", "slow_looks", "window", "chain"}
    if not isinstance(body, dict) or not body or not set(body) <= known:
        raise InvalidFaultError(f"the body has one or more of {', '.join(sorted(known))}")
    try:
        bad_nonces = int(body.get("bad_nonces", state.bad_nonces))
        slow_looks = int(body.get("slow_looks", state.slow_looks))
        window = tuple(map(str, body.get("window", state.window)))
        chain = tuple(map(int, body.get("chain", state.chain)))
    except (TypeError, ValueError) as error:
        raise InvalidFaultError("bad_nonces and slow_looks take whole numbers, window and chain take lists") from error
    if body.get("renew_now"):
        state.renewals.renew_now(datetime.fromtimestamp(lab.clock.now(), timezone.utc))
    state.renewals.refuse_replaces = bool(body.get("refuse_replaces", state.renewals.refuse_replaces))
    state.bad_nonces, state.slow_looks, state.window, state.chain = bad_nonces, slow_looks, window, chain
    return {
        "refuse_replaces": state.renewals.refuse_replaces,
        "bad_nonces": state.bad_nonces,
        "slow_looks": state.slow_looks,
        "window": state.window,
        "chain": state.chain,
    }


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer of Pebble's. document: its JSON object, {} if it has none."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class _Front:
    """The handlers."""

    def __init__(self, lab: Lab, state: AcmeState) -> None:
        self._lab, self._state = lab, state

    async def renewal_info(self, request: web.Request) -> web.Response:
        """Answer when a certificate should be renewed."""
        found = self._state.renewals.issued.get(request.match_info["id"])
        if found is None:
            return await self._problem(404, "malformed", "The certificate is unknown.")
        start, end = self._state.window or (each.isoformat() for each in found.window)
        window = {"suggestedWindow": {"start": start, "end": end}}
        return web.json_response(window, headers={"Retry-After": str(ARI_RETRY_SECONDS)})

    async def passed(self, request: web.Request) -> web.Response:
        """Pass a request to Pebble. Check the front's limits before, and add the front's fields after."""
        body = await request.read()
        protected, payload = _signed(body)
        if request.method == "POST" and self._state.bad_nonces > 0:
            self._state.bad_nonces -= 1
            return await self._problem(400, "badNonce", "The nonce was refused by the lab.")
        order = None
        if request.path == NEW_ORDER and request.method == "POST":
            try:
                order = self._admit(protected, payload)
            except LimitedError as limited:
                wait = str(max(1, math.ceil(limited.retry_after)))
                return await self._problem(429, "rateLimited", str(limited), {"Retry-After": wait})
            except ReplacesRefusedError as refused:
                return await self._problem(refused.status, refused.code, str(refused))
        answer = await self._ask(request, body)
        replaces = str(payload.get("replaces", ""))
        self._learn(request.path, answer, order, replaces)
        return _shown(answer, self._added(request.path, answer, replaces))

    def _admit(self, protected: Mapping[str, Any], payload: Mapping[str, Any]) -> Order:
        account = str(protected.get("kid", ""))
        names = frozenset(
            str(one.get("value", "")).lower() for one in payload.get("identifiers", ()) if isinstance(one, dict)
        )
        replaces = payload.get("replaces")
        if replaces is not None:
            self._state.renewals.check_replaces(str(replaces), account, names)
        order = Order(account, names, renews=replaces is not None)
        self._state.limits.check(order, now=self._lab.clock.now())
        return order

    def _learn(self, path: str, answer: _Answer, order: Order | None, replaces: str) -> None:
        """Record the orders, failures and issued certificates in an answer."""
        state, now, told = self._state, self._lab.clock.now(), answer.document
        if order is not None and answer.status == 201:
            state.limits.ordered(order, now=now)
            state.orders[str(URL(told["finalize"]).path)] = order
            if replaces:
                state.renewals.issued[replaces].replaced = True
        if path.startswith(AUTHORIZATION) and told.get("status") == "invalid" and path not in state.failed:
            state.failed.add(path)
            state.limits.failed(str(told["identifier"]["value"]), now=now)
        finalized = state.orders.get(path) if path.startswith(FINALIZE) and answer.status == 200 else None
        if finalized is not None:
            state.limits.issued(finalized, now=now)
        if told.get("certificate") and told.get("finalize"):
            known = state.orders.get(str(URL(told["finalize"]).path))
            if known is not None:
                state.account_of[str(URL(told["certificate"]).path)] = known.account
        if path.startswith(CERTIFICATE) and answer.status == 200:
            leaf = x509.load_pem_x509_certificates(answer.body)[0]
            state.renewals.add(leaf, state.account_of.get(path, ""))

    def _added(self, path: str, answer: _Answer, replaces: str) -> bytes:
        """Return an answer's body with the front's own fields."""
        if path == "/dir":
            address = f"{self._lab.urls[SITE]}{RENEWAL_INFO}"
            meta = {**answer.document.get("meta", {}), "caaIdentities": [CAA_IDENTITY]}
            return json.dumps({**answer.document, "renewalInfo": address, "meta": meta}).encode()
        if path == NEW_ORDER and replaces and answer.status == 201:
            return json.dumps({**answer.document, "replaces": replaces}).encode()
        if path.startswith(ORDER) and answer.document.get("status") == "valid" and self._state.slow_looks > 0:
            self._state.slow_looks -= 1
            return json.dumps({**answer.document, "status": "processing"}).encode()
        if path.startswith(CERTIFICATE) and answer.status == 200 and self._state.chain:
            issued = x509.load_pem_x509_certificates(answer.body)
            return b"".join(issued[number].public_bytes(Encoding.PEM) for number in self._state.chain)
        return answer.body

    async def _ask(self, request: web.Request, body: bytes) -> _Answer:
        sent = {"Host": request.headers.get("Host", "")}
        for name in ("Content-Type", "User-Agent", "Accept"):
            if name in request.headers:
                sent[name] = request.headers[name]
        url = URL(self._lab.real_urls[pebble.NAME] + request.raw_path, encoded=True)
        async with self._lab.upstream.request(request.method, url, headers=sent, data=body or None) as answer:
            # A header may be there twice, such as Link.
            kept = ((name, value) for name, value in answer.headers.items() if name.lower() in PASSED_HEADERS)
            return _Answer(answer.status, CIMultiDict(kept), await answer.read())

    async def _problem(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        """Refuse with a fresh nonce, as each error of an ACME server has one (RFC 8555, "Replay Protection")."""
        async with self._lab.upstream.head(self._lab.real_urls[pebble.NAME] + "/nonce-plz") as answer:
            nonce = answer.headers["Replay-Nonce"]
        return answers.acme_error(status, code, message, {"Replay-Nonce": nonce, **(headers or {})})


def _shown(answer: _Answer, body: bytes) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=body)


def _signed(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a signed request's protected header and payload, {} for a missing part. Pebble checks the signature."""
    try:
        message = json.loads(body)
        return _part(message["protected"]), _part(message["payload"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        return {}, {}


def _part(text: str) -> dict[str, Any]:
    if not text:
        return {}
    value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return value if isinstance(value, dict) else {}
