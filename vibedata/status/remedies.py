"""Say what to do about the findings of `vibedata status`. Pure. `option` is always StatusFacts.option."""

import re

from runbook_lib.application_gateway.watch import WATCH
from runbook_lib.errors import ErrorEntry, callbacks, run
from runbook_lib.health.backlog import REPORTS
from runbook_lib.health.observability import GROUPS, LOG, RULES, SCHEDULE
from runbook_lib.vault.credential_states import TLS_CERTIFICATE
from vibedata.status.facts import Component

# The publisher's commands that provision and renew a credential of each kind.
_ROTATE = {"hmac-key": "rotate-hmac", "registry-token": "rotate-acr-token"}
_PORTAL = "in the Azure portal"
# The beginnings of check_health's reasons (runbook_lib.health.probes, runbook_lib.health.rules), and the remedy for
# each.
_REASONS = (
    (
        "its resource is gone",
        "see in the activity log of the resource group who deleted it, and deploy the template again",
    ),
    ("it is being deleted", f"see in the activity log of the resource group who deletes it, {_PORTAL}"),
    ("Azure says that it is", f"see Resource health of its resource {_PORTAL}"),
    ("its provisioning state is", f"see the activity log of its resource {_PORTAL}"),
    ("not asked", "run `vibedata invoke bootstrap_registry{option}`, which records its address again"),
    ("answers again", "wait for the next check, or {check}"),
)
_DEPENDS = re.compile(r"depends on [^/]*/(?P<name>[^,]+), which is unhealthy")
_CODE = re.compile(r"\((?P<code>VD-[A-Z]+-[0-9]{3})\)")
_WAITS = {
    entry.code: entry for area in (callbacks, run) for entry in vars(area).values() if isinstance(entry, ErrorEntry)
}
_WATCHERS = {
    LOG: f"see the warnings of the last run of check_health {_PORTAL}",
    RULES: f"switch the alert rules on, and give each an action group, {_PORTAL}",
    GROUPS: f"switch the action groups on, and give each a receiver, {_PORTAL}",
    SCHEDULE: f"switch the schedule of check_health on, {_PORTAL}",
    REPORTS: f"see the warnings of the last run of check_health {_PORTAL}",
}
# The beginnings of the reasons of row tls-certificate (runbook_lib.application_gateway.watch), and the remedy for each.
_RENEW_NOW = "run `vibedata rotate-tls{option} --now`"
_GATEWAY = "run `vibedata invoke configure_gateway{option}`"
_CERTIFICATE = (
    ("the vault does not have the certificate", _RENEW_NOW),
    ("the vault's newest certificate is disabled", f"enable it in the vault, or {_RENEW_NOW}"),
    ("the certificate ends in", "run `vibedata rotate-tls{option}`"),
    (
        "the gateway serves another certificate",
        "run `vibedata invoke configure_gateway{option} --parameter read_again=true`",
    ),
    ("", f"{_GATEWAY}. If it changes nothing, see docs/gateway.md"),
)


def check(option: str) -> str:
    """Return the command that checks health again."""
    return f"run `vibedata invoke check_health{option}`"


def of_component(component: Component, option: str) -> str:
    """Return what to do about an ill component."""
    needed = _DEPENDS.match(component.reason)
    if needed is not None:
        return f"mend {needed['name']} first"
    again = check(option)
    for beginning, remedy in _REASONS:
        if component.reason.startswith(beginning):
            return remedy.format(option=option, check=again)
    return f"see the log of its resource {_PORTAL}, then {again}"


def of_credential(kind: str, option: str) -> str:
    """Return the command that renews a credential, "" if there is none."""
    if kind == TLS_CERTIFICATE:
        # Without --now, nothing happens as long as the renewal of the last certificate is not due.
        return _RENEW_NOW.format(option=option)
    return f"run `vibedata {_ROTATE[kind]}{option}`" if kind in _ROTATE else ""


def of_watcher(watcher: Component, option: str) -> str:
    """Return what to do about an ill row of the observability."""
    found = _CODE.search(watcher.reason)
    waits = _WAITS.get(found["code"]) if found else None
    if waits is not None:
        return f"{waits.title}: {waits.remedy}"
    if watcher.name == WATCH:
        remedy = next(text for beginning, text in _CERTIFICATE if watcher.reason.startswith(beginning))
        return remedy.format(option=option)
    return _WATCHERS.get(watcher.name, check(option))
