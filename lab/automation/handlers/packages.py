"""Microsoft.Automation runtime environments and their packages.

A GET of a package leaves out `contentLink`, so it does not show what is installed. Azure does the same
(azure-rest-api-specs#41604). Transitive dependencies are not resolved (azure-sdk-for-python#30157).
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lab.arm.dispatch import json_body, only_fields
from lab.automation.account import (
    IMPORT_SECONDS,
    IMPORTS,
    LANGUAGE,
    LANGUAGE_VERSION,
    AutomationAccount,
    Package,
    RuntimeEnvironment,
)
from lab.automation.imports import Imports, content_link
from lab.automation.wire import bad_request, invalid, not_found, too_many, typed
from lab.shared import Lab

IMPORT_WINDOW_OPERATION = "packageImportWindow"  # POST /latency of the control API sets another window
ENVIRONMENT_FIELDS = {"name", "location", "tags", "properties"}
PACKAGE_FIELDS = {"location", "tags", "properties"}


class PackageHandlers:
    """Handlers of runtimeEnvironments and of their packages."""

    def __init__(self, *, lab: Lab, account: AutomationAccount, imports: Imports) -> None:
        """Serve the environments of `account`."""
        self._lab = lab
        self._account = account
        self._imports = imports

    async def put_environment(self, request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Create or update an environment. Its language stays Python 3.10."""
        name = names["environment"]
        body = await json_body(request, ENVIRONMENT_FIELDS)
        properties = only_fields(body.get("properties"), {"runtime", "defaultPackages", "description"}, "properties")
        runtime = only_fields(properties.get("runtime"), {"language", "version"}, "properties.runtime")
        if (runtime.get("language"), runtime.get("version")) != (LANGUAGE, LANGUAGE_VERSION):
            raise invalid(
                "runtimeEnvironment.properties.runtime",
                f"The lab runs {LANGUAGE} {LANGUAGE_VERSION} only, and neither language nor version can be changed.",
            )
        if typed(properties, "defaultPackages", dict, {}):
            raise invalid("runtimeEnvironment.properties.defaultPackages", "Python 3.10 has no default packages.")
        location = typed(body, "location", str)
        if location is None:
            raise bad_request("The location property is required for this definition.")
        existing = self._account.environments.get(name.lower())
        _refuse_system(existing)
        environment = RuntimeEnvironment(
            name=existing.name if existing else name,
            location=location,
            tags=typed(body, "tags", dict, {}),
            description=typed(properties, "description", str),
            packages=existing.packages if existing else {},
        )
        self._account.environments[name.lower()] = environment
        return (200 if existing else 201), self.environment_view(environment)

    async def get_environment(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return an environment."""
        return 200, self.environment_view(self._environment(names))

    async def list_environments(self, _request: web.Request, _names: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return all environments."""
        return [self.environment_view(environment) for environment in self._account.environments.values()]

    async def delete_environment(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, None]:
        """Delete an environment with its packages."""
        _refuse_system(self._account.environments.get(names["environment"].lower()))
        return (200 if self._account.environments.pop(names["environment"].lower(), None) else 204), None

    async def put_package(self, request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Start an import. Answer 429 if IMPORTS imports have started within the window."""
        environment, name = self._environment(names), names["package"]
        body = await json_body(request, PACKAGE_FIELDS)
        properties = only_fields(body.get("properties"), {"contentLink"}, "properties")
        link_fields = only_fields(
            properties.get("contentLink"), {"uri", "contentHash", "version"}, "properties.contentLink"
        )
        try:
            link = content_link(link_fields)
        except ValueError as error:
            raise invalid("package.properties.contentLink", str(error)) from error
        wait = self._account.imports_window.wait_seconds(now=self._lab.clock.now(), seconds=self._window_seconds())
        if wait:
            raise too_many(f"More than {IMPORTS} packages are being imported. Try again later.", wait)
        existing = environment.packages.get(name.lower())
        package = Package(name=existing.name if existing else name, state="Creating")
        environment.packages[name.lower()] = package
        view = self.package_view(environment, package)
        self._imports.start(package, link)
        return (200 if existing else 201), view

    async def get_package(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return a package, without its content link."""
        environment = self._environment(names)
        package = environment.packages.get(names["package"].lower())
        if package is None:
            raise not_found("Package", names["package"])
        return 200, self.package_view(environment, package)

    async def list_packages(self, _request: web.Request, names: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return all packages of an environment."""
        environment = self._environment(names)
        return [self.package_view(environment, package) for package in environment.packages.values()]

    async def delete_package(self, _request: web.Request, names: Mapping[str, str]) -> tuple[int, None]:
        """Remove a package."""
        return (200 if self._environment(names).packages.pop(names["package"].lower(), None) else 204), None

    def environment_view(self, environment: RuntimeEnvironment) -> dict[str, Any]:
        """Return an environment as ARM shows it (below the account: `path` becomes id, type and name)."""
        return {
            "path": ("runtimeEnvironments", environment.name),
            "location": environment.location,
            "tags": environment.tags,
            "properties": {
                "runtime": {"language": environment.language, "version": environment.version},
                "defaultPackages": {},
                "description": environment.description,
            },
        }

    def package_view(self, environment: RuntimeEnvironment, package: Package) -> dict[str, Any]:
        """Return a package as ARM shows it."""
        return {
            "path": ("runtimeEnvironments", environment.name, "packages", package.name),
            "location": environment.location,
            "properties": {
                "default": False,
                "version": package.version,
                "sizeInBytes": package.size_bytes,
                "provisioningState": package.state,
                # The field is always present; it is empty if nothing failed.
                "error": {"code": "PackageImportFailed" if package.error else None, "message": package.error},
            },
        }

    def _environment(self, names: Mapping[str, str]) -> RuntimeEnvironment:
        environment = self._account.environments.get(names["environment"].lower())
        if environment is None:
            raise not_found("RuntimeEnvironment", names["environment"])
        return environment

    def _window_seconds(self) -> float:
        for latency in reversed(self._lab.gate.latencies.entries):
            if latency.operation == IMPORT_WINDOW_OPERATION:
                return latency.seconds
        return IMPORT_SECONDS


def _refuse_system(environment: RuntimeEnvironment | None) -> None:
    if environment is not None and environment.system:
        raise bad_request(f"The runtime environment '{environment.name}' is system-generated and cannot be changed.")
