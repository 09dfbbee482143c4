"""rotate_acr_token over the wire, and with it the common parts of both rotations."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from runbook_lib.basics import strict_json
from runbook_lib.vault.publisher_token import SECRET
from tests.support.log_reader import table_rows
from tests.support.rotation_rig import PHASES, Vault, base64url, wrap
from tests.support.running_lab import LabUnderTest
from tests.support.token_rotation import KEY, NOW, PENDING, CredentialMaker


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


def test_a_tag_of_somebody_else_stays_when_the_token_is_marked_as_tested(
    customer: Vault, rotation: CredentialMaker
) -> None:
    turn = rotation()
    turn.through("stage")
    tags = customer.secrets.get_secret(PENDING).properties.tags or {}
    customer.secrets.update_secret_properties(PENDING, tags={**tags, "owner": "security"})
    turn.succeed("test")
    assert turn.report["state"] == "tested"
    after = dict(customer.secrets.get_secret(PENDING).properties.tags or {})
    assert after.pop("tested")
    assert after == {**tags, "owner": "security"}


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
    waiting = turn.succeed("auto", rotation_id="")  # days later, by a person who knows no id
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
    # Somebody emptied the table. The record is made again from the vault.
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
