"""The end of a deployment, unfinished first credentials, and the table of the chain's steps."""

import uuid
from dataclasses import replace

import pytest

from publisher.certificates.record import Issuance
from publisher.rotation.record import Rotation
from runbook_lib.callbacks.payloads import to_json
from vibedata.deployment.chain import CHAIN, STEPS
from vibedata.deployment.first_credentials import is_first_under_way
from vibedata.deployment.name.certificate import Seen, is_untested
from vibedata.deployment.outcome_report import outcome_of
from vibedata.deployment.step import StepResult
from vibedata.deployment.work import Deployment

AT = "2026-11-29T06:10:05.000000Z"
ID = str(uuid.UUID(int=7))


def ended(name: str, status: str = "succeeded", *, code: str = "") -> StepResult:
    error = {"code": code, "message": "it is so", "remedy": "do this"} if code else None
    return StepResult(name=name, status=status, seconds=1.5, changed=0, error=error)


def rotation(number: int, *, promoted_at: str = "", ended_at: str = "") -> Rotation:
    return Rotation(
        instance_id="k3v9x2p7",
        number=number,
        rotation_id=str(uuid.UUID(int=number)),
        credential_id="hmac-1",
        promoted_at=promoted_at,
        ended_at=ended_at,
    )


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([ended("lock"), ended("check_health")], ("check_health", "succeeded", "")),
        ([ended("lock"), ended("import_images", "unchanged")], ("import_images", "succeeded", "")),
        ([ended("lock"), ended("preflight", "failed", code="VD-VAULT-001")], ("preflight", "failed", "VD-VAULT-001")),
        ([ended("lock"), ended("first_runbooks", "failed")], ("first_runbooks", "failed", "")),
    ],
)
def test_the_publisher_is_told_of_the_step_that_failed_or_else_of_the_last(
    steps: list[StepResult], told: tuple[str, str, str]
) -> None:
    deployment = Deployment(correlation_id=ID, steps=steps)
    report = outcome_of(deployment, instance_id="k3v9x2p7", release_version="2026.11.0", at=AT)
    assert (report.step, report.status, report.error_code) == told
    assert (report.correlation_id, report.duration_ms) == (ID, 3000)
    assert to_json(report)  # its fields have the same forms as in a report of the instance


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([ended("lock"), ended("import_manifest"), ended("check_health")], True),
        ([ended("lock"), ended("import_manifest", "unchanged")], True),
        ([ended("lock"), ended("first_runbooks")], False),
        ([ended("lock"), ended("check_health")], False),
        ([ended("lock"), ended("first_runbooks", "failed")], True),
    ],
)
def test_a_success_names_only_a_release_that_it_has_proven_to_be_installed(
    steps: list[StepResult], named: bool
) -> None:
    deployment = Deployment(correlation_id=ID, steps=steps)
    report = outcome_of(deployment, instance_id="k3v9x2p7", release_version="2026.11.0", at=AT)
    assert report.release_version == ("2026.11.0" if named else "")
    assert to_json(report)


@pytest.mark.parametrize(
    ("recent", "until_in_use", "until_the_end"),
    [
        ([], False, False),
        ([rotation(1)], True, True),
        ([rotation(2), rotation(1)], True, True),
        # A job was killed in the last phase.
        ([rotation(1, promoted_at=AT)], False, True),
        ([rotation(2, promoted_at=AT), rotation(1, ended_at=AT)], False, True),
        ([rotation(1, promoted_at=AT, ended_at=AT)], False, False),
        # A later rotation that waits does not belong to the deployment.
        ([rotation(2), rotation(1, promoted_at=AT, ended_at=AT)], False, False),
        ([rotation(2, promoted_at=AT), rotation(1, promoted_at=AT, ended_at=AT)], False, False),
    ],
)
def test_an_interrupted_first_rotation_is_taken_up(
    recent: list[Rotation], until_in_use: bool, until_the_end: bool
) -> None:
    assert is_first_under_way(recent, ends_in_its_step=False) is until_in_use
    assert is_first_under_way(recent, ends_in_its_step=True) is until_the_end


def test_the_chain_is_in_the_order_of_the_design() -> None:
    assert [(step.name, step.carried_out_by) for step in CHAIN] == [
        ("preflight", "job"),
        ("first_runbooks", "operator"),
        ("first_registry_token", "publisher"),
        ("import_manifest", "job"),
        ("import_images", "job"),
        ("publish_runbooks", "job"),
        ("validate_runbooks", "job"),
        ("bootstrap_registry", "job"),
        ("first_hmac_key", "publisher"),
        ("dns_record", "publisher"),
        ("first_certificate", "publisher"),
        ("configure_gateway", "job"),
        ("check_health", "job"),
        ("certificate_test", "publisher"),
        ("report", "publisher"),
    ]
    assert tuple(step.name for step in CHAIN)[:-1] == STEPS
    # Their plans cannot be empty, or they look for themselves.
    looked_at_first = [step.name for step in CHAIN if not step.each_time]
    assert looked_at_first == [
        *("first_runbooks", "import_manifest", "import_images", "publish_runbooks", "validate_runbooks"),
        *("bootstrap_registry", "dns_record", "configure_gateway"),
    ]


def issuance(**parts: object) -> Issuance:
    first = Issuance(instance_id="k3", number=1, rotation_id="r", host="k3.vibedata.ai")
    return replace(first, **parts)  # type: ignore[arg-type]


ISSUED = {"customer": "tested", "not_before": AT, "not_after": AT, "ended_at": AT}


@pytest.mark.parametrize(
    ("newest", "held", "lacking"),
    [
        (None, None, True),
        (issuance(), False, True),
        (issuance(), None, True),
        (issuance(customer="prepared"), False, True),
        (issuance(customer="installed"), True, False),
        (issuance(customer="installed"), None, False),
        # A run that ended an issuance for a former name was killed before it began the next one.
        (issuance(ended_at=AT), True, True),
        (issuance(ended_at=AT), None, True),
        (issuance(**ISSUED), True, False),
        (issuance(**ISSUED), None, False),
        # The record has a certificate for another name.
        (issuance(**ISSUED, host="old.vibedata.ai"), True, True),
        # A deployment leaves renewals alone.
        (issuance(known=True), True, False),
        (issuance(known=True), None, False),
        # The customer deleted the resource group, and it is installed again. The publisher's record stays.
        (issuance(**ISSUED), False, True),
        (issuance(customer="installed"), False, True),
        (issuance(known=True), False, True),
    ],
)
def test_a_first_certificate_that_is_not_installed_is_ordered(
    newest: Issuance | None, held: bool | None, lacking: bool
) -> None:
    assert Seen(host="k3.vibedata.ai", newest=newest, held=held).lacking is lacking


@pytest.mark.parametrize(
    ("newest", "untested"),
    [
        (None, False),
        (issuance(customer="prepared"), False),
        (issuance(customer="installed"), True),
        (issuance(customer="tested"), True),  # its record is not closed yet
        (issuance(customer="tested", ended_at=AT), False),
        # The publisher knows the name, but this vault has its first certificate.
        (issuance(customer="installed", known=True), True),
        # A renewal is not the deployment's.
        (issuance(customer="installed", known=True, retire_after=AT), False),
    ],
)
def test_a_first_certificate_whose_issuance_is_not_over_is_tested(newest: Issuance | None, untested: bool) -> None:
    assert is_untested(newest) is untested
