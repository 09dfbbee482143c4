"""Microsoft.Automation runbooks: create, draft content, publish, read back.

Not documented, so decided here: publishing without a draft, or with an empty one, is a 400; a runbook's type never
changes; `draft` in an update changes the text only if it has a content link. A content link is fetched before the
answer is sent.
"""

import functools
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from lab.arm.dispatch import ArmRefusal, json_body, only_fields
from lab.automation.account import (
    RUNBOOK_LIMIT_BYTES,
    RUNBOOK_NAME,
    RUNBOOK_TYPES,
    AutomationAccount,
    Runbook,
    timestamp,
)
from lab.automation.imports import FetchFailedError, content_link, fetch
from lab.automation.wire import bad_request, invalid, not_found, read_body, typed
from lab.shared import Lab

RUNBOOK_FIELDS = {"name", "location", "tags", "properties"}
PROPERTIES = {
    "logVerbose",
    "logProgress",
    "runtimeEnvironment",
    "runbookType",
    "draft",
    "publishContentLink",
    "description",
    "logActivityTrace",
}
DRAFT_FIELDS = {"inEdit", "draftContentLink", "creationTime", "lastModifiedTime", "parameters", "outputTypes"}
CONTENT_TYPES = ("text/plain", "text/powershell")  # Older SDKs send the second one.
SIZE_MESSAGE = f"Runbook content must be between 1 and {RUNBOOK_LIMIT_BYTES} bytes."


