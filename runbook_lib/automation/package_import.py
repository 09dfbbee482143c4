"""Import packages into a runtime environment within the account's limit, and wait until each is provisioned.

Automation accepts 5 imports in 30 s and answers 429 to more (docs/azure-facts.md#python-and-its-limits). So only one
request runs at a time. If the service asks it to wait, all others wait, too, because they would get the same answer.
"""

import threading
from collections.abc import Callable, Mapping

from runbook_lib.automation.account import AutomationAccount, HeldPackage
from runbook_lib.automation.states import FAILED, SUCCEEDED, package_state
from runbook_lib.automation.writing import import_package
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.looks import pause_between_looks
from runbook_lib.errors import automation
from runbook_lib.network.retry import retry_after_seconds
from runbook_lib.release.artifacts import ArtifactBlob, Wheel

# The wait after a 429 that does not say how long. Microsoft's own importer waits for this time
# (docs/azure-facts.md#python-and-its-limits).
THROTTLED_SECONDS = 60.0
# If Automation accepts no import for this time, its pace is not the reason.
NONE_TAKEN_SECONDS = 15 * 60.0
# A package's own deadline. Some states never became final (Azure/bicep#12136).
PROVISIONING_SECONDS = 15 * 60.0
# The bounds of the wait between two requests for the states.
LOOK_MIN_SECONDS = 1.0
LOOK_MAX_SECONDS = 10.0


class PackageImports:
    """Imports into one runtime environment. Many threads may use it.

    `link` returns an address from which Automation can read a wheel.
    """

    def __init__(
        self, *, account: AutomationAccount, environment: str, link: Callable[[ArtifactBlob], str], clock: Clock
    ) -> None:
        self._account = account
        self._environment = environment
        self._link = link
        self._clock = clock
        self._turn = threading.Lock()
        self._last_taken: float | None = None
        self._looking = threading.Lock()
        self._looked_at: float | None = None
        self._packages: Mapping[str, HeldPackage] = {}

    def run(self, wheel: Wheel) -> None:
        """Import a package and return when it is provisioned.

        Raises RunbookError VD-AUTOMATION-002 (the import failed), -003 (not in time), -009 (throttled for too long),
        and the account's errors.
        """
        with self._turn:
            self._begin(wheel)
        begun = self._clock.monotonic()
        while True:
            waited = self._clock.monotonic() - begun
            pause = pause_between_looks(waited, least=LOOK_MIN_SECONDS, most=LOOK_MAX_SECONDS)
            self._clock.sleep(pause)
            # All waiting threads share a listing: one that began during this wait is new enough.
            held = self._held(wheel, since=max(begun, self._clock.monotonic() - pause / 2))
            state = "absent" if held is None else held.state
            if state == SUCCEEDED:
                return
            if held is not None and state in FAILED:
                raise automation.PACKAGE_REFUSED.error(f"{state}. {held.error}".strip(), target=wheel.distribution)
            if self._clock.monotonic() - begun > PROVISIONING_SECONDS:
                detail = f"after {PROVISIONING_SECONDS:.0f} s it is {state}"
                raise automation.PACKAGE_IMPORT_TIMED_OUT.error(detail, target=wheel.distribution)

    def state(self, wheel: Wheel) -> str | None:
        """Return the present state of a package: its version if it is provisioned, otherwise its state, None if it is
        absent.
        """
        return package_state(self._held(wheel, since=self._clock.monotonic()), wheel)

    def _begin(self, wheel: Wheel) -> None:
        from azure.core.exceptions import HttpResponseError

        if self._last_taken is None:
            self._last_taken = self._clock.monotonic()
        while True:
            try:
                import_package(
                    self._account,
                    self._environment,
                    wheel.distribution,
                    version=wheel.version,
                    link=self._link(wheel.blob),
                    sha256=wheel.blob.sha256,
                )
            except HttpResponseError as error:
                if error.status_code != 429:
                    raise
                headers = getattr(error.response, "headers", {})
                pause = retry_after_seconds(headers, self._clock.now()) or THROTTLED_SECONDS
                if self._clock.monotonic() + pause - self._last_taken > NONE_TAKEN_SECONDS:
                    detail = f"{NONE_TAKEN_SECONDS:.0f} s"
                    raise automation.PACKAGE_IMPORTS_BLOCKED.error(detail, target=wheel.distribution) from error
                self._clock.sleep(pause)
            else:
                self._last_taken = self._clock.monotonic()
                return

    def _held(self, wheel: Wheel, *, since: float) -> HeldPackage | None:
        """Return a package from a listing that was requested at `since` or later."""
        with self._looking:
            if self._looked_at is None or self._looked_at < since:
                asked = self._clock.monotonic()
                self._packages = self._account.packages(self._environment)
                self._looked_at = asked
            return self._packages.get(wheel.distribution.lower())
