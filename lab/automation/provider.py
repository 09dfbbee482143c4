"""The parts of Microsoft.Automation that the runbook suite uses, and the jobs behind them.

The api-versions are 2024-10-23, the only one of azure-mgmt-automation 2.0.0, and the one that the Azure CLI uses.
lab/resource_group/provider.py serves the account itself. Error texts without a named source are the lab's own. A
handler returns a status and a view (its `path` below the account becomes id, name and type), a list of views (sent page
by page), or a whole response. The handler of a long-running operation returns the work to do.
"""

import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import web

from lab.arm.dispatch import Arm, ArmRefusal, Handler
from lab.arm.resources import Resource
from lab.automation.account import AutomationAccount
from lab.automation.handlers import account as account_provider
from lab.automation.handlers.jobs import JobHandlers
from lab.automation.handlers.packages import PackageHandlers
from lab.automation.handlers.runbooks import RunbookHandlers
from lab.automation.handlers.schedules import ScheduleHandlers
from lab.automation.handlers.variables import VariableHandlers
from lab.automation.imports import Imports
from lab.automation.jobs import Jobs
from lab.resource_group.resources import identity_of, resource
from lab.shared import Lab

LOGGER = logging.getLogger("lab")

NAMESPACE = "Microsoft.Automation"
# The Azure CLI's extension uses the older one, which has no runtime environments.
API_VERSIONS = ("2024-10-23", "2023-11-01")
PAGE_SIZE = 100
# Not documented. With this value a poller waits once.
RETRY_AFTER_SECONDS = 1
OPERATION_HEADER = "ocp-automation-operationresultid"

View = dict[str, Any]
Answered = Callable[[web.Request, Mapping[str, str]], Awaitable[tuple[int, View | None] | list[View] | web.Response]]
Begun = Callable[[web.Request, Mapping[str, str]], Awaitable[Callable[[], None]]]


def register(arm: Arm, account: AutomationAccount, jobs: Jobs, imports: Imports) -> None:
    """Add the account's types to ARM. `jobs` and `imports` belong to `account`."""
    lab, names = arm.lab, arm.lab.names
    provider = Provider(arm=arm, account_id=account.arm_id)
    packages = PackageHandlers(lab=lab, account=account, imports=imports)
    runbooks = RunbookHandlers(lab=lab, account=account)
    provider.variables(VariableHandlers(lab=lab, account=account))
    provider.packages(packages)
    provider.runbooks(runbooks)
    job_handlers = JobHandlers(lab=lab, account=account, jobs=jobs)
    provider.jobs(job_handlers)
    provider.schedules(ScheduleHandlers(lab=lab, account=account, jobs=job_handlers))

    def listed() -> Iterable[Resource]:
        """Return the account's children that Azure lists as resources: not its variables, packages and jobs."""
        views = [
            *(packages.environment_view(one) for one in account.environments.values() if not one.system),
            *map(runbooks.view, account.runbooks.values()),
        ]
        for view in views:
            one = provider.resource(view)
            kind = f"{NAMESPACE}/automationAccounts/{view['path'][0]}"
            yield {**one, "name": f"{names.automation_account}/{one['name']}", "type": kind}

    arm.deployed(lambda: [_account(lab)])
    account_provider.register(arm, account)
    arm.listed(listed)


def _account(lab: Lab) -> Resource:
    properties = {"sku": {"name": "Basic"}, "state": "Ok", "publicNetworkAccess": True}
    kind, name = f"{NAMESPACE}/automationAccounts", lab.names.automation_account
    return resource(lab, kind, name, properties, identity=identity_of(lab))


