"""How Azure Automation starts: the account with its jobs and imports, and the Python that they run with."""

import logging
import uuid

from lab import snapshots
from lab.automation import provider
from lab.automation.account import AutomationAccount
from lab.automation.imports import Imports
from lab.automation.jobs import Jobs
from lab.automation.python_environment import PythonEnvironments, find_interpreter
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions

LOGGER = logging.getLogger("lab")


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    names = lab.names
    arm_id = f"{names.resource_group_id}/providers/{provider.NAMESPACE}/automationAccounts/{names.automation_account}"
    guid = str(uuid.uuid5(uuid.NAMESPACE_URL, arm_id))
    account = AutomationAccount(arm_id=arm_id, guid=guid, location=names.location)
    interpreter = find_interpreter()
    if interpreter.warning is not None:
        LOGGER.warning(interpreter.warning)
        lab.warnings.append(interpreter.warning)
    environments = PythonEnvironments(directory=lab.dir / "python", interpreter=interpreter)
    jobs = Jobs(lab=lab, account=account, environments=environments)
    imports = Imports(lab=lab, environments=environments)

    async def clear() -> None:
        account.clear()

    lab.on_reset.append(clear)
    parts = ("variables", "environments", "runbooks", "schedules", "job_schedules", "imports_window", "jobs_window")
    lab.on_keep.append(snapshots.of_attributes(account, *parts))
    lab.environment["VIBEDATA_AUTOMATION_ACCOUNT"] = names.automation_account
    provider.register(subscriptions.customer, account, jobs, imports)
    subscriptions.show({f"{provider.NAMESPACE}/automationAccounts": provider.API_VERSIONS})
    return {}


SERVICE = Service(sites={}, start=_start)
