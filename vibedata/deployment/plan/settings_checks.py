"""What must be true of the settings before a deployment: the jobs read them from the Automation variable."""

import shlex
import sys
from collections.abc import Collection
from dataclasses import asdict

from publisher.instances.document import Instance
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.azure.session import AzureSession
from runbook_lib.azure.settings import AUTOMATION_VARIABLE, ENVIRONMENT_PREFIX, Settings, load
from runbook_lib.errors import RunbookError, azure
from runbook_lib.network.failures import as_runbook_error
from vibedata.deployment.first_publication import PREFLIGHT, lowered, lowers_guarantee
from vibedata.deployment.publication_step import NAME as FIRST_RUNBOOKS

CLIENT_ID = "uami_client_id"
# These steps write the variable.
WRITING = (PREFLIGHT, FIRST_RUNBOOKS)


def require_client_id(settings: Settings, instance: Instance | None) -> None:
    """Check that the settings name the identity of the jobs. The operator's own login does not need it.

    instance: the customer's document, None if the environment gives the settings. Raises RunbookError VD-SETTINGS-001.
    """
    if settings.uami_client_id:
        return
    if instance is None:
        remedy = f"Set {ENVIRONMENT_PREFIX}{CLIENT_ID.upper()} in the environment."
    else:
        edit = f"vibedata instance edit {instance.id} --set settings.{CLIENT_ID}=GUID"
        remedy = f"Add it to the instance document: `{edit}`. If the document is a file, edit the file."
    show = f"az identity show --name {settings.prefix}-uami --resource-group {shlex.quote(settings.resource_group)}"
    show += " --query clientId"
    detail = "the jobs take the client id of their identity, a GUID"
    raise azure.MISSING_SETTING.error(detail, target=CLIENT_ID, remedy=f"{remedy} `{show}` shows it.")


def require_published(session: AzureSession, chosen: Collection[str], command: str) -> None:
    """Check that the variable holds the settings of this deployment, unless a chosen step writes it.

    If the variable cannot be read, warn and go on: the operator may have no right to read it. If there is none, go on,
    too: no job works without it.

    Args:
        session: The way to the customer's Azure.
        chosen: The names of the chosen steps.
        command: The command line of the deployment, without the choice of steps.

    Raises:
        RunbookError: VD-SETTINGS-007, and VD-SETTINGS-006 if the steps that write the variable would refuse, too.
    """
    if any(step in chosen for step in WRITING):
        return
    account = AutomationAccount(client=session.clients.automation, settings=session.settings)
    try:
        held = account.variable(AUTOMATION_VARIABLE)
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        what = f"whether the settings have changed cannot be seen from here: {named.code}: {named.message}"
        sys.stderr.write(f"warning: {session.redactor.redact(what)}\n")
        return
    if lowers_guarantee(held, session.settings):
        raise lowered()
    differing = "" if held is None else _differing(held, session.settings)
    if differing:
        raise azure.SETTINGS_NOT_PUBLISHED.error(
            f"the account's variable {AUTOMATION_VARIABLE} has other values",
            target=differing,
            remedy=f"Begin with the step that writes them: `{command} --from {PREFLIGHT}`. Or take back the change of"
            " the settings.",
        )


def _differing(held: str, settings: Settings) -> str:
    """Return the names of the settings that a job reads otherwise, "" if it reads all of them alike. Pure.

    The same settings have more than one text: the template does not write those that follow from the convention.
    """
    try:
        published = asdict(load({}, {}, held))
    except RunbookError as error:
        return error.target or AUTOMATION_VARIABLE
    return ", ".join(name for name, value in asdict(settings).items() if published[name] != value)