class Provider:
    """Registers handlers with ARM, and turns their results into responses."""

    def __init__(self, *, arm: Arm, account_id: str) -> None:
        """Serve below the ARM id `account_id`."""
        self._arm = arm
        self._account_id = account_id

    def variables(self, handlers: VariableHandlers) -> None:
        """Serve the variables."""
        self._add("variables", get=handlers.list_variables)
        self._add(
            "variables/{variable}",
            get=handlers.get_variable,
            put=handlers.put_variable,
            delete=handlers.delete_variable,
        )

    def packages(self, handlers: PackageHandlers) -> None:
        """Serve the runtime environments and their packages."""
        environment = "runtimeEnvironments/{environment}"
        self._add("runtimeEnvironments", get=handlers.list_environments)
        self._add(
            environment,
            get=handlers.get_environment,
            put=handlers.put_environment,
            delete=handlers.delete_environment,
        )
        self._add(f"{environment}/packages", get=handlers.list_packages)
        self._add(
            f"{environment}/packages/{{package}}",
            get=handlers.get_package,
            put=handlers.put_package,
            delete=handlers.delete_package,
        )

    def runbooks(self, handlers: RunbookHandlers) -> None:
        """Serve the runbooks and their drafts."""
        runbook = "runbooks/{runbook}"
        self._add("runbooks", get=handlers.list_runbooks)
        self._add(runbook, get=handlers.get, put=handlers.put, delete=handlers.delete)
        self._add(f"{runbook}/content", get=handlers.content)
        self._add(f"{runbook}/publish", begin_post=handlers.publish)
        self._add(f"{runbook}/draft", get=handlers.draft)
        self._add(f"{runbook}/draft/content", get=handlers.draft_content, begin_put=handlers.put_draft_content)
        self._add(f"{runbook}/draft/undoEdit", post=handlers.undo_edit)
        self._add(f"{runbook}/operationResults/{{operation}}", get=self._poll)

    def jobs(self, handlers: JobHandlers) -> None:
        """Serve the jobs and their streams."""
        job = "jobs/{job}"
        self._add("jobs", get=handlers.list_jobs)
        self._add(job, get=handlers.get, put=handlers.put)
        self._add(f"{job}/output", get=handlers.output)
        self._add(f"{job}/runbookContent", get=handlers.runbook_content)
        self._add(f"{job}/stop", post=handlers.stop)
        self._add(f"{job}/streams", get=handlers.streams)
        self._add(f"{job}/streams/{{stream}}", get=handlers.stream)

    def schedules(self, handlers: ScheduleHandlers) -> None:
        """Serve the schedules and their links to runbooks."""
        self._add("schedules", get=handlers.list_schedules)
        self._add(
            "schedules/{schedule}",
            get=handlers.get,
            put=handlers.put,
            patch=handlers.patch,
            delete=handlers.delete,
        )
        self._add("jobSchedules", get=handlers.list_links)
        self._add("jobSchedules/{link}", get=handlers.get_link, put=handlers.put_link, delete=handlers.delete_link)

    def resource(self, view: Mapping[str, Any]) -> View:
        """Return a view with id, name and type instead of `path`. A view without `path` stays as it is."""
        if "path" not in view:
            return dict(view)
        path: tuple[str, ...] = view["path"]
        fields = {name: value for name, value in view.items() if name != "path"}
        # Upper case as in recorded answers. The resource group's listing uses lower case (`listed`).
        kinds = (kind[0].upper() + kind[1:] for kind in ("automationAccounts", *path[::2]))
        resource_type = "/".join([NAMESPACE, *kinds])
        return {"id": "/".join([self._account_id, *path]), "name": path[-1], "type": resource_type, **fields}

    def _add(
        self,
        pattern: str,
        *,
        get: Answered | None = None,
        put: Answered | None = None,
        post: Answered | None = None,
        patch: Answered | None = None,
        delete: Answered | None = None,
        begin_put: Begun | None = None,
        begin_post: Begun | None = None,
    ) -> None:
        answered = {"GET": get, "PUT": put, "POST": post, "PATCH": patch, "DELETE": delete}
        begun = {"PUT": begin_put, "POST": begin_post}
        handlers = {method: self._at_once(handler) for method, handler in answered.items() if handler is not None}
        handlers |= {method: self._long_running(handler) for method, handler in begun.items() if handler is not None}
        versions = API_VERSIONS[:1] if pattern.startswith("runtimeEnvironments") else API_VERSIONS
        self._arm.provider(NAMESPACE, f"automationAccounts/{{account}}/{pattern}", versions, handlers)

    def _at_once(self, handler: Answered) -> Handler:
        async def answer(request: web.Request, names: Mapping[str, str]) -> web.Response:
            result = await handler(request, names)
            if isinstance(result, web.Response):
                return result
            if isinstance(result, list):
                return self._page(request, result)
            status, view = result
            if view is None:
                return web.Response(status=status)
            shown = self.resource(view)
            headers = {}
            if status == 201:
                query = f"api-version={request.query['api-version']}"
                headers["Location"] = f"{self._arm.lab.urls['arm']}{shown['id']}?{query}"
            return web.json_response(shown, status=status, headers=headers)

        return answer

    def _long_running(self, handler: Begun) -> Handler:
        async def answer(request: web.Request, names: Mapping[str, str]) -> web.Response:
            finish = await handler(request, names)

            async def operation() -> None:
                await self._arm.lab.gate.operation("runbook")
                finish()

            # The address is below the runbook. A header has the operation's id too (recorded answers of 2021).
            place = f"{self._account_id}/runbooks/{names['runbook']}"
            operation_id = str(uuid.uuid4())
            headers = {OPERATION_HEADER: operation_id}
            return self._arm.accept(
                request,
                operation(),
                retry_after=RETRY_AFTER_SECONDS,
                operation_id=operation_id,
                place=place,
                headers=headers,
            )

        return answer

    async def _poll(self, request: web.Request, names: Mapping[str, str]) -> web.Response:
        return self._arm.poll(request, names["operation"])

    def _page(self, request: web.Request, views: list[View]) -> web.Response:
        token = request.query.get("$skiptoken", "0")
        if not token.isdecimal():
            raise ArmRefusal(400, "BadRequest", f"The $skiptoken '{token}' is not one that this service gave out.")
        start = int(token)
        page: dict[str, Any] = {"value": [self.resource(view) for view in views[start : start + PAGE_SIZE]]}
        if start + PAGE_SIZE < len(views):
            address = request.rel_url.update_query({"$skiptoken": str(start + PAGE_SIZE)})
            page["nextLink"] = f"{self._arm.lab.urls['arm']}{address}"
        return web.json_response(page)
