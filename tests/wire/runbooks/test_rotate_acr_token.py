"""rotate_acr_token over the wire, and by it what both rotations have in common."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from runbook_lib.basics import strict_json
from runbook_lib.basics.redaction import Redactor
from runbook_lib.errors import RunbookError
from runbook_lib.vault.publisher_token import SECRET, read_publisher_token
from runbooks import rotate_acr_token
from tests.support.log_reader import table_rows
from tests.support.release_maker import container_registry, document, push_release_manifest
from tests.support.rotation_rig import PHASES, Rotation, Vault, base64url, new_rotation_id, vault, wrap
from tests.support.runbook_run import run
from tests.support.running_lab import LabUnderTest

PENDING = f"{SECRET}-pending"
KEY = "vibedata-wrapping"
NOW = {"overlap_seconds": 0}
CredentialMaker = Callable[..., Rotation]


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Vault]:
    with vault(lab) as opened:
        yield opened


@pytest.fixture
def rotation(lab: LabUnderTest) -> CredentialMaker:
    """Make a rotation of the token; the publisher's container registry has a release to pull."""
    names = lab.control("GET", "/names")
    push_release_manifest(container_registry(lab, "publisher"), json.dumps(document()).encode())

    def make(credential_id: str = "password2", *, password: str = "", **given: Any) -> Rotation:
        password = password or names["publisher_token_password"]
        content = json.dumps({"username": names["publisher_token_username"], "password": password}).encode()
        return Rotation(
            lab=lab,
            runbook=rotate_acr_token.RUNBOOK,
            id_name="credential_id",
            credential_id=credential_id,
            content=content,
            **given,
        )

    return make


def test_a_whole_rotation(customer: Vault, rotation: CredentialMaker) -> None:
    turn = rotation()
    states, versions = [], []
    for phase in PHASES:
        planned = turn.run(phase, plan_only=True, **NOW)
        assert (planned.status, planned.writes()) == ("planned", []), planned.text
        made = turn.succeed(phase, **NOW)
        assert made.status == "succeeded" and made.result["changes"][0]["outcome"] == "done", made.text
        states.append(turn.report["state"])
        versions.append(customer.secrets.get_secret(SECRET).value == turn.content.decode())
        again = turn.succeed(phase, **NOW)
        assert (again.status, again.writes()) == ("unchanged", []), again.text
        assert turn.report["state"] == states[-1]
    assert states == ["prepared", "pending", "tested", "promoted", "retired"]
    assert customer.enabled(SECRET) == [turn.rotation_id] and customer.enabled(PENDING) == []
    current = customer.secrets.get_secret(SECRET)
    assert current.value == turn.content.decode() and current.properties.content_type == "application/json"
    assert (current.properties.tags or {})["credentialId"] == "password2"
    key = customer.keys.get_key(KEY)
    assert key.key_type == "RSA" and sorted(key.key_operations) == ["unwrapKey", "wrapKey"]
    assert len(key.key.n) * 8 == 3072  # type: ignore[attr-defined]
    assert turn.succeed("auto").status == "unchanged"


def test_the_largest_token_fits(customer: Vault, rotation: CredentialMaker) -> None:
    turn = rotation()
    spare = 318 - len(turn.content)
    turn.content = turn.content.replace(b"{", b"{" + b" " * spare, 1)
    turn.through("stage")
    assert customer.secrets.get_secret(PENDING).value == turn.content.decode()
    with pytest.raises(ValueError, match="Encryption failed"):
        wrap(turn.report, turn.content + b" ")


def test_auto_goes_on_with_what_was_left(customer: Vault, rotation: CredentialMaker) -> None:
    turn = rotation()
    states = []
    for _ in range(4):
        turn.succeed("auto")
        states.append(turn.report["state"])
    waiting = turn.succeed("auto", rotation_id="")  # days later, by somebody who knows no id
    assert states == ["prepared", "pending", "tested", "promoted"]
    assert waiting.status == "unchanged" and turn.report["rotation_id"] == turn.rotation_id
    after = datetime.fromisoformat(turn.report["retire_after"].replace("Z", "+00:00"))
    assert timedelta(hours=3) < after - datetime.now(timezone.utc) < timedelta(hours=3, minutes=5)
    early = turn.run("retire")
    assert early.error_code == "VD-ROTATION-007" and turn.report["retire_after"] in early.text
    assert customer.enabled(SECRET) == [turn.rotation_id, ""]
    assert turn.succeed("auto", rotation_id="", **NOW).status == "succeeded"
    assert turn.report["state"] == "retired" and customer.enabled(SECRET) == [turn.rotation_id]


