"""Check whether the Automation account may still run jobs: compare its usage with its limits.

Source: learn rest/api/automation, usages. This leaves out the usages of a container registry: above the size that its
    tier includes, Azure charges more but refuses nothing (learn container-registry-skus).
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from runbook_lib.azure.arm_listing import items_of
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.strict_json import MAX_INTEGER, member
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import azure, deployment
from runbook_lib.preflight.finding import Finding, look, unknown

API_VERSION = "2024-10-23"
SUBJECT = "quota of the Automation account"
_SHOWN_CHARACTERS = 40
# The usage of jobs is counted in minutes. This product does not cause other usages, such as nodes.
MINUTES = "Minute"
NOT_THROTTLED = "NotThrottled"


def check_quotas(session: AzureSession) -> Iterator[Finding]:
    """Yield a finding for the minutes of jobs."""
    minutes: list[Mapping[str, Any]] = []
    seen = look(SUBJECT, partial(_check, session, minutes), refused="unknown")
    yield seen if minutes or seen.state != "good" else unknown(SUBJECT, "the account counts no minutes of jobs")


def _check(session: AzureSession, minutes: list[Mapping[str, Any]]) -> str:
    """Return the usage in words, and add it to `minutes`.

    Raises RunbookError VD-PREFLIGHT-010, VD-ARM-*, and azure.core's errors.
    """
    settings = session.settings
    account = (
        f"{settings.resource_group_id}/providers/Microsoft.Automation/automationAccounts/{settings.automation_account}"
    )
    address = f"{quote(account, safe='/()')}/usages?{urlencode({'api-version': API_VERSION})}"
    usages = items_of(session.clients.resources, settings, address)
    minutes.extend(each for each in usages if member(each, "unit") == MINUTES)
    full = [told for each in minutes if (told := used_up(each))]
    if full:
        # Only the free tier has a limit.
        body = json.dumps({"properties": {"sku": {"name": "Basic"}}})
        url = shlex.quote(f"{account}?api-version={API_VERSION}")
        line = f"az rest --method patch --url {url} --body {shlex.quote(body)}"
        raise deployment.QUOTA_USED_UP.error("; ".join(full), target=settings.automation_account, line=line)
    return "; ".join(map(_told, minutes))


def used_up(usage: Mapping[str, Any]) -> str:
    """Return why a usage, as ARM shows it, stops new jobs; "" if it does not. Pure.

    A limit below 0 means no limit. Raises RunbookError VD-ARM-001 if a value is not a number, or is absurdly large.
    """
    value, limit = _number(usage, "currentValue"), _number(usage, "limit")
    if 0 <= limit <= value:
        return f"{_told(usage)}: it is used up"
    throttled = member(usage, "throttleStatus")
    if throttled not in (None, "", NOT_THROTTLED):
        return f"{_told(usage)}: {one_line(str(throttled), _SHOWN_CHARACTERS)}"
    return ""


def _told(usage: Mapping[str, Any]) -> str:
    name = one_line(str(member(usage, "name", "value")), _SHOWN_CHARACTERS)
    limit = _number(usage, "limit")
    return f"{name} {_number(usage, 'currentValue'):.0f} of {'any' if limit < 0 else f'{limit:.0f}'} minutes"


def _number(usage: Mapping[str, Any], name: str) -> float:
    value = member(usage, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise azure.ARM_ANSWER_UNCLEAR.error(f"{name} of a usage is no number")
    if not -MAX_INTEGER <= value <= MAX_INTEGER:  # so it is for NaN, which is in no order, and for infinity
        raise azure.ARM_ANSWER_UNCLEAR.error(f"{name} of a usage is out of range")
    return value
