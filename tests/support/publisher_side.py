"""The publisher's operator in the lab: its vault and tables, and rotations whose phases run in this process."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import Any

from publisher.custody.key_records import HmacKeys
from publisher.custody.key_secrets import KeyCustody
from publisher.rotation.acr_token import Facts as TokenFacts
from publisher.rotation.acr_token_credential import acr_token_rotation_run
from publisher.rotation.customer_phases import RunRunbook
from publisher.rotation.hmac_key import Facts as KeyFacts
from publisher.rotation.hmac_key_credential import hmac_key_rotation
from publisher.rotation.plan import RotationRequest
from publisher.rotation.run import RotationRun
from publisher.session import publisher_clients, subscription_clients, token_resource
from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import Settings
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Action
from runbook_lib.run.parameters import encode
from runbook_lib.runbook import main
from runbooks import rotate_acr_token, rotate_hmac
from tests.support.runbook_run import QuickClock
from tests.support.running_lab import LabUnderTest
from vibedata.rotation.drive import DriveOutcome, Rotating, drive
from vibedata.session import open_session

RUNBOOKS = {runbook.RUNBOOK.name: runbook.RUNBOOK for runbook in (rotate_acr_token, rotate_hmac)}


class Killed(BaseException):
    """The publisher's command ends here, as if SIGKILL had ended it. Nothing catches this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherSide:
    """The settings, clients and stores that the publisher's operator works with.

    said: the lines that the command would have shown. jobs: runs the customer's phases; None runs them in this process.
    """

    lab: LabUnderTest
    settings: Settings
    customer: AzureClients
    clients: AzureClients
    keys: HmacKeys
    custody: KeyCustody
    redactor: Redactor
    clock: Clock
    said: list[str] = field(default_factory=list)
    jobs: RunRunbook | None = None

    def by(self, jobs: RunRunbook) -> "PublisherSide":
        """Return the same side, on which `jobs` runs the phases."""
        return replace(self, jobs=jobs)

    def token_rotation(self, **request: Any) -> RotationRun[TokenFacts]:
        """Return a new run of `vibedata rotate-acr-token`."""
        token = token_resource(self.lab.env)
        return acr_token_rotation_run(
            instance_id=self.settings.instance_id,
            request=RotationRequest(**{"overlap_seconds": 0, **request}),
            tables=self.clients.table_service,
            subscription=subscription_clients(self.settings, self.customer, token.subscription_id, self.clock),
            token=token,
            run_runbook=self.run_runbook,
            redactor=self.redactor,
            clock=self.clock,
        )

    def hmac_rotation(self, *, grace_seconds: float = 0.0, **request: Any) -> RotationRun[KeyFacts]:
        """Return a new run of `vibedata rotate-hmac`."""
        return hmac_key_rotation(
            instance_id=self.settings.instance_id,
            request=RotationRequest(**{"overlap_seconds": 0, **request}),
            clients=self.clients,
            run_runbook=self.run_runbook,
            redactor=self.redactor,
            clock=self.clock,
            grace_seconds=grace_seconds,
        )

    def open_one(self, rotating: RotationRun[KeyFacts] | RotationRun[TokenFacts]) -> str:
        """Return the id of the rotation that is open, as an operator would give it to --supersede."""
        newest = rotating.observe().newest
        assert newest is not None and newest.open
        return newest.rotation_id

    def run_runbook(self, name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run a phase."""
        if self.jobs is not None:
            return self.jobs(name, parameters)
        stream = BytesIO()
        main(RUNBOOKS[name], [encode(parameters)], {**os.environ, **self.lab.env}, stream=stream, clock=QuickClock())
        self.said.append(stream.getvalue().decode())
        result: dict[str, Any] = json.loads(self.said[-1].splitlines()[-1])
        return result

    def drive(self, rotating: Rotating, *, wait: bool = True) -> DriveOutcome:
        """Drive a run as the command does."""
        return drive(rotating, wait=wait, report=self.said.append, redactor=self.redactor, clock=self.clock)

    def succeed(self, rotating: Rotating) -> DriveOutcome:
        """Drive a run that must end the rotation."""
        outcome = self.drive(rotating)
        assert outcome.failed is None and outcome.resume_at is None, "\n".join(self.said)
        return outcome


class Interrupted:
    """A run that is killed at its nth change: before the change is made, or before the run has seen the change."""

    def __init__(self, rotating: Any, *, at: int, made: bool) -> None:
        self._rotating = rotating
        self._left = at
        self._made = made

    def next_step(self) -> Any:
        return self._rotating.next_step()

    def actions(self) -> list[Action[Any]]:
        return [
            Action(action.kind, partial(self._make, action), partial(self._see, action))
            for action in self._rotating.actions()
        ]

    def _make(self, action: Action[Any], subject: object) -> None:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._made):
            raise Killed
        action.make(subject)

    def _see(self, action: Action[Any], subject: object) -> str | None:
        if self._left <= 0:
            raise Killed
        return action.see(subject)


@contextmanager
def publisher_side(lab: LabUnderTest, clock: Clock | None = None) -> Iterator[PublisherSide]:
    """Open the clients."""
    session, redactor = open_session(lab.env), Redactor()
    clock = clock or QuickClock()
    clients = publisher_clients(session.settings, session.clients, lab.env, clock)
    with clients.session, session.clients.session:
        yield PublisherSide(
            lab=lab,
            settings=session.settings,
            customer=session.clients,
            clients=clients,
            keys=HmacKeys(clients.table_service),
            custody=KeyCustody(clients.secrets, redactor=redactor, clock=clock),
            redactor=redactor,
            clock=clock,
        )
