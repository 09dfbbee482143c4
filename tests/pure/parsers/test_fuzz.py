# ruff: noqa: E501 - one line a parser
"""Every parser of foreign bytes is tried with valid inputs that were changed at random.

For any bytes a parser returns, or raises an error that its docstring names. Another parser needs only a line in
PARSERS. `make soak` tries SOAKED inputs for each, and `make test` tries SAMPLED of them. The seeds are fixed, so a
failure can be repeated.
"""

import http.client
import json
import random
import socket
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from oci.layout import reader as layout_reader
from oci.packages import package_lock
from publisher.callback_api.keys import PATH
from runbook_lib.automation.job_line import NoResultError, read_result
from runbook_lib.azure import settings
from runbook_lib.basics import base64url, strict_json
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.redaction import Redactor
from runbook_lib.basics.service_words import words_of_body
from runbook_lib.callbacks import payloads as callback_payloads
from runbook_lib.callbacks.client import _clocks_off, _is_acceptance
from runbook_lib.component_registry.endpoints import endpoint_of
from runbook_lib.container_registry._import_operation import failure
from runbook_lib.container_registry.words import words
from runbook_lib.deployment_lock.content import NotALocksContentError, encoded, read_content
from runbook_lib.errors import RunbookError
from runbook_lib.health.probes.http import HttpTarget, _encoded, _followed, _place, target_of
from runbook_lib.network.deadline import Deadline
from runbook_lib.network.http_answer import HttpAnswer
from runbook_lib.network.retry import retry_after_seconds
from runbook_lib.preflight.log_checks import unfit_columns
from runbook_lib.preflight.rights import denial_of, grant_of
from runbook_lib.release import manifest as release_manifest
from runbook_lib.release.hop import read_artifact
from runbook_lib.request_signing.fields import NotSignatureFieldError, parse_signature, parse_signature_input
from runbook_lib.request_signing.message import NotCanonicalError, field_values, message
from runbook_lib.run import parameters
from runbook_lib.trust._identity import read_identity
from runbook_lib.trust.certificates import read_chain
from runbook_lib.trust.envelope import JWS
from runbook_lib.trust.good_signature import read_referrers
from runbook_lib.trust.manifest import read_signature_manifest
from runbook_lib.trust.signature import verify_envelope
from runbook_lib.vault.hmac_key import key_of
from runbook_lib.vault.publisher_token import parse_token
from runbooks.import_manifest import Parameters
from tests.support.lock_content import CONTENT as LOCK
from tests.support.manifest_maker import DOCUMENT
from tests.support.mutations import envelope_of, mutated
from tests.support.notary_fixtures import NOW, cases
from tests.support.notary_maker import TARGET
from tests.support.release_maker import artifact_of
from vibedata.package import located_json
from vibedata.preflight.sandbox import read_row

# `cryptography` warns about a serial number. The verifier refuses it afterwards.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
SOAKED, SAMPLED = 100_000, 300
CASE = cases()["es256-jws"]
ENVELOPE = envelope_of(CASE)
CERTIFICATE = b64decode(json.loads(ENVELOPE)["header"]["x5c"][0])
TARGET_OF_PROBE = HttpTarget(host="a.example", port=443)
DATE = datetime(2026, 11, 23, tzinfo=timezone.utc)
# Texts that break readers more often than random ones: signs of each grammar, limits of numbers, other alphabets.
TELLING = (
    b"[", b"]", b"{", b"}", b'"', b"\\", b"\\u", b"\\ud800", b":", b",", b";", b"=", b"%", b"%ff", b"#", b"?", b"@", b"//",
    b"://", b"\x00", b"\r\n", b"\n ", b"\t", b" ", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"\xe2\x80\xae", b"-1", b"1e999",
    b"9" * 30, b"9" * 5000, b"NaN", b"null", b"true", b"0x", b"1_0", b"\xd9\xa3", b"[" * 3000, b'{"a":' * 3000,
)  # fmt: skip


@dataclass(frozen=True)
class Parser:
    """A parser. `valid` has examples. `read` gets other bytes, and may raise `errors`."""

    name: str
    valid: tuple[bytes, ...]
    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...] = (RunbookError,)

    def __str__(self) -> str:
        return self.name


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def text(content: bytes) -> str:
    """Return bytes as a header has them: one character for each byte."""
    return content.decode("latin-1")


def told(content: bytes) -> str:
    """Return bytes as text. Not all of them need to be UTF-8."""
    return content.decode("utf-8", "surrogateescape")