def test_the_end_of_a_token_is_its_secrets_expiry(customer: Vault, rotation: CredentialMaker) -> None:
    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=90)
    turn = rotation()
    turn.succeed("prepare")
    turn.succeed("stage", expires=expires.isoformat().replace("+00:00", "Z"))
    for phase in ("test", "promote"):
        turn.succeed(phase)
    assert customer.secrets.get_secret(SECRET).properties.expires_on == expires


# --- Faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["reset_after", "reset_before", "throttle"])
def test_lost_answers_and_throttling_at_every_write(
    lab: LabUnderTest, customer: Vault, rotation: CredentialMaker, action: str
) -> None:
    turn = rotation()
    for phase in PHASES:
        for method in ("PUT", "PATCH", "POST"):
            lab.fault(action, match={"service": "key_vault", "method": method})
        turn.succeed(phase, **NOW)
        lab.control("DELETE", "/faults")
    assert turn.report["state"] == "retired"
    assert set(customer.enabled(SECRET)) == {turn.rotation_id} and customer.enabled(PENDING) == []
    assert customer.secrets.get_secret(SECRET).value == turn.content.decode()


def test_a_credential_that_was_stored_twice_in_one_second_is_one(
    lab: LabUnderTest, customer: Vault, rotation: CredentialMaker
) -> None:
    """A vault lists versions in no order that tells the second from the first."""
    twice = 0
    for _ in range(6):
        turn = rotation()
        turn.succeed("prepare")
        lab.fault("reset_after", match={"service": "key_vault", "method": "PUT"})
        turn.succeed("stage")
        made = [one for one in customer.versions(PENDING) if (one.tags or {})["rotationId"] == turn.rotation_id]
        twice += made[0].created_on == made[-1].created_on and len(made) == 2
        for phase in ("test", "promote", "retire"):
            turn.succeed(phase, **NOW)
        assert customer.enabled(SECRET) == [turn.rotation_id] and customer.enabled(PENDING) == []
    assert twice > 0


def test_refused_writes_name_the_role_and_a_rerun_goes_on(
    lab: LabUnderTest, customer: Vault, rotation: CredentialMaker
) -> None:
    turn = rotation()
    for phase in PHASES:
        for method in ("PUT", "PATCH", "POST"):
            lab.fault("status", status=403, times=0, match={"service": "key_vault", "method": method})
        refused = turn.run(phase, **NOW)
        assert (refused.exit_code, refused.error_code) == (1, "VD-NET-003"), refused.text
        before = turn.report["state"]
        lab.control("DELETE", "/faults")
        turn.succeed(phase, **NOW)
        assert before != turn.report["state"]
    assert customer.enabled(SECRET) == [turn.rotation_id]


def test_a_vault_that_lags_behind_its_writes(lab: LabUnderTest, customer: Vault, rotation: CredentialMaker) -> None:
    turn = rotation()
    lab.latency(operation="vaultVisibility", seconds=0.7, service="key_vault")
    for phase in PHASES:
        turn.succeed(phase, **NOW)
    lab.control("DELETE", "/latency")
    assert turn.report["state"] == "retired" and customer.enabled(SECRET) == [turn.rotation_id]


# --- Refusals ---------------------------------------------------------------------------------------------------------


def test_phases_out_of_order(customer: Vault, rotation: CredentialMaker) -> None:
    turn = rotation()
    for phase in ("test", "promote", "retire"):
        refused = turn.run(phase)
        assert refused.error_code == "VD-ROTATION-001" and "phase stage comes first" in refused.text
    turn.through("stage")
    refused = turn.run("promote")
    assert refused.error_code == "VD-ROTATION-001" and "phase test comes first" in refused.text
    assert "phase promote comes first" in turn.run("retire").text
    assert customer.enabled(SECRET) == [""]


