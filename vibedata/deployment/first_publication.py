"""Publish the first runbooks of a release with the operator's login. These runbooks fetch all others.

`publish_runbooks` then publishes the whole release, from the customer's container registry. Both use
runbook_lib.automation.publication. Only this module sets the Automation variable with the settings.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from runbook_lib.automation import publication, writing
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.publication import Publication, Wanted
from runbook_lib.azure.session import AzureSession
from runbook_lib.azure.settings import AUTOMATION_VARIABLE, Settings
from runbook_lib.basics import strict_json
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.digest import digest_of
from runbook_lib.change import Action, ActionKind, NoChange, Plan
from runbook_lib.errors import RunbookError, azure
from runbook_lib.release.files import ArtifactBlobs
from vibedata.deployment.release_source import ReleaseSource

PREFLIGHT = "preflight"
# These runbooks run before there is a release: the preflight, the rotation that brings the first token, and the three
# runbooks that fetch all others.
FIRST_RUNBOOKS = (PREFLIGHT, "rotate_acr_token", "import_manifest", "import_images", "publish_runbooks")
# How many digits of the digest of the settings' text a plan shows.
SHOWN = len("sha256:") + 16
LOCKED = "locked"
VARIABLE = f"variable {AUTOMATION_VARIABLE}"
# The same stage as the runbooks, because they read the variable.
SET: ActionKind[str] = ActionKind("set", stage=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the account holds. `variable` is the digest of the settings' text, None if there is none. `wanted` is the
    digest that it must have. `lowers` says whether the settings would lower a guarantee that the account has.
    """

    held: publication.Facts
    variable: str | None
    wanted: str
    lowers: bool = False


class FirstPublication:
    """The publication of some runbooks of a release, with the packages and the settings that they need.

    Args:
        session: The way to the customer's Azure.
        release: The release, and its files.
        runbooks: The names of the runbooks.
        warn: A function that gets each sentence that a person should know.
        single_wheels: Whether the packages must come as single wheels instead of one combined wheel.
    """

    def __init__(
        self,
        *,
        session: AzureSession,
        release: ReleaseSource,
        runbooks: Sequence[str],
        warn: Callable[[str], object],
        single_wheels: bool = False,
    ) -> None:
        packages = release.package_set()
        if single_wheels:
            packages = replace(packages, combined=None)
        self._made_of = (session, release, tuple(runbooks), warn)
        self._account = AutomationAccount(client=session.clients.automation, settings=session.settings)
        self._settings = session.settings
        self._settings_variable = _text_of_settings(session)
        self._publication = Publication(
            wanted=Wanted(packages=packages, scripts=release.scripts(runbooks)),
            source=release,
            account=self._account,
            blobs=ArtifactBlobs(
                blob_service=session.clients.blob_service,
                clock=SYSTEM_CLOCK,
                learn_secret=session.redactor.learn,
            ),
            clock=SYSTEM_CLOCK,
            warn=warn,
        )

    def with_single_wheels(self) -> "FirstPublication":
        """Return the same publication with single wheels."""
        session, release, runbooks, warn = self._made_of
        return FirstPublication(session=session, release=release, runbooks=runbooks, warn=warn, single_wheels=True)

    def plan(self) -> Plan:
        """Read the account, and return the changes."""
        held, variable = self._publication.observe(), self._account.variable(AUTOMATION_VARIABLE)
        return plan(
            Facts(
                held=held,
                variable=_state(variable),
                wanted=_digest(self._settings_variable),
                lowers=lowers_guarantee(variable, self._settings),
            )
        )

    def actions(self) -> Sequence[Action[Any]]:
        """Return the publication's actions, and the one that sets the variable."""

        def set_variable(name: str) -> None:
            writing.set_variable(self._account, name, self._settings_variable)

        return (*self._publication.actions(), Action(SET, make=set_variable, see=lambda _: self._variable_state()))

    def _variable_state(self) -> str | None:
        return _state(self._account.variable(AUTOMATION_VARIABLE))


def plan(facts: Facts) -> Plan:
    """Return the changes. Pure.

    Raises RunbookError VD-SETTINGS-006, and the same as runbook_lib.automation.publication.plan.
    """
    rest, settings = publication.plan(facts.held), _plan_of_variable(facts.variable, facts.wanted, lowers=facts.lowers)
    return Plan((*rest.changes, *settings.changes), (*rest.unchanged, *settings.unchanged))


def plan_settings(session: AzureSession) -> Plan:
    """Read only the Automation variable, and return its change. Raises RunbookError VD-SETTINGS-006."""
    account = AutomationAccount(client=session.clients.automation, settings=session.settings)
    held = account.variable(AUTOMATION_VARIABLE)
    lowers = lowers_guarantee(held, session.settings)
    return _plan_of_variable(_state(held), _digest(_text_of_settings(session)), lowers=lowers)


def lowers_guarantee(held: str | None, settings: Settings) -> bool:
    """Return whether the settings would accept an unlocked retention policy, and the held variable does not. Pure."""
    try:
        values = strict_json.loads(held or "{}")
    except strict_json.NotStrictJsonError:
        return False  # no runbook accepts it
    return settings.immutability != LOCKED and isinstance(values, dict) and values.get("immutability") == LOCKED


def lowered() -> RunbookError:
    """Return the error VD-SETTINGS-006."""
    detail = f"{AUTOMATION_VARIABLE} has {LOCKED}, the deployment has unlocked"
    return azure.GUARANTEE_LOWERED.error(detail, target="immutability")


def _plan_of_variable(held: str | None, wanted: str, *, lowers: bool) -> Plan:
    if lowers:
        raise lowered()
    if held == wanted:
        return Plan(unchanged=(NoChange(VARIABLE, "is the same"),))
    return Plan(changes=(SET.change(AUTOMATION_VARIABLE, VARIABLE, held, wanted),))


def _state(text: str | None) -> str | None:
    return None if text is None else _digest(text)


def _text_of_settings(session: AzureSession) -> str:
    """Return the content of the variable. Raises RunbookError VD-SETTINGS-001.

    The command can use the shell's login, but a job cannot: without the identity's client id, no job would run.
    """
    if not session.settings.uami_client_id:
        raise azure.MISSING_SETTING.error(
            "jobs need the client id of vibedata-uami, a GUID",
            target="uami_client_id",
            remedy="Type `vibedata instance edit ID --set settings.uami_client_id=GUID`, or edit the instance's file."
            " Without an instance, set VIBEDATA_UAMI_CLIENT_ID.",
        )
    return json.dumps(asdict(session.settings), sort_keys=True)


def _digest(text: str) -> str:
    return digest_of(text.encode())[:SHOWN]
