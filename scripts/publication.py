"""Publish a release's runbooks and packages to an Automation account: observe, plan, apply, verify.

This is the deployment's first step, before any runbook exists in the account that could do it. Each package set has a
runtime environment of its own, named by the set's digest: a package in use never changes under a running job, and what
is published shows in a name (the service does not return a package's link or hash, azure-rest-api-specs#41604).
"""

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from runbook_lib.change import Change, NoChange, Plan
from runbook_lib.errors import RunbookError
from scripts.azure_session import AzureSession
from scripts.job import plain
from scripts.release_artifacts import ReleaseArtifacts, Wheel

if TYPE_CHECKING:
    from azure.mgmt.automation import AutomationClient

PYTHON_VERSION = "3.10"
WHEELS_CONTAINER = "runbook-packages"
SETTINGS_VARIABLE = "vibedata-settings"
LINK_LIFE = timedelta(hours=1)
# Automation takes 5 package imports in 30 s and Microsoft's own importer sleeps 60 s on 429 (azure-facts, section 1).
IMPORTS_AT_ONCE = 5
IMPORT_PAUSE_SECONDS = 60.0
PACKAGE_DEADLINE_SECONDS = 900.0
PACKAGE_POLL_SECONDS = 1.0

_STAGE_ENVIRONMENT, _STAGE_PACKAGES, _STAGE_RUNBOOKS = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the account holds (None or absent: nothing) and what it should hold, each as one comparable string."""

    environment: str
    environment_exists: bool
    held: Mapping[str, str | None]
    wanted: Mapping[str, str]


class Publication:
    """The publication of one package set and some runbooks, for one session.

    Parameters: session; artifacts, the release's runbook texts and wheels; settings_variable, what the Automation
    variable `vibedata-settings` is to hold.
    """

    def __init__(
        self, *, session: AzureSession, artifacts: ReleaseArtifacts, settings_variable: Mapping[str, str]
    ) -> None:
        self._session = session
        self._artifacts = artifacts
        self._settings_variable = json.dumps(dict(settings_variable), sort_keys=True)
        self._environment = f"vibedata-{artifacts.packages_digest.removeprefix('sha256:')[:12]}"
        self._wheels = {f"package {wheel.distribution}": wheel for wheel in artifacts.wheels}

    def observe(self) -> Facts:
        """Look at the environment, its packages, the variable and each runbook."""
        wanted = {target: wheel.version for target, wheel in self._wheels.items()}
        wanted[f"variable {SETTINGS_VARIABLE}"] = _short(self._settings_variable.encode())
        wanted |= {f"runbook {name}": self._runbook_state(text) for name, text in self._artifacts.runbooks.items()}
        exists = self._environment_exists()
        held = {target: self.look_at(target) for target in wanted if exists or not target.startswith("package ")}
        return Facts(environment=self._environment, environment_exists=exists, held=held, wanted=wanted)

    def apply(self, change: Change) -> None:
        """Make one change; what the account then holds is looked at by `look`."""
        kind, _, name = change.target.partition(" ")
        if kind == "environment":
            self._create_environment()
        elif kind == "package":
            self._import_package(self._wheels[change.target])
        elif kind == "variable":
            self._set_variable()
        else:
            self._publish_runbook(name, self._artifacts.runbooks[name])

    def look(self, change: Change) -> str | None:
        """Return what the account holds for a change's target."""
        return self.look_at(change.target)

    def look_at(self, target: str) -> str | None:
        """Return the observed state of one target, comparable with the wanted one; None where there is none."""
        kind, _, name = target.partition(" ")
        if kind == "environment":
            return f"Python {PYTHON_VERSION}" if self._environment_exists() else None
        if kind == "package":
            return self._package_state(name)
        if kind == "variable":
            return self._variable_state(name)
        return self._published_state(name)

    @property
    def _automation(self) -> "AutomationClient":
        return self._session.automation

    @property
    def _account(self) -> tuple[str, str]:
        return self._session.settings.resource_group, self._session.settings.automation_account

    def _environment_exists(self) -> bool:
        try:
            self._automation.runtime_environments.get(*self._account, self._environment)
        except ResourceNotFoundError:
            return False
        return True

    def _create_environment(self) -> None:
        from azure.mgmt.automation.models import RuntimeEnvironment, RuntimeEnvironmentProperties, RuntimeProperties

        runtime = RuntimeProperties(language="Python", version=PYTHON_VERSION)
        body = RuntimeEnvironment(location=self._location(), properties=RuntimeEnvironmentProperties(runtime=runtime))
        self._automation.runtime_environments.create(*self._account, self._environment, body)

    def _location(self) -> str:
        location = self._automation.automation_account.get(*self._account).location
        if location is None:
            raise RunbookError("VD-AUTOMATION-001", "the account has no location", target=self._account[1])
        return location

    def _package_state(self, name: str) -> str | None:
        """The version of a package that is ready; else its state, which equals no version."""
        try:
            package = self._automation.package.get(*self._account, self._environment, name)
        except ResourceNotFoundError:
            return None
        properties = package.properties
        if properties is None:
            return None
        state = plain(properties.provisioning_state)
        return properties.version if state == "Succeeded" else state

    def _import_package(self, wheel: Wheel) -> None:
        from azure.mgmt.automation.models import (
            ContentHash,
            ContentLink,
            PackageCreateOrUpdateParameters,
            PackageCreateOrUpdateProperties,
        )

        link = ContentLink(
            uri=self._link(wheel),
            content_hash=ContentHash(algorithm="SHA256", value=wheel.sha256),
            version=wheel.version,
        )
        body = PackageCreateOrUpdateParameters(properties=PackageCreateOrUpdateProperties(content_link=link))
        deadline = time.monotonic() + PACKAGE_DEADLINE_SECONDS
        while True:
            try:
                self._automation.package.create_or_update(*self._account, self._environment, wheel.distribution, body)
                break
            except HttpResponseError as error:
                if error.status_code != 429 or time.monotonic() + IMPORT_PAUSE_SECONDS > deadline:
                    raise
                time.sleep(IMPORT_PAUSE_SECONDS)
        self._wait_for_package(wheel, deadline)

    def _wait_for_package(self, wheel: Wheel, deadline: float) -> None:
        while (state := self._package_state(wheel.distribution)) != wheel.version:
            if state == "Failed":
                raise RunbookError("VD-AUTOMATION-002", f"version {wheel.version}", target=wheel.distribution)
            if time.monotonic() > deadline:
                raise RunbookError("VD-AUTOMATION-003", f"last state: {state}", target=wheel.distribution)
            time.sleep(PACKAGE_POLL_SECONDS)

    def _link(self, wheel: Wheel) -> str:
        """Offer a wheel through a read-only link that ends after LINK_LIFE."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        service = self._session.clients.blob_service
        blob = service.get_blob_client(WHEELS_CONTAINER, f"{wheel.sha256}/{wheel.filename}")
        # The blob's name holds the content's digest, which the import checks: one that exists is as good as ours.
        with suppress(ResourceExistsError), wheel.path.open("rb") as content:
            blob.upload_blob(content, overwrite=False)
        now = datetime.now(timezone.utc)
        key = service.get_user_delegation_key(now - timedelta(minutes=5), now + LINK_LIFE)
        signature = generate_blob_sas(
            str(service.account_name),
            WHEELS_CONTAINER,
            blob.blob_name,
            user_delegation_key=key,
            permission=BlobSasPermissions(read=True),
            expiry=now + LINK_LIFE,
        )
        return f"{blob.url}?{signature}"

    def _variable_state(self, name: str) -> str | None:
        try:
            variable = self._automation.variable.get(*self._account, name)
        except ResourceNotFoundError:
            return None
        encoded = variable.properties.value if variable.properties else None
        return None if encoded is None else _short(str(json.loads(encoded)).encode())

    def _set_variable(self) -> None:
        from azure.mgmt.automation.models import VariableCreateOrUpdateParameters, VariableCreateOrUpdateProperties

        # ARM holds variable values as JSON-encoded strings (azure-facts, section 3).
        value = VariableCreateOrUpdateProperties(value=json.dumps(self._settings_variable), is_encrypted=False)
        body = VariableCreateOrUpdateParameters(name=SETTINGS_VARIABLE, properties=value)
        self._automation.variable.create_or_update(*self._account, SETTINGS_VARIABLE, body)

    def _runbook_state(self, text: bytes) -> str:
        return f"{_short(text)} in {self._environment}"

    def _published_state(self, name: str) -> str | None:
        try:
            runbook = self._automation.runbook.get(*self._account, name)
            content = self._automation.runbook.get_content(*self._account, name).encode()
        except ResourceNotFoundError:
            return None
        environment = runbook.properties.runtime_environment if runbook.properties else None
        return f"{_short(content)} in {environment}"

    def _publish_runbook(self, name: str, text: bytes) -> None:
        from azure.mgmt.automation.models import (
            RunbookCreateOrUpdateParameters,
            RunbookCreateOrUpdateProperties,
            RunbookDraft,
        )

        # Without runtimeEnvironment a Python3 runbook runs on 3.8 (azure-facts, section 1).
        properties = RunbookCreateOrUpdateProperties(
            runbook_type="Python3",
            runtime_environment=self._environment,
            log_verbose=True,
            log_progress=False,
            draft=RunbookDraft(),
        )
        body = RunbookCreateOrUpdateParameters(name=name, location=self._location(), properties=properties)
        self._automation.runbook.create_or_update(*self._account, name, body)
        self._automation.runbook_draft.begin_replace_content(*self._account, name, text.decode()).result()
        self._automation.runbook.begin_publish(*self._account, name).result()


def plan(facts: Facts) -> Plan:
    """Compare what the account holds with what it should: environment first, then packages, then runbooks that need
    them.
    """
    changes: list[Change] = []
    unchanged: list[NoChange] = []
    environment = f"environment {facts.environment}"
    if facts.environment_exists:
        unchanged.append(NoChange(environment, "exists"))
    else:
        changes.append(Change(_STAGE_ENVIRONMENT, "create", environment, None, f"Python {PYTHON_VERSION}"))
    for target, wanted in facts.wanted.items():
        held = facts.held.get(target)
        if held == wanted:
            unchanged.append(NoChange(target, f"is {wanted}"))
        else:
            changes.append(Change(_stage(target), _action(target), target, held, wanted))
    return Plan(changes=tuple(changes), unchanged=tuple(unchanged))


def _stage(target: str) -> int:
    return _STAGE_PACKAGES if target.startswith("package ") else _STAGE_RUNBOOKS


def _action(target: str) -> str:
    return {"package": "import", "variable": "set", "runbook": "publish"}[target.partition(" ")[0]]


def _short(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()[:16]}"