def test_two_rotations_at_once(customer: Vault, rotation: CredentialMaker) -> None:
    first, second = rotation("password1"), rotation("password2")
    first.through("stage")
    second.report = first.report
    for phase in ("prepare", "stage", "test"):
        refused = second.run(phase)
        assert refused.error_code == "VD-ROTATION-002", refused.text
        assert f"password1 of rotation {first.rotation_id}, since 20" in refused.text
    second.given = {"supersedes": first.rotation_id}
    second.through("promote")
    assert first.run("test").error_code == first.run("promote").error_code == "VD-ROTATION-001"
    assert second.succeed("retire", **NOW).status == "succeeded"
    assert customer.enabled(SECRET) == [second.rotation_id] and customer.enabled(PENDING) == []


def test_a_rotation_that_was_overtaken_is_over(customer: Vault, rotation: CredentialMaker) -> None:
    first, second = rotation("password1"), rotation("password2")
    first.through("promote")
    second.through("promote")
    for phase in PHASES[1:]:
        over = first.run(phase)
        assert over.error_code == "VD-ROTATION-003" and second.rotation_id in over.text
    assert customer.enabled(SECRET) == [second.rotation_id, first.rotation_id, ""]
    second.succeed("retire", **NOW)
    assert customer.enabled(SECRET) == [second.rotation_id]


def test_wrapping_keys_that_do_not_fit(customer: Vault, rotation: CredentialMaker) -> None:
    turn = rotation()
    turn.succeed("prepare")
    report, old = turn.report, turn.report["wrapping_key_version"]
    unknown = turn.run("stage", wrapping_key_version="0" * 32)
    assert unknown.error_code == "VD-ROTATION-004" and f"the newest is {old}" in unknown.text
    mangled = turn.run("stage", wrapped_key="A" * 512)
    assert mangled.error_code == "VD-ROTATION-005"
    # Rotated in between: what was wrapped for the older version is still good, but not for the newer one.
    customer.keys.create_rsa_key(KEY, size=3072, key_operations=["wrapKey", "unwrapKey"])
    newer = customer.keys.get_key(KEY).properties.version
    assert turn.run("stage", wrapping_key_version=newer).error_code == "VD-ROTATION-005"
    customer.keys.update_key_properties(KEY, old, enabled=False)
    turn.report = report
    disabled = turn.run("stage")
    assert disabled.error_code == "VD-ROTATION-004" and "disabled" in disabled.text
    customer.keys.update_key_properties(KEY, old, enabled=True)
    turn.report = report
    turn.succeed("stage")
    assert customer.secrets.get_secret(PENDING).value == turn.content.decode()


def test_a_key_that_cannot_wrap_gets_a_new_version(customer: Vault, rotation: CredentialMaker) -> None:
    customer.keys.create_rsa_key(KEY, size=2048)
    turn = rotation()
    made = turn.succeed("prepare")
    assert made.result["changes"][0]["before"].startswith("RSA-2048")
    customer.keys.update_key_properties(KEY, enabled=False)  # somebody has closed it: it stays closed
    turn.succeed("prepare")
    versions = list(customer.keys.list_properties_of_key_versions(KEY))
    assert sorted(bool(one.enabled) for one in versions) == [False, True, True]
    turn.succeed("stage")


@pytest.mark.parametrize("content", [b"no token at all", b'{"token": "x"}', b"\xff\xfe\xfd"])
def test_what_is_no_token_is_not_stored(customer: Vault, rotation: CredentialMaker, content: bytes) -> None:
    turn = rotation()
    turn.content = content
    turn.succeed("prepare")
    refused = turn.run("stage")
    assert refused.error_code == "VD-ROTATION-006", refused.text
    assert customer.versions(SECRET) and base64url(content) not in refused.text
    assert turn.run("test").error_code == "VD-ROTATION-001"