class RunbookHandlers:
    """Handlers of runbooks."""

    def __init__(self, *, lab: Lab, account: AutomationAccount) -> None:
        """Serve the runbooks of `account`."""
        self._lab = lab
        self._account = account

    async def put(self, request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Create or update a runbook."""
        name = names["runbook"]
        if not RUNBOOK_NAME.fullmatch(name):
            raise invalid("runbookName", f"'{name}' does not match expected pattern '^[a-zA-Z][a-zA-Z-_0-9]*$'.")
        body = await json_body(request, RUNBOOK_FIELDS)
        properties = only_fields(body.get("properties"), PROPERTIES, "properties")
        existing = self._account.runbooks.get(name.lower())
        self._check(properties, existing)
        published = await self._linked(properties, "publishContentLink")
        draft = await self._linked(
            only_fields(properties.get("draft") or {}, DRAFT_FIELDS, "draft"), "draftContentLink"
        )
        runbook = existing or self._new(name, typed(body, "location", str))
        runbook.kind = properties["runbookType"]
        runbook.tags = typed(body, "tags", dict, {})
        runbook.description = typed(properties, "description", str)
        runbook.environment = typed(properties, "runtimeEnvironment", str)
        runbook.log_verbose = typed(properties, "logVerbose", bool, False)
        runbook.log_progress = typed(properties, "logProgress", bool, False)
        runbook.log_activity_trace = typed(properties, "logActivityTrace", int, 0)
        runbook.modified = self._lab.clock.now()
        if published is not None:
            self._set_published(runbook, published)
        elif draft is not None:
            self._set_draft(runbook, draft)
        elif existing is None:
            self._set_draft(runbook, b"")
        self._account.runbooks[name.lower()] = runbook
        return (200 if existing else 201), self.view(runbook)

    async def get(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return a runbook."""
        return 200, self.view(self._runbook(names))

    async def list_runbooks(self, _request: web.Request, _names: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return all runbooks."""
        return [self.view(runbook) for runbook in self._account.runbooks.values()]

    async def delete(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, None]:
        """Delete a runbook and its links to schedules. Its jobs stay."""
        runbook = self._account.runbooks.pop(names["runbook"].lower(), None)
        if runbook is None:
            return 204, None
        self._account.unlink(runbook=runbook.name)
        return 200, None

    async def content(self, _request: web.Request, names: Mapping[str, str]) -> web.Response:
        """Return the published text, byte for byte."""
        return _text(self._runbook(names).published, "Runbook content", names["runbook"])

    async def draft_content(self, _request: web.Request, names: Mapping[str, str]) -> web.Response:
        """Return the draft's text, byte for byte."""
        return _text(self._runbook(names).draft, "Runbook draft", names["runbook"])

    async def draft(self, _request: web.Request, names: Mapping[str, str]) -> web.Response:
        """Return the draft's properties."""
        return web.json_response(_draft_view(self._runbook(names)))

    async def put_draft_content(self, request: web.Request, names: Mapping[str, str]) -> Callable[[], None]:
        """Check the new text. The returned function stores it as the draft's text."""
        runbook = self._runbook(names)
        content = await read_body(request)
        if request.content_type not in CONTENT_TYPES:
            message = (
                f"The content type '{request.content_type}' is not supported; it takes {', '.join(CONTENT_TYPES)}."
            )
            raise ArmRefusal(415, "UnsupportedMediaType", message)
        if not 1 <= len(content) <= RUNBOOK_LIMIT_BYTES:
            raise invalid("runbookContent", SIZE_MESSAGE)
        return functools.partial(self._set_draft, runbook, content)

    async def undo_edit(self, _request: web.Request, names: Mapping[str, str]) -> web.Response:
        """Discard the draft of a published runbook. A runbook that was never published has no text to go back to."""
        runbook = self._runbook(names)
        if runbook.published is None:
            raise bad_request("The runbook has never been published: there is no edit to undo.")
        runbook.draft = None
        return web.json_response({"statusCode": "OK", "requestId": str(uuid.uuid4())})

    async def publish(self, _request: web.Request, names: Mapping[str, str]) -> Callable[[], None]:
        """Check that there is a draft. The returned function publishes it."""
        runbook = self._runbook(names)
        if not runbook.draft:
            raise bad_request("The runbook has no draft content to publish.")
        return functools.partial(self._set_published, runbook, runbook.draft)

    def view(self, runbook: Runbook) -> dict[str, Any]:
        """Return a runbook as ARM shows it."""
        draft = {"draft": _draft_view(runbook)} if runbook.draft is not None else {}
        return {
            "path": ("runbooks", runbook.name),
            "location": runbook.location,
            "tags": runbook.tags,
            "properties": {
                "runbookType": runbook.kind,
                "runtimeEnvironment": runbook.environment,
                "state": runbook.state,
                "logVerbose": runbook.log_verbose,
                "logProgress": runbook.log_progress,
                "logActivityTrace": runbook.log_activity_trace,
                "jobCount": runbook.job_count,
                "parameters": {},
                "outputTypes": [],
                "provisioningState": "Succeeded",
                "creationTime": timestamp(runbook.created),
                "lastModifiedTime": timestamp(runbook.modified),
                "description": runbook.description,
                **draft,
            },
        }

    def _check(self, properties: Mapping[str, Any], existing: Runbook | None) -> None:
        if "draft" in properties and "publishContentLink" in properties:
            raise invalid("runbook.properties", "Specify either draft or publishContentLink, not both.")
        kind, environment = properties.get("runbookType"), typed(properties, "runtimeEnvironment", str)
        if kind not in RUNBOOK_TYPES:
            raise invalid("runbook.properties.runbookType", f"'{kind}' is none of {', '.join(RUNBOOK_TYPES)}.")
        if existing is not None and existing.kind != kind:
            raise invalid(
                "runbook.properties.runbookType", f"The runbook's type is {existing.kind} and cannot be changed."
            )
        if environment is not None and environment.lower() not in self._account.environments:
            raise invalid("runbook.properties.runtimeEnvironment", f"There is no runtime environment '{environment}'.")

    async def _linked(self, given: Mapping[str, Any], name: str) -> bytes | None:
        if given.get(name) is None:
            return None
        known = only_fields(given[name], {"uri", "contentHash", "version"}, name)
        try:
            link = content_link(known)
            with tempfile.NamedTemporaryFile(dir=self._lab.dir) as file:
                await fetch(self._lab, link, Path(file.name), limit_bytes=RUNBOOK_LIMIT_BYTES)
                return Path(file.name).read_bytes()
        except (ValueError, FetchFailedError) as error:
            raise invalid(f"runbook.properties.{name}", str(error)) from error

    def _new(self, name: str, location: str | None) -> Runbook:
        if location is None:
            raise bad_request("The location property is required for this definition.")
        now = self._lab.clock.now()
        return Runbook(name=name, location=location, created=now, modified=now)

    def _set_draft(self, runbook: Runbook, content: bytes) -> None:
        now = self._lab.clock.now()
        if runbook.draft is None:
            runbook.draft_created = now
        runbook.draft, runbook.draft_modified = content, now

    def _set_published(self, runbook: Runbook, content: bytes) -> None:
        runbook.published, runbook.draft = content, None
        runbook.modified = self._lab.clock.now()

    def _runbook(self, names: Mapping[str, str]) -> Runbook:
        runbook = self._account.runbooks.get(names["runbook"].lower())
        if runbook is None:
            raise not_found("Runbook", names["runbook"])
        return runbook


def _draft_view(runbook: Runbook) -> dict[str, Any]:
    in_edit = runbook.draft is not None
    times = {"creationTime": timestamp(runbook.draft_created), "lastModifiedTime": timestamp(runbook.draft_modified)}
    return {"inEdit": in_edit, "parameters": {}, "outputTypes": [], **(times if in_edit else {})}


def _text(content: bytes | None, kind: str, name: str) -> web.Response:
    if content is None:
        raise not_found(kind, name)
    return web.Response(body=content, content_type="text/plain", charset="utf-8")
