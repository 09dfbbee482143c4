"""Problems that a rotation survives: lost answers, refused writes, a slow vault, and changes by people."""

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from runbook_lib.basics.redaction import Redactor
from runbook_lib.errors import RunbookError
from runbook_lib.vault.publisher_token import SECRET
from runbook_lib.vault.token_in_use import read_publisher_token
from runbooks import rotate_acr_token
from tests.support.rotation_rig import PHASES, Vault
from tests.support.running_lab import LabUnderTest
from tests.support.token_rotation import KEY, NOW, PENDING, CredentialMaker

# --- Faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["reset_after", "reset_before", "throttle"])
def test_lost_answers_and_throttling_at_every_write(
    lab: LabUnderTest, customer: Vault, rotation: CredentialMaker, action: str
) -> None:
    turn = rotation()
    met: set[str] = set()
    for phase in PHASES:
        for method in ("PUT", "PATCH", "POST"):
            lab.fault(action, match={"service": "key_vault", "method": method})
        turn.succeed(phase, **NOW)
        faults = lab.control("GET", "/faults")["faults"]
        met |= {fault["match"]["method"] for fault in faults if fault["applied"]}
        lab.control("DELETE", "/faults")
    assert met == {"PUT", "PATCH", "POST"}
    assert turn.report["state"] == "retired"
    assert set(customer.enabled(SECRET)) == {turn.rotation_id} and customer.enabled(PENDING) == []
    assert customer.secrets.get_secret(SECRET).value == turn.content.decode()
    # Each PUT makes a version, so a write is looked after before it is made again.
    for secret in (SECRET, PENDING):
        made = [one for one in customer.versions(secret) if (one.tags or {}).get("rotationId") == turn.rotation_id]
        assert len(made) == 1, secret


def test_a_credential_that_was_stored_twice_in_one_second_is_one(customer: Vault, rotation: CredentialMaker) -> None:
    """A vault does not list versions of the same second in the order of their creation."""
    twice = 0
    for _ in range(6):
        turn = rotation()
        turn.succeed("prepare")
        turn.succeed("stage")
        staged = customer.secrets.get_secret(PENDING)
        assert staged.value is not None
        customer.secrets.set_secret(
            PENDING, staged.value, tags=staged.properties.tags, content_type=staged.properties.content_type
        )
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
    recovered = turn.succeed("promote")  # only now the versions of the deleted secret are visible
    assert turn.report["state"] == "tested" and recovered.outcomes() == {f"secret {SECRET}": "done"}
    turn.succeed("promote")
    customer.secrets.begin_delete_secret(SECRET).wait()
    turn.succeed("retire", **NOW)
    assert turn.report["state"] == "promoted"
    turn.succeed("retire", **NOW)
    assert customer.enabled(SECRET) == [turn.rotation_id]


@pytest.mark.parametrize(("name", "path"), [(PENDING, f"/secrets/{PENDING}/versions"), (KEY, f"^/keys/{KEY}/")])
def test_a_recovery_waits_for_a_limited_time_for_an_object_that_does_not_come_back(
    lab: LabUnderTest, customer: Vault, rotation: CredentialMaker, name: str, path: str
) -> None:
    turn = rotation()
    turn.through("prepare" if name == KEY else "stage")
    if name == KEY:
        customer.keys.begin_delete_key(name).wait()
    else:
        customer.secrets.begin_delete_secret(name).wait()
    lab.fault("status", status=404, times=0, match={"service": "key_vault", "method": "GET", "path": path})
    phase = "prepare" if name == KEY else "test"
    ended = turn.run(phase)
    assert ended.sent("key_vault", "POST", "/recover"), ended.text
    # The vault no longer lists the object as deleted, but nobody can read it yet. The phase prepare does not need the
    # key at once. The phase test needs the secret.
    assert ended.error_code == ("" if name == KEY else "VD-ROTATION-001"), ended.text
    lab.clear_faults()
    turn.succeed(phase)


def test_a_purged_secret_is_provisioned_again(customer: Vault, rotation: CredentialMaker) -> None:
    turn = rotation()
    turn.through("test")
    for name in (SECRET, PENDING):
        customer.secrets.begin_delete_secret(name).wait()
        customer.secrets.purge_deleted_secret(name)
    assert turn.run("promote").error_code == "VD-ROTATION-001"
    turn.through("retire")  # no credential was in use before, so there is no wait
    assert customer.enabled(SECRET) == [turn.rotation_id]


def test_versions_that_somebody_disabled(lab: LabUnderTest, customer: Vault, rotation: CredentialMaker) -> None:
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
    former = read_publisher_token(customer.secrets, redactor, now=datetime.now(timezone.utc))  # it is in use again
    assert former.password == lab.control("GET", "/names")["publisher_token_password"]
    customer.secrets.update_secret_properties(SECRET, customer.versions(SECRET)[-1].version, enabled=False)
    with pytest.raises(RunbookError, match=r"VD-VAULT-001.*set-attributes --id \S+/secrets/publisher-acr-token"):
        read_publisher_token(customer.secrets, redactor, now=datetime.now(timezone.utc))
    later = rotation("password1")
    later.through("retire", **NOW)
    assert customer.enabled(SECRET) == [later.rotation_id]


def test_the_last_look_before_a_promotion(customer: Vault, rotation: CredentialMaker) -> None:
    """A credential that is superseded during its promotion does not come into use, because the vault is read once
    more.
    """
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