def test_a_token_that_the_publisher_refuses_is_not_promoted(customer: Vault, rotation: CredentialMaker) -> None:
    turn = rotation(password="not-the-password")
    turn.through("stage")
    refused = turn.run("test")
    assert refused.error_code == "VD-ROTATION-009" and "not-the-password" not in refused.text
    assert turn.run("promote").error_code == "VD-ROTATION-001"
    assert customer.enabled(SECRET) == [""]
    rotation("password1", given={"supersedes": turn.rotation_id}).through("promote")


def test_one_rotation_one_credential(rotation: CredentialMaker) -> None:
    turn = rotation()
    turn.through("stage")
    assert turn.run("stage", credential_id="password1").error_code == "VD-ROTATION-010"


def test_clocks_that_differ_are_told(lab: LabUnderTest, rotation: CredentialMaker) -> None:
    turn = rotation()
    turn.through("test")
    lab.control("POST", "/clock", {"offset_seconds": 600})
    turn.succeed("promote")
    early = turn.run("retire")
    assert early.error_code == "VD-ROTATION-008" and "the vault wrote it at" in early.text


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({"phase": "finish"}, "phase"),
        ({"rotation_id": "1"}, "rotation_id"),
        ({"phase": "test"}, "rotation_id"),
        ({"supersedes": "x"}, "supersedes"),
        ({"overlap_seconds": -1}, "overlap_seconds"),
        ({"phase": "stage", "rotation_id": new_rotation_id()}, "wrapped_key"),
        ({"rotation_id": new_rotation_id(), "wrapped_key": "A"}, "wrapped_key"),
        ({"rotation_id": new_rotation_id(), "wrapped_key": "A" * 512}, "wrapping_key_version"),
        ({"wrapping_key_version": "../secrets"}, "wrapping_key_version"),
        (
            {"rotation_id": new_rotation_id(), "wrapped_key": "A" * 512, "wrapping_key_version": "0" * 32},
            "credential_id",
        ),
        ({"expires": "tomorrow"}, "expires"),
        ({"expires": "2026-12-24T00:00:00"}, "expires"),
    ],
)
def test_parameters_that_fit_nothing(lab: LabUnderTest, given: dict[str, Any], target: str) -> None:
    refused = run(lab, rotate_acr_token.RUNBOOK, **given)
    assert (refused.exit_code, refused.error_code) == (2, "VD-PARAM-002") and f"({target})" in refused.text


# --- What people do to a vault ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protected", [False, True])
def test_secrets_and_keys_that_were_deleted_are_recovered(
    lab: LabUnderTest, customer: Vault, rotation: CredentialMaker, protected: bool
) -> None:
    lab.control("POST", "/vaults", {"service": "key_vault", "purge_protection": protected})
    turn = rotation()
    turn.succeed("prepare")
    customer.keys.begin_delete_key(KEY).wait()
    assert turn.run("stage").error_code == "VD-ROTATION-004"
    turn.through("stage")
    customer.secrets.begin_delete_secret(PENDING).wait()
    turn.succeed("test")
    customer.secrets.begin_delete_secret(SECRET).wait()
    recovered = turn.succeed("promote")  # what the deleted secret held shows only now
    assert turn.report["state"] == "tested" and recovered.outcomes() == {f"secret {SECRET}": "done"}
    turn.succeed("promote")
    customer.secrets.begin_delete_secret(SECRET).wait()
    turn.succeed("retire", **NOW)
    assert turn.report["state"] == "promoted"
    turn.succeed("retire", **NOW)
    assert customer.enabled(SECRET) == [turn.rotation_id]


def test_a_purged_secret_is_provisioned_anew(customer: Vault, rotation: CredentialMaker) -> None:
    turn = rotation()
    turn.through("test")
    for name in (SECRET, PENDING):
        customer.secrets.begin_delete_secret(name).wait()
        customer.secrets.purge_deleted_secret(name)
    assert turn.run("promote").error_code == "VD-ROTATION-001"
    turn.through("retire")  # nothing was in use before, and nothing has to be waited for
    assert customer.enabled(SECRET) == [turn.rotation_id]


