"""The steps that give a customer its first credentials: the token for the publisher's container registry, the HMAC key.

Each step is a rotation without a former credential, so it retires nothing. A deployment does not do later rotations. It
continues an interrupted first rotation: the credential may be in the customer's vault already, but it is not in use, or
the last phase is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from publisher.rotation import acr_token_credential, hmac_key_credential
from publisher.rotation.hmac_key_credential import hmac_key_rotation
from publisher.rotation.plan import RotationRequest
from publisher.rotation.record import Rotation, RotationRecords
from publisher.rotation.run import RotationRun
from publisher.session import publisher_clients, publisher_tables
from runbook_lib.automation.job_line import FAILED
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.strict_json import member
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.preflight.service_checks import KEY_ROW, TOKEN_ROW
from runbook_lib.rotation.versions import OVERLAP_SECONDS
from runbook_lib.vault import hmac_key, publisher_token
from runbook_lib.vault.credential_states import read_credential_states
from vibedata.deployment.first_publication import PREFLIGHT
from vibedata.deployment.job_step import run_and_report
from vibedata.deployment.step import StepResult, stopwatch
from vibedata.deployment.work import DeploymentWork, ReleaseWork
from vibedata.rotation.acr_token import acr_token_rotation
from vibedata.rotation.command import jobs_of
from vibedata.rotation.drive import drive

# Somebody may have given up a first rotation and begun another one, several times. This number of rotations is read.
ROTATIONS = 10
# The states of a secret that was never there (runbook_lib.vault.credential_states.SECRETS).
NEVER_THERE = ("absent", "not provisioned")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCredential:
    """A kind of credential that a deployment brings.

    Attributes:
        step: The name of the step.
        told: Its name for people.
        secret: Its name in the customer's vault.
        row: Its name in the preflight's table.
        table: The publisher's table of its rotations.
        ends_in_its_step: Whether the rotation ends in the step. A token's waits as long as there is a former password.
        only_the_publisher: Only the publisher gives a customer this credential. A template may bring the first token.
        rotation: Returns the rotation that brings it.
    """

    step: str
    told: str
    secret: str
    row: str
    table: str
    ends_in_its_step: bool
    only_the_publisher: bool
    rotation: Callable[[ReleaseWork], RotationRun[Any]]

    def give(self, work: DeploymentWork) -> StepResult | None:
        """Give the customer its first credential: do all phases up to its use. Return None if it has one already.

        Raises what `acr_token_rotation` and `hmac_key_rotation` do, and what `run_job` does.
        """
        unfinished = self.unfinished(work)
        if unfinished is None:
            # A rotation could end the use of a token that the customer has. So nothing is guessed.
            work.report(f"{self.step}: a job of the {PREFLIGHT} looks whether the customer has a {self.told}")
            looked = look_in_sandbox(work, {"plan_only": True})
            if looked.status == FAILED:
                return replace(looked, name=self.step)
            unfinished = self.unfinished(work)
            if unfinished is None:  # it is the preflight of an older release
                work.report(
                    f"{self.step}: the published {PREFLIGHT} does not say it; a whole deployment publishes another"
                )
        if not unfinished:
            return None
        work.report(f"{self.step}: the customer gets its first {self.told}")
        rotating = self.rotation(work)
        with stopwatch() as seconds:
            outcome = drive(
                rotating,
                wait=False,
                report=lambda line: work.report(f"{self.step}: {line}"),
                redactor=work.session.redactor,
                clock=SYSTEM_CLOCK,
                check=lambda: work.lock.begin(self.step),
            )
        failed = outcome.failed
        return StepResult(
            name=self.step,
            status="failed" if failed else "succeeded",
            seconds=seconds(),
            changed=sum(each.outcome == "done" for each in outcome.results),
            error=failed.error.as_json() if failed and failed.error else None,
        )

    def unfinished(self, work: ReleaseWork) -> bool | None:
        """Tell whether the first credential is still to be given or completed, None if only a job can see it, and none
        has looked.

        A person who starts a deployment needs no right on the customer's vault. If the vault cannot be read, the
        preflight's job decides, which has looked there. If it has not run, the publisher's record decides.
        """
        session = work.session
        tables = publisher_tables(session.settings, session.clients, work.environ, SYSTEM_CLOCK)
        recent = RotationRecords(tables, self.table).recent(session.settings.instance_id, ROTATIONS)
        if is_first_under_way(recent, ends_in_its_step=self.ends_in_its_step):
            return True
        state = self._state(work)
        if state is not None:
            return state in NEVER_THERE
        if work.deployment.absent is not None:
            return self.row in work.deployment.absent
        if any(each.promoted_at for each in recent):
            return False
        return not recent if self.only_the_publisher else None

    def _state(self, work: ReleaseWork) -> str | None:
        """Return the state of the secret in the customer's vault, None if it cannot be read from here."""
        try:
            states = read_credential_states(work.session.clients.secrets, work.session.clock.now())
        except Exception as error:
            named = as_runbook_error(error)
            if named is None:
                raise
            work.report(f"{self.step}: the customer's {self.told} cannot be seen from here: {named.code}")
            return None
        return next(each.state for each in states if each.id == self.secret)


def look_in_sandbox(work: DeploymentWork, parameters: Mapping[str, Any]) -> StepResult:
    """Run the preflight as a job, and keep which credentials the customer never had. Raises what `run_job` does."""
    ended, report = run_and_report(work, PREFLIGHT, parameters, published=(PREFLIGHT,))
    absent = member(report, "absent")
    if isinstance(absent, list):
        work.deployment.absent = frozenset(map(str, absent))
    return ended


def is_first_under_way(recent: Sequence[Rotation], *, ends_in_its_step: bool) -> bool:
    """Tell whether the first rotation has begun, and the deployment has to go on with it.

    Args:
        recent: The last rotations, the newest first.
        ends_in_its_step: FirstCredential's. If not, the deployment goes on only until the credential is in use.

    Returns:
        Whether it has to. Pure.
    """
    if not recent or not recent[0].open or any(each.promoted_at for each in recent[1:]):
        return False
    return ends_in_its_step or not recent[0].promoted_at


def _token_rotation(work: ReleaseWork) -> RotationRun[Any]:
    return acr_token_rotation(
        work.session,
        work.instance,
        work.environ,
        RotationRequest(overlap_seconds=OVERLAP_SECONDS),
        work.view,
        correlation_id=work.deployment.correlation_id,
    )


def _key_rotation(work: ReleaseWork) -> RotationRun[Any]:
    session = work.session
    return hmac_key_rotation(
        instance_id=session.settings.instance_id,
        request=RotationRequest(overlap_seconds=OVERLAP_SECONDS),
        clients=publisher_clients(session.settings, session.clients, work.environ, SYSTEM_CLOCK),
        run_runbook=jobs_of(session, work.view, correlation_id=work.deployment.correlation_id),
        redactor=session.redactor,
        clock=SYSTEM_CLOCK,
    )


REGISTRY_TOKEN = FirstCredential(
    step="first_registry_token",
    told="token for the publisher's container registry",
    secret=publisher_token.SECRET,
    row=TOKEN_ROW,
    table=acr_token_credential.TABLE,
    ends_in_its_step=False,
    only_the_publisher=False,
    rotation=_token_rotation,
)
HMAC_KEY = FirstCredential(
    step="first_hmac_key",
    told="HMAC key",
    secret=hmac_key.SECRET,
    row=KEY_ROW,
    table=hmac_key_credential.TABLE,
    ends_in_its_step=True,
    only_the_publisher=True,
    rotation=_key_rotation,
)
