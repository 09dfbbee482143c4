"""The deployment's first step, before any runbook is in the account: publish those that fetch all others.

`publish_runbooks` then publishes the whole release, from the customer's container registry. What is done, and how, is
runbook_lib.automation.publication's for both; only the Automation variable with the settings is set here alone.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.automation import publication
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.publication import Publication, Wanted
from runbook_lib.azure.session import AzureSession
from runbook_lib.azure.settings import AUTOMATION_VARIABLE
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Action, ActionKind, NoChange, Plan
from runbook_lib.release.files import ArtifactBlobs
from vibedata.deployment.built_artifacts import LayoutArtifacts

# Each is needed to fetch the others: the release manifest, its artifacts, and what publishes them.
BOOTSTRAP_RUNBOOKS = ("import_manifest", "import_images", "publish_runbooks")
VARIABLE = f"variable {AUTOMATION_VARIABLE}"
# With the runbooks, which read it.
SET: ActionKind[str] = ActionKind("set", stage=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the account holds. variable: digest of the settings' text, None if there is none; wanted: as it should
    be.
    """

    held: publication.Facts
    variable: str | None
    wanted: str


class Bootstrap:
    """The first publication of a build, for one session.

    Parameters: settings_variable, what the Automation variable is to hold; warn, told what a person should know.
    """

    def __init__(
        self,
        *,
        session: AzureSession,
        artifacts: LayoutArtifacts,
        settings_variable: Mapping[str, str],
        warn: Callable[[str], object],
    ) -> None:
        self._account = AutomationAccount(client=session.clients.automation, settings=session.settings)
        self._settings_variable = json.dumps(dict(settings_variable), sort_keys=True)
        self._publication = Publication(
            wanted=Wanted(packages=artifacts.package_set(), scripts=artifacts.scripts(BOOTSTRAP_RUNBOOKS)),
            source=artifacts,
            account=self._account,
            blobs=ArtifactBlobs(
                blob_service=session.clients.blob_service,
                clock=SYSTEM_CLOCK,
                learn_secret=session.redactor.learn,
            ),
            clock=SYSTEM_CLOCK,
            warn=warn,
        )

    def plan(self) -> Plan:
        """Look at the account, and return what differs."""
        return plan(
            Facts(
                held=self._publication.observe(),
                variable=self._variable_state(),
                wanted=_digest(self._settings_variable),
            )
        )

    def actions(self) -> Sequence[Action[Any]]:
        """The publication's, and to set the variable."""

        def set_variable(name: str) -> None:
            self._account.set_variable(name, self._settings_variable)

        return (*self._publication.actions(), Action(SET, make=set_variable, see=lambda _: self._variable_state()))

    def _variable_state(self) -> str | None:
        text = self._account.variable(AUTOMATION_VARIABLE)
        return None if text is None else _digest(text)


def plan(facts: Facts) -> Plan:
    """Return what differs. Pure. Raises what runbook_lib.automation.publication.plan does."""
    rest = publication.plan(facts.held)
    if facts.variable == facts.wanted:
        return Plan(rest.changes, (*rest.unchanged, NoChange(VARIABLE, "is the same")))
    change = SET.change(AUTOMATION_VARIABLE, VARIABLE, facts.variable, facts.wanted)
    return Plan((*rest.changes, change), rest.unchanged)


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
