"""The health of the observability: the log, the alert rules, and the check's own schedule."""

from datetime import datetime, timedelta, timezone

from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.mgmt.automation import models as m

from tests.support.automation import automation
from tests.support.health_rig import SCHEDULE, Rig, transitions
from tests.support.running_lab import LabUnderTest


def test_the_observability_itself(three: Rig) -> None:
    three.check()
    lab = three.lab
    lab.control("POST", "/alerts", {"name": "vibedata-health", "enabled": False})
    three.check()
    assert three.health("alert-rules", "observability") == "degraded"
    assert three.reason("alert-rules", "observability") == "switched off: vibedata-health"
    lab.control("POST", "/alerts", {"name": "vibedata-health", "enabled": True})
    lab.control("POST", "/alerts", {"name": "vibedata-operators", "receivers": "Disabled"})
    result = three.check()
    assert result.exit_code == 0
    assert three.health("action-groups", "observability") == "unhealthy"
    assert three.reason("action-groups", "observability") == "vibedata-operators (nobody receives it)"
    assert three.reason("alert-rules", "observability").startswith("nobody gets the alerts of: ")
    assert three.health("alert-rules", "observability") == "unhealthy"


def test_a_log_that_takes_no_events(three: Rig) -> None:
    three.check()
    three.lab.fault("status", status=403, match={"service": "logs"}, times=0)
    result = three.check()
    assert result.exit_code == 0
    assert three.health("operations-log", "observability") == "degraded"
    three.lab.clear_faults()
    three.check()
    three.check()
    assert three.health("operations-log", "observability") == "healthy"


def test_alert_rules_that_may_not_be_read_are_an_illness_of_theirs(three: Rig) -> None:
    three.lab.fault("status", status=403, match={"path": "(?i)actionGroups|Alerts|QueryRules"}, times=0)
    result = three.check()
    assert result.exit_code == 0
    assert three.reason("alert-rules", "observability").startswith("cannot be read: VD-NET-003: ")
    assert three.health("api-gateway") == "healthy"


def test_a_credential_that_ends_soon_is_reported_in_the_log(three: Rig) -> None:
    three.check()
    assert three.health("credentials", "observability") == "healthy"
    ends = datetime.now(timezone.utc) + timedelta(days=20)
    env = three.lab.env
    with (
        ManagedIdentityCredential(client_id=env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        SecretClient(env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets,
    ):
        secrets.update_secret_properties("publisher-acr-token", expires_on=ends)
        result = three.check()
        told = {"observability/credentials": ("degraded", f"publisher-acr-token ends on {ends:%Y-%m-%d}")}
        assert transitions(three.lab, result) == told
        secrets.update_secret_properties("publisher-acr-token", enabled=False)
        result = three.check()
    assert result.exit_code == 0
    assert three.reason("credentials", "observability") == "publisher-acr-token is disabled"
    assert three.health("credentials", "observability") == "unhealthy"


def publish_check_health(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        account.environment()
        properties = m.RunbookCreateOrUpdateProperties(
            runbook_type="Python", runtime_environment="vibedata-python310", draft=m.RunbookDraft()
        )
        body = m.RunbookCreateOrUpdateParameters(name="check_health", location="westeurope", properties=properties)
        account.client.runbook.create_or_update(*account.at, "check_health", body)
        account.client.runbook_draft.begin_replace_content(*account.at, "check_health", "print()").result()
        account.client.runbook.begin_publish(*account.at, "check_health").result()


def test_a_schedule_is_made_once_and_then_left_alone(three: Rig) -> None:
    unpublished = three.check()
    assert three.reason("schedule", "observability") == "check_health is not published in the Automation account"
    assert not any("schedule" in change["target"] for change in unpublished.result["changes"])
    publish_check_health(three.lab)
    made = three.check()
    assert made.exit_code == 0, made.text
    assert [change["action"] for change in made.result["changes"] if "schedule" in change["target"]] == [
        "create",
        "link",
    ]
    with automation(three.lab) as account:
        schedule = account.client.schedule.get(*account.at, SCHEDULE)
        assert schedule.properties is not None and schedule.properties.start_time is not None
        assert (schedule.properties.frequency, schedule.properties.interval) == ("Hour", 1)
        (link,) = account.client.job_schedule.list_by_automation_account(*account.at)
        assert link.properties is not None and link.properties.runbook is not None
        assert link.properties.runbook.name == "check_health"
        again = three.check()
        assert not any("schedule" in change["target"] for change in again.result["changes"])
        assert three.health("schedule", "observability") == "healthy"
        off = m.ScheduleUpdateParameters(name=SCHEDULE)
        off.properties = m.ScheduleUpdateProperties(is_enabled=False)
        account.client.schedule.update(*account.at, SCHEDULE, off)
        assert three.check().exit_code == 0
        assert three.reason("schedule", "observability") == "every 1 Hour, switched off"
        left = account.client.schedule.get(*account.at, SCHEDULE)
        assert left.properties is not None and left.properties.is_enabled is False


def test_a_schedule_whose_answers_are_lost_is_made_once(three: Rig) -> None:
    publish_check_health(three.lab)
    three.lab.fault("reset_after", match={"service": "arm", "method": "PUT", "path": "chedules/"}, times=2)
    result = three.check()
    assert result.exit_code == 0, result.text
    with automation(three.lab) as account:
        assert len(list(account.client.job_schedule.list_by_automation_account(*account.at))) == 1


def test_an_account_that_does_not_show_its_schedules_stops_no_check(three: Rig) -> None:
    three.lab.fault("status", status=403, match={"service": "arm", "path": "automationAccounts"}, times=0)
    result = three.check()
    assert result.exit_code == 0
    assert three.health("api-gateway") == "healthy"
    assert three.reason("schedule", "observability").startswith("cannot be read: VD-NET-003")
