"""What the steps of a deployment share: the instance, the release, the lock, and the results so far."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from publisher.instances.document import Instance
from runbook_lib.azure.session import AzureSession
from runbook_lib.deployment_lock.lock import DeploymentLock
from vibedata.deployment.first_publication import FirstPublication
from vibedata.deployment.release_source import ReleaseSource
from vibedata.deployment.step import WELL, StepResult
from vibedata.progress_view.writer import View


@dataclass(slots=True)
class Deployment:
    """A deployment with its steps so far.

    Attributes:
        correlation_id: Its id.
        steps: How its steps have ended.
        absent: The preflight's rows of the credentials that the customer never had. None if no job has looked.
    """

    correlation_id: str
    steps: list[StepResult] = field(default_factory=list)
    absent: frozenset[str] | None = None

    @property
    def failed(self) -> StepResult | None:
        """The first step that failed."""
        return next((step for step in self.steps if step.status not in WELL), None)

    @property
    def changed(self) -> bool:
        """Whether a step has changed anything."""
        return any(step.changed for step in self.steps)

    @property
    def status(self) -> str:
        """`succeeded` as long as each step succeeded, else `failed`."""
        return "failed" if self.failed else "succeeded"

    def as_json(self) -> dict[str, Any]:
        """Return the deployment's result for programs."""
        failed = self.failed
        return {
            "status": self.status,
            "correlation_id": self.correlation_id,
            "steps": [asdict(step) for step in self.steps],
            "seconds": round(sum(step.seconds for step in self.steps), 3),
            "error": None if failed is None else failed.error,
        }


@dataclass(frozen=True, kw_only=True)
class ReleaseWork:
    """The release, the instance and the chosen steps: enough to plan a deployment.

    Attributes:
        session: The way to the customer's Azure, with the operator's login.
        instance: The customer's document, None where the environment alone says whose instance it is.
        environ: Has the publisher's settings.
        release: The release that is deployed, and its files.
        deployment: Keeps how the steps have ended.
        view: Shows what happens.
        chosen: The names of the chosen steps.
        allow_downgrade: Whether the release may be older than the installed one.
    """

    session: AzureSession
    instance: Instance | None
    environ: Mapping[str, str]
    release: ReleaseSource
    deployment: Deployment
    view: View
    chosen: Collection[str]
    allow_downgrade: bool = False

    def report(self, line: str) -> None:
        """Show a sentence in the view."""
        self.view.say(line)

    def publication(self, runbooks: Sequence[str]) -> FirstPublication:
        """Return the publication of these runbooks, from the source of this deployment's release."""
        return FirstPublication(session=self.session, release=self.release, runbooks=runbooks, warn=self.report)

    def holding(self, lock: DeploymentLock) -> "DeploymentWork":
        """Return the same with the lock that is held."""
        return DeploymentWork(**{each.name: getattr(self, each.name) for each in fields(ReleaseWork)}, lock=lock)


@dataclass(frozen=True, kw_only=True)
class DeploymentWork(ReleaseWork):
    """The input of each step of a deployment. `lock` is held."""

    lock: DeploymentLock
