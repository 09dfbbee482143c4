"""Find everything that would make a deployment fail, before anything is changed.

It only reads. Each bad finding is a change of the plan that this runbook cannot make. So the run fails and names all of
them, each with its cause and the command that repairs it. A thing that cannot be looked at is unknown, and the run
warns of it. Run it where the deployment will run, because a cloud sandbox, a hybrid worker and an engineer's shell see
different things.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from runbook_lib.change import Action, ActionKind, NoChange, Plan, Result
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError
from runbook_lib.permissions.automation_account import MAKE_SCHEDULES, PUBLISH, READ_VARIABLES, RUN_TRIALS
from runbook_lib.permissions.credentials import READ_CERTIFICATE, RENEW_CERTIFICATE, USE_WRAPPING_KEY, WRITE_SECRETS
from runbook_lib.permissions.every_runbook import EVERY_RUNBOOK
from runbook_lib.permissions.images import IMPORT_IMAGES, READ_IMAGES
from runbook_lib.permissions.network import (
    ASSIGN_IDENTITY,
    CHANGE_FIREWALL,
    CHANGE_GATEWAY,
    JOIN_ADDRESS,
    JOIN_NETWORK,
)
from runbook_lib.permissions.storage import LINK_BLOBS, MAKE_TABLES, READ_RETENTION, WRITE_TABLES
from runbook_lib.permissions.watching import READ_ALERTS, READ_RESOURCES
from runbook_lib.preflight.finding import Finding, good, unknown
from runbook_lib.preflight.permission_checks import check_permissions
from runbook_lib.preflight.service_checks import ABSENT_YET, NOT_PROVISIONED, TOKEN_ROW, check_services
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.run.result import Report
from runbook_lib.runbook import Runbook, main

# Everything that the mandatory runbooks need. Tests compare it with their declarations.
NEEDED = (
    *EVERY_RUNBOOK,
    ASSIGN_IDENTITY,
    CHANGE_FIREWALL,
    CHANGE_GATEWAY,
    IMPORT_IMAGES,
    JOIN_ADDRESS,
    JOIN_NETWORK,
    LINK_BLOBS,
    MAKE_SCHEDULES,
    MAKE_TABLES,
    PUBLISH,
    READ_ALERTS,
    READ_CERTIFICATE,
    READ_IMAGES,
    READ_RESOURCES,
    READ_RETENTION,
    READ_VARIABLES,
    RENEW_CERTIFICATE,
    RUN_TRIALS,
    USE_WRAPPING_KEY,
    WRITE_SECRETS,
    WRITE_TABLES,
)
TOKEN_FOLLOWS = "is not there yet: the deployment brings it"  # noqa: S105 - what a row says
# The findings about a credential that the customer has not got yet.
ABSENT = (ABSENT_YET, TOKEN_FOLLOWS, NOT_PROVISIONED)
# The beginning of a row for programs.
ROW = "row: "
MEND: ActionKind[RunbookError] = ActionKind("mend", stage=1)


@dataclass(frozen=True, kw_only=True)
class Parameters(CommonParameters):
    """The parameters of preflight."""

    rows: bool = field(default=False, metadata={"help": "show each row as one line of JSON, for `vibedata preflight`"})
    token_follows: bool = field(
        default=False, metadata={"help": "the deployment brings the first registry token: it need not be there yet"}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the checks have found, in their order."""

    findings: tuple[Finding, ...]


def observe(context: Context, parameters: Parameters) -> Facts:
    """Make every check, and show its row."""
    findings = []
    for each in (*check_services(context), *_permissions(context)):
        finding = _expected(each) if parameters.token_follows else each
        findings.append(finding)
        if parameters.rows:
            context.output.info(f"{ROW}{json.dumps(finding.as_json())}")
        else:
            _show(context, finding)
    return Facts(findings=tuple(findings))


def _expected(finding: Finding) -> Finding:
    """Return the finding, changed if the first registry token will come later."""
    if finding.subject == TOKEN_ROW and finding.detail == ABSENT_YET:
        return good(TOKEN_ROW, TOKEN_FOLLOWS)
    return finding


def _show(context: Context, finding: Finding) -> None:
    line = f"{finding.state:<7}  {finding.subject}: {finding.detail}"
    (context.output.info if finding.state == "good" else context.output.warning)(line)
    if finding.error is not None:
        context.output.warning(f"         what to do: {finding.error.remedy}")
        if finding.error.line:
            context.output.warning(f"         {finding.error.line}")


def _permissions(context: Context) -> Sequence[Finding]:
    try:
        return list(check_permissions(context, NEEDED))
    except RunbookError as error:  # there is no token: all earlier checks have said so
        return [unknown("permissions", error.message)]


def plan(facts: Facts) -> Plan:
    """Return a change for each bad finding."""
    return Plan(
        changes=tuple(
            MEND.change(each.error, each.subject, each.detail, "good")
            for each in facts.findings
            if each.error is not None
        ),
        unchanged=tuple(NoChange(each.subject, each.state) for each in facts.findings if each.error is None),
    )


def actions(context: Context, facts: Facts) -> Sequence[Action[RunbookError]]:  # noqa: ARG001 - a runbook's signature
    """Raise the error of a finding, because somebody else has to repair it."""

    def refuse(error: RunbookError) -> None:
        raise error

    return (Action(MEND, make=refuse, see=lambda _: None),)


def report(facts: Facts, results: Sequence[Result]) -> Report:  # noqa: ARG001 - a runbook's signature
    """Return how many findings are good, the ones that are not, and the credentials that the customer never had."""
    by_state = Counter(each.state for each in facts.findings)
    return {
        "good": by_state["good"],
        "bad": [f"{each.subject}: {each.detail}" for each in facts.findings if each.state == "bad"],
        "unknown": [f"{each.subject}: {each.detail}" for each in facts.findings if each.state == "unknown"],
        # The person who deploys may have no right to see this (vibedata/deployment/first_credentials.py).
        "absent": [each.subject for each in facts.findings if each.detail in ABSENT],
    }


RUNBOOK = Runbook(
    name="preflight",
    summary="find everything that would make a deployment fail; change nothing",
    parameters=Parameters,
    observe=observe,
    plan=plan,
    actions=actions,
    report=report,
    permissions=(READ_RESOURCES,),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