def test_what_somebody_disabled(lab: LabUnderTest, customer: Vault, rotation: CredentialMaker) -> None:
    turn = rotation()
    turn.through("test")
    customer.secrets.update_secret_properties(PENDING, enabled=False)
    refused = turn.run("promote")
    assert refused.error_code == "VD-ROTATION-001" and "disabled; stage it again" in refused.text
    turn.through("promote")
    customer.secrets.update_secret_properties(SECRET, enabled=False)
    assert turn.run("promote").error_code == "VD-ROTATION-003"
    assert customer.enabled(SECRET) == [""]
    redactor = Redactor()
    former = read_publisher_token(customer.secrets, redactor, now=datetime.now(timezone.utc))  # in use again
    assert former.password == lab.control("GET", "/names")["publisher_token_password"]
    customer.secrets.update_secret_properties(SECRET, customer.versions(SECRET)[-1].version, enabled=False)
    with pytest.raises(RunbookError, match=r"VD-VAULT-001.*set-attributes --vault-name \S+ --name publisher-acr-token"):
        read_publisher_token(customer.secrets, redactor, now=datetime.now(timezone.utc))
    later = rotation("password1")
    later.through("retire", **NOW)
    assert customer.enabled(SECRET) == [later.rotation_id]


def test_the_last_look_before_a_promotion(customer: Vault, rotation: CredentialMaker) -> None:
    """What was superseded while it was being promoted stays out of use: the vault is read once more."""
    turn, other = rotation("password1"), rotation("password2")
    turn.through("test")
    observed = rotate_acr_token.RUNBOOK.observe

    def observe(context: Any, parameters: Any) -> Any:
        facts = observed(context, parameters)
        other.given = {"supersedes": turn.rotation_id}
        other.through("stage")
        return facts

    slow = replace(turn, runbook=replace(rotate_acr_token.RUNBOOK, observe=observe))
    assert slow.run("promote").error_code == "VD-ROTATION-002"
    assert customer.enabled(SECRET) == [""]


# --- The record -------------------------------------------------------------------------------------------------------


def test_what_is_recorded(customer: Vault, rotation: CredentialMaker) -> None:
    for table in ("Schema", "Credentials"):
        customer.tables.create_table(table)

    def states() -> dict[str, str]:
        return {key: row["state"] for key, row in customer.rows().items()}

    own = {f"registry-token/{SECRET}": "enabled"}
    first = rotation("first")
    found = []
    for phase in PHASES:
        first.succeed(phase, **NOW)
        found.append(customer.rows().get("registry-token/first", {}).get("state"))
        assert first.succeed(phase, **NOW).status == "unchanged"
    assert found == [None, "pending", "pending", "current", "current"]
    second = rotation("second")
    second.through("promote")
    assert states() == {**own, "registry-token/first": "previous", "registry-token/second": "current"}
    second.succeed("retire", **NOW)
    rows = customer.rows()
    assert rows["registry-token/first"]["state"] == "retired"
    tags = customer.versions(SECRET)[0].tags or {}
    assert rows["registry-token/second"]["notBefore"] == tags["writtenAt"]
    # Somebody has emptied the table: the record is made again, of what the vault holds.
    for row in rows.values():
        customer.tables.get_table_client("Credentials").delete_entity(row)
    assert second.succeed("retire", **NOW).writes() != []
    assert states() == {**own, "registry-token/second": "current"}


# --- Secrecy ----------------------------------------------------------------------------------------------------------


def test_the_token_is_nowhere_but_in_the_vault(lab: LabUnderTest, customer: Vault, rotation: CredentialMaker) -> None:
    for table in ("Schema", "Credentials"):
        customer.tables.create_table(table)
    turn = rotation()
    password = strict_json.loads(turn.content)["password"]
    texts = [turn.run(phase, **NOW).text for phase in PHASES]
    texts.append(rotation(password="canary-password-7").run("prepare").text)
    left = "".join(texts) + repr(table_rows(lab)) + repr(customer.rows()) + json.dumps(lab.journal())
    for form in (
        password,
        turn.content.decode(),
        base64url(turn.content),
        turn.content.hex(),
        base64url(password.encode()),
    ):
        assert form not in left