def read_answer(content: bytes) -> None:
    """Read an HTTP answer as probes and clients do."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(content[:60_000])
        theirs.shutdown(socket.SHUT_WR)
        with HttpAnswer(ours, Deadline(SYSTEM_CLOCK, 10), method="GET") as answer:
            answer.begin()
            while answer.read(1000):
                pass


def of_arm(content: bytes, read: Callable[[dict[str, object]], object]) -> None:
    """Read an item of a listing.

    A value that is not a JSON object is refused before (runbook_lib.azure.arm_listing).
    """
    try:
        item = json.loads(content)
    except (ValueError, RecursionError):
        return
    if isinstance(item, dict):
        read(item)


def columns_of(item: dict[str, object]) -> None:
    unfit_columns(item.get("columns"))


def read_layout(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "oci-layout").write_bytes(b'{"imageLayoutVersion": "1.0.0"}')
        (Path(folder) / "index.json").write_bytes(content)
        layout_reader.read(Path(folder))


def follow(content: bytes) -> None:
    location = _encoded(text(content))
    _followed(TARGET_OF_PROBE, location)
    assert _place(TARGET_OF_PROBE, location).isascii()


PING = callback_payloads.Ping(instance_id="contoso-1", at="2026-11-23T10:00:00.000000Z")
INPUT = b'sig=("@method" "@path");created=1;expires=2;nonce="n";keyid="hmac-0";tag="t"'
ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nServer: x\r\n\r\nbody",
    b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.0 302 Found\r\nLocation: /elsewhere\r\n\r\n",
)
REFUSAL = as_json({"errors": [{"code": "DENIED", "message": "no", "detail": None}]})
COLUMN = [{"name": "Step", "type": "string"}, {"name": "Attempts", "type": ["int"]}]
PERMISSION = {"actions": ["*/read"], "notActions": [], "dataActions": ["a/*/b"], "notDataActions": []}
PREFLIGHT_ROW = {"subject": "clock", "state": "good", "detail": "", "code": "", "remedy": "", "line": ""}
DENIAL = {
    "properties": {
        "denyAssignmentName": "system",
        "permissions": [PERMISSION],
        "principals": [{"id": "a", "type": "SystemDefined"}],
        "excludePrincipals": [{"id": "b", "type": "Group"}],
    }
}
ARM_REFUSAL = {"error": {"code": "Conflict", "message": "no", "innererror": {"code": "Inner"}}}
INDEX = as_json({"schemaVersion": 2, "manifests": [{"digest": f"sha256:{'a' * 64}", "size": 1, "mediaType": "a/b"}]})
SETTINGS = as_json(
    {
        "subscription_id": "11111111-2222-3333-4444-555555555555",
        "dcr_id": "dcr-" + "0" * 32,
        "logs_endpoint": "https://logs.example",
    }
)
SIGNATURE_MANIFEST = CASE.manifests[0] if hasattr(CASE, "manifests") else as_json({"subject": TARGET, "layers": []})
RESULT = {
    "runbook": "import_images",
    "version": "2026.11.0",
    "status": "failed",
    "correlation_id": "c",
    "run_id": "r",
    "changed": 1,
    "unchanged": 0,
    "changes": [{"action": "write", "target": "a", "before": None, "after": "x", "outcome": "done", "error": None}],
    "error": {"code": "VD-NET-001", "message": "m", "cause": "c", "remedy": "r", "retryable": True},
    "duration_ms": 3,
    "report": {"count": 1, "text": "a", "list": ["b"]},
}
DATES = (b"Mon, 23 Nov 2026 10:00:00 GMT", b"120")

PARSERS = (
    Parser("JSON", (as_json(DOCUMENT), b"[1, 2.5, null]"), strict_json.loads, (strict_json.NotStrictJsonError,)),
    Parser("JSON with lines", (b'{"a": [1, {"b": null}], "c": "d"}',), lambda each: located_json.read(each, name="n", file="f"), (located_json.MalformedError,)),
    Parser("base64url", (b"AAECAw", b"_-8"), lambda each: base64url.decode(text(each)), (ValueError,)),
    Parser("release manifest", (as_json(DOCUMENT),), release_manifest.parse),
    Parser("artifact", (as_json(artifact_of(f"sha256:{'a' * 64}", 2)),), lambda each: read_artifact(each, target="t")),
    Parser("envelope", (ENVELOPE,), lambda each: verify_envelope(each, JWS, subject=CASE.subject, policy=CASE.policies()[0], now=NOW)),
    Parser("lock", (encoded(LOCK), encoded(replace(LOCK, former_jobs=LOCK.jobs))), read_content, (NotALocksContentError,)),
    Parser("certificate", (CERTIFICATE,), lambda each: read_chain((each,))),
    Parser("signature manifest", (SIGNATURE_MANIFEST,), read_signature_manifest),
    Parser("referrers", (INDEX,), read_referrers),
    Parser("subject", (b"CN=a,O=b+OU=c\\, d,C=DE", b"O=#0c0161"), lambda each: read_identity(told(each))),
    Parser("Signature-Input", (INPUT,), lambda each: parse_signature_input(text(each)), (NotSignatureFieldError,)),
    Parser("Signature", (b"sig=:AAEC:",), lambda each: parse_signature(text(each)), (NotSignatureFieldError,)),
    Parser("fields", (b"a\r\n b", b" a "), lambda each: field_values([("x", text(each))]), (NotCanonicalError,)),
    Parser("address", (b"https://a.example/b?c=d",), lambda each: message(method="GET", url=text(each), fields={}), (NotCanonicalError,)),
    Parser("path of a report", (b"/v1/instances/a-1/ping",), lambda each: PATH.fullmatch(text(each))),
    Parser("report", (callback_payloads.to_json(PING),), lambda each: callback_payloads.parse("ping", each), (callback_payloads.PayloadRefusedError,)),
    Parser("publisher's answer", (b'{"accepted": true, "key_id": "k"}',), lambda each: _is_acceptance(each, "k"), ()),
    Parser("publisher's time", DATES, lambda each: _clocks_off({"Date": text(each)}, DATE), ()),
    Parser("Retry-After", DATES, lambda each: retry_after_seconds({"Retry-After": text(each)}, DATE), ()),
    Parser("token", (b'{"username": "u", "password": "a-long-password"}',), lambda each: parse_token(told(each), Redactor())),
    Parser("key", (base64url.encode(bytes(32)).encode(),), lambda each: key_of(told(each)), ()),
    Parser("parameters", (as_json({"release_tag": "latest", "allow_downgrade": True}),), lambda each: parameters.parse(Parameters, [base64url.encode(each)])),
    Parser("argument", (parameters.encode({"allow_downgrade": True}).encode(),), lambda each: parameters.parse(Parameters, [told(each)]), (RunbookError, parameters.HelpWanted)),
    Parser("flag", (b"--release-tag=latest",), lambda each: parameters.parse(Parameters, [told(each)]), (RunbookError, parameters.HelpWanted)),
    Parser("settings", (SETTINGS,), lambda each: settings.load({}, {}, told(each))),
    Parser("HTTP answer", ANSWERS, read_answer, (OSError, http.client.HTTPException)),
    Parser("Location", (b"/path?a=b#c", b"https://a.example/b"), follow, ()),
    Parser("endpoint", (b"https://a.example:443",), lambda each: target_of(text(each)), ()),
    Parser("host", (b"a.example:443",), lambda each: endpoint_of("microsoft.web/sites", {"defaultHostName": text(each)}), ()),
    Parser("registry's error", (REFUSAL,), words, ()),
    Parser("permission", (as_json(PERMISSION),), lambda content: of_arm(content, grant_of)),
    Parser("deny assignment", (as_json(DENIAL),), lambda content: of_arm(content, denial_of)),
    Parser("columns of a rule", (as_json({"columns": COLUMN}),), lambda content: of_arm(content, columns_of), ()),
    Parser("row of a preflight", (as_json(PREFLIGHT_ROW),), lambda content: read_row(told(content), settings.load({}, {}, SETTINGS.decode())), ()),
    Parser("service's error", (as_json(ARM_REFUSAL), as_json(as_json(ARM_REFUSAL).decode())), words_of_body, ()),
    Parser("import's error", (b"MANIFEST_UNKNOWN: not found",), lambda each: failure("Failed", told(each), "image"), ()),
    Parser("a job's last line", (b"text\n" + as_json(RESULT),), lambda each: read_result(told(each), runbook="import_images", correlation_id=""), (NoResultError,)),
    Parser("package lock", (b"a==1.0 --hash=sha256:" + b"a" * 64 + b"\n",), lambda each: package_lock.parse(told(each))),
    Parser("layout", (as_json({"schemaVersion": 2, "manifests": []}),), read_layout),
)  # fmt: skip


def changed(parser: Parser, dice: random.Random) -> bytes:
    """Return a valid example with one to four changes."""
    content = dice.choice(parser.valid)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        if dice.random() < 0.4:
            at = dice.randrange(len(content) + 1)
            content = content[:at] + dice.choice(TELLING) + content[at + dice.choice((0, 0, 1, 4)) :]
        elif content:
            content = mutated(content, dice)
    return content


def try_out(parser: Parser, count: int) -> None:
    dice = random.Random(parser.name)  # noqa: S311 - the same at each run
    for number in range(count):
        content = changed(parser, dice)
        try:
            parser.read(content)
        except parser.errors:
            pass
        except Exception as error:
            raise AssertionError(f"input {number}, {content[:300]!r}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("parser", PARSERS, ids=str)
def test_a_parser_takes_what_is_valid(parser: Parser) -> None:
    for content in parser.valid:
        parser.read(content)


@pytest.mark.parametrize("parser", PARSERS, ids=str)
def test_a_parser_raises_nothing_but_its_own_errors(parser: Parser) -> None:
    try_out(parser, SAMPLED)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("parser", PARSERS, ids=str)
def test_a_parser_raises_nothing_but_its_own_errors_however_often(parser: Parser) -> None:
    try_out(parser, SOAKED)
