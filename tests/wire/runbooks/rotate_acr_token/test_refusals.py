"""The refusals of a rotation, and their codes."""

from typing import Any

import pytest

from runbook_lib.vault.publisher_token import SECRET
from runbooks import rotate_acr_token
from tests.support.rotation_rig import PHASES, Vault, base64url, new_rotation_id
from tests.support.runbook_run import run
from tests.support.running_lab import LabUnderTest
from tests.support.token_rotation import KEY, NOW, PENDING, CredentialMaker


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
    # Somebody rotated the key in between. A credential that was wrapped for the older version is still good, but not
    # for the newer one.
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
    customer.keys.update_key_properties(KEY, enabled=False)  # somebody disabled it, so it stays disabled
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


def test_clocks_that_differ_are_reported(lab: LabUnderTest, rotation: CredentialMaker) -> None:
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
