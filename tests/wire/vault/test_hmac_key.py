"""The signing key as a signer reads it: provisioned or not, replaced, disabled, damaged."""

import base64
import json
from collections.abc import Iterator

import pytest

from runbook_lib.change import Plan
from runbook_lib.context import Context
from runbook_lib.request_signing.signer import SigningKey
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.runbook import Runbook
from runbook_lib.vault.hmac_key import SECRET, read_signing_key
from tests.support.rotation_rig import Vault, base64url, vault
from tests.support.runbook_run import Run, run
from tests.support.running_lab import LabUnderTest

KEY = bytes(range(200, 232))


def observe(context: Context, _parameters: CommonParameters) -> SigningKey | None:
    key = read_signing_key(context)
    if key is not None:  # whatever a runbook does with the key, it does not show it
        for shown in (repr(key), key.key.hex(), base64.b64encode(key.key).decode(), base64url(key.key), str(key.key)):
            context.output.info(shown)
        context.output.info(json.dumps(list(key.key)))
    return key


def report(key: SigningKey | None, _results: object) -> dict[str, str]:
    return {"key_id": key.key_id if key else "none", "length": str(len(key.key)) if key else ""}


READER: Runbook[CommonParameters, SigningKey | None] = Runbook(
    name="reader",
    summary="reads the signing key",
    parameters=CommonParameters,
    observe=observe,
    plan=lambda _: Plan(),
    actions=lambda _context, _facts: (),
    report=report,
)


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Vault]:
    with vault(lab) as opened:
        yield opened


def read(lab: LabUnderTest) -> Run:
    return run(lab, READER)


def put(customer: Vault, digit: str, key: bytes = KEY) -> str:
    made = customer.secrets.set_secret(SECRET, base64url(key), tags={"keyId": f"hmac-{digit * 16}"})
    return str(made.properties.version)


def test_the_newest_enabled_version_is_in_use(lab: LabUnderTest, customer: Vault) -> None:
    assert read(lab).result["report"]["key_id"] == "none"
    first = put(customer, "1")
    lab.control("POST", "/clock", {"advance_seconds": 5})
    second = put(customer, "2")
    found = read(lab)
    assert found.result["report"] == {"key_id": "hmac-" + "2" * 16, "length": "32"}
    assert len(found.sent("key_vault", "GET", f"/secrets/{SECRET}")) <= 2  # with the challenge's
    customer.secrets.update_secret_properties(SECRET, second, enabled=False)
    assert read(lab).result["report"]["key_id"] == "hmac-" + "1" * 16
    customer.secrets.update_secret_properties(SECRET, first, enabled=False)
    assert read(lab).result["report"]["key_id"] == "none"


def test_a_malformed_key_is_reported_and_not_shown(lab: LabUnderTest, customer: Vault) -> None:
    for value, tags in ((base64url(KEY[:31]), {"keyId": "hmac-" + "1" * 16}), ("!" * 43, None), (base64url(KEY), None)):
        customer.secrets.set_secret(SECRET, value, tags=tags)
        refused = read(lab)
        assert refused.error_code == "VD-ROTATION-006" and value not in refused.text


def test_the_key_shows_in_no_form(lab: LabUnderTest, customer: Vault) -> None:
    put(customer, "1")
    text = read(lab).text
    for form in (
        KEY.hex(),
        base64url(KEY),
        base64.b64encode(KEY).decode(),
        str(KEY)[2:-1],
        json.dumps(list(KEY))[1:-1],
    ):
        assert form not in text
    assert text.count("***") >= 5


def test_a_refused_read_is_reported(lab: LabUnderTest, customer: Vault) -> None:
    put(customer, "1")
    lab.fault("status", status=403, times=0, match={"service": "key_vault", "method": "GET"})
    assert read(lab).error_code == "VD-NET-003"
