"""The permissions that runbooks need in the Automation account."""

from runbook_lib.permissions.model import Permission

_ACCOUNT = "Microsoft.Automation/automationAccounts"

PUBLISH = Permission(
    on="Automation account",
    role="Automation Contributor",
    purpose="publish runbooks; make runtime environments and import packages into them",
    actions=(
        f"{_ACCOUNT}/read",
        f"{_ACCOUNT}/runbooks/read",
        f"{_ACCOUNT}/runbooks/write",
        f"{_ACCOUNT}/runbooks/content/read",
        f"{_ACCOUNT}/runbooks/draft/content/write",
        f"{_ACCOUNT}/runbooks/publish/action",
        f"{_ACCOUNT}/runbooks/operationResults/read",
        f"{_ACCOUNT}/runtimeEnvironments/read",
        f"{_ACCOUNT}/runtimeEnvironments/write",
        f"{_ACCOUNT}/runtimeEnvironments/packages/read",
        f"{_ACCOUNT}/runtimeEnvironments/packages/write",
        f"{_ACCOUNT}/runtimeEnvironments/packages/delete",
    ),
)
RUN_TRIALS = Permission(
    on="Automation account",
    role="Automation Contributor",
    purpose="start a trial job of each runbook; read what jobs have run and printed, and when settings were written",
    actions=(
        f"{_ACCOUNT}/read",
        f"{_ACCOUNT}/runbooks/read",
        f"{_ACCOUNT}/runbooks/content/read",
        f"{_ACCOUNT}/runtimeEnvironments/read",
        f"{_ACCOUNT}/runtimeEnvironments/packages/read",
        f"{_ACCOUNT}/jobs/read",
        f"{_ACCOUNT}/jobs/write",
        f"{_ACCOUNT}/jobs/output/read",
        f"{_ACCOUNT}/jobs/runbookContent/action",
        f"{_ACCOUNT}/variables/read",
    ),
)
READ_VARIABLES = Permission(
    on="Automation account",
    role="Automation Contributor",
    purpose="read the address ranges that are let in",
    actions=(f"{_ACCOUNT}/variables/read",),
)
MAKE_SCHEDULES = Permission(
    on="Automation account",
    role="Automation Contributor",
    purpose="make the schedule that starts the next check, and link it",
    actions=(
        f"{_ACCOUNT}/schedules/read",
        f"{_ACCOUNT}/schedules/write",
        f"{_ACCOUNT}/jobSchedules/read",
        f"{_ACCOUNT}/jobSchedules/write",
    ),
)
