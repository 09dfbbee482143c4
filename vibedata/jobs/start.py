"""Start a runbook as a job, after checking that the published runbook takes these parameters."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.jobs import start_job
from runbook_lib.automation.texts import published_text
from runbook_lib.errors import RunbookError, automation
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.listing import bounded
from runbook_lib.run.parameters import encode, parse
from vibedata.jobs.declared import Declared, declared_by, declared_in
from vibedata.operator import operator
from vibedata.runbook_names import runbook_names
from vibedata.shell_checks import nearest

PROJECT = Path(__file__).resolve().parents[2]
# How many of an account's runbooks an error names.
MAX_NAMES = 20
MAX_NAME_CHARACTERS = 64
# Azure does not know the caller, or does not let the caller read.
_REFUSED = (401, 403)


def checked(account: AutomationAccount, runbook: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters for the start of a runbook: the given ones, and the starter if the runbook takes that.

    Raises RunbookError VD-PARAM-001, -002 (the published runbook does not take these), VD-AUTOMATION-001 (no such
    account), -020 (no such runbook), -021 (it was never published), and azure.core's errors.
    """
    started_by = {"started_by": f"{operator()} with vibedata"}
    # Automation takes a runbook's name in any case. The suite's own are in small letters.
    own_name = runbook.lower()
    declared = _published(account, runbook)
    if declared is None:
        # This identity may not read the text, or the runbook is not one of the suite. Send only what every runbook
        # takes.
        return dict(parameters)
    declared.check(parameters, runbook)
    if own_name in runbook_names():
        own = declared_by(_own_source, own_name)
        if own is not None and own.form == declared.form:
            # The same declarations as here, so the values can be checked as the runbook itself will.
            parse(importlib.import_module(f"runbooks.{own_name}").RUNBOOK.parameters, [encode(parameters)])
    return {**declared.known(started_by), **parameters}


def start(account: AutomationAccount, runbook: str, parameters: Mapping[str, Any], *, option: str) -> str:
    """Start a job with checked parameters and return its id. option: see vibedata.instances.choice.Customer.

    Raises what runbook_lib.automation.jobs.start_job does.
    Also raises VD-AUTOMATION-020, -021 if one of these is the cause of a refusal.
    """
    try:
        return start_job(account, runbook, parameters, option=option)
    except RunbookError as error:
        if not error.is_(automation.CHANGE_REFUSED):
            raise
        raise (_why_absent(account, runbook) or error) from error


def _published(account: AutomationAccount, runbook: str) -> Declared | None:
    from azure.core.exceptions import HttpResponseError

    try:
        text = published_text(account, runbook)
    except HttpResponseError as error:
        if error.status_code in _REFUSED and as_runbook_error(error) is not None:
            return None
        raise
    if text is None:
        absent = _why_absent(account, runbook)
        if absent is not None:
            raise absent
        return None
    return declared_in(text.decode(errors="replace"), runbook.lower())


def _own_source(file: str) -> str | None:
    path = PROJECT / file
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _why_absent(account: AutomationAccount, runbook: str) -> RunbookError | None:
    """Find out why there is no published runbook of this name; None if there is one.

    Raises RunbookError VD-AUTOMATION-001 if there is no such account, and azure.core's errors.
    """
    account.location()
    names = sorted(
        str(each.name)
        for each in bounded(account.client.runbook.list_by_automation_account(*account.at), target="runbooks")
    )
    if not names:
        return automation.NOTHING_PUBLISHED.error("the account has no runbook at all", target=account.at[1])
    if runbook.lower() not in (name.lower() for name in names):
        detail = f"it has {', '.join(names[:MAX_NAMES])}{nearest(runbook, names)}"
        return automation.NO_SUCH_RUNBOOK.error(detail, target=runbook[:MAX_NAME_CHARACTERS])
    held = account.runbook(runbook)
    if held is not None and held.sha256 is None:
        return automation.NOTHING_PUBLISHED.error("it has only a draft", target=runbook)
    return None
