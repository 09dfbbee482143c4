"""One run of a rotation for one instance, for any kind of credential: look, apply a change, run a phase."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from publisher.custody.wrapping import wrap
from publisher.rotation import plan as rotation_plan
from publisher.rotation.customer_phases import CustomerPhases, RunRunbook, WrappingPublicKey
from publisher.rotation.driven import DrivenRotation, Random
from publisher.rotation.plan import RotationFacts, RotationRequest, Rules, Step
from publisher.rotation.record import Rotation, RotationRecords
from runbook_lib.basics.clock import Clock
from runbook_lib.change import Action, Plan
from runbook_lib.errors import RunbookError, publisher
from runbook_lib.rotation.states import REACHED, Phase

F = TypeVar("F", bound=RotationFacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """The credential to wrap for the customer. `expires` is RFC 3339, "" for never."""

    secret: bytes = field(repr=False)
    expires: str = ""


class PublisherCredential(Protocol[F]):
    """The publisher's side of one kind of credential.

    Attributes:
        rules: The rules of its rotation.
        id_parameter: The parameter of its runbook that takes the credential's id.
        delivery_tries: How often a delivery is tried if somebody else records another one at the same moment. It is 1
            if each new try makes the credential of the try before useless.
    """

    rules: Rules[F]
    id_parameter: str
    delivery_tries: int

    def observe(self, newest: Rotation | None) -> F:
        """Read the publisher's facts about the credential. `newest` is the instance's last rotation."""

    def begin(self, new: Rotation, facts: F) -> None:
        """Record the new rotation. `facts` are those from which it was planned."""

    def new_credential(self, rotation: Rotation) -> Callable[[], NewCredential]:
        """Return a function that returns the credential of a rotation.

        Raises RunbookError if the credential is lost.
        """

    def actions(self) -> Sequence[Action[Any]]:
        """Return the actions for the kinds of change that only this kind of credential has."""


class RotationRun(Generic[F]):
    """One run for one instance.

    Args:
        credential: The kind of credential.
        rotation: The rotation that the run drives.
        phases: The phases of the credential's runbook.
        request: The operator's request.
    """

    def __init__(
        self,
        *,
        credential: PublisherCredential[F],
        rotation: DrivenRotation,
        phases: CustomerPhases,
        request: RotationRequest,
    ) -> None:
        self._credential = credential
        self._rotation = rotation
        self._phases = phases
        self._request = request
        self._facts: F | None = None

    @property
    def facts(self) -> F:
        """The facts that the run read last."""
        return self.observe() if self._facts is None else self._facts

    @property
    def newest(self) -> Rotation | None:
        """The instance's last rotation, as the run read it last."""
        return self.facts.newest

    def next_step(self) -> Step:
        """Read the state, and return the next step. Raises what publisher.rotation.plan.next_step raises."""
        return rotation_plan.next_step(self._credential.rules, self._request, self.observe())

    def preview(self) -> Plan:
        """Return all changes of a run."""
        return rotation_plan.preview(self._credential.rules, self._request, self.observe())

    def observe(self) -> F:
        """Read the publisher's record, and its facts about the credential. Raises what these two raise."""
        newest = self._rotation.newest()
        self._rotation.take_up(newest)
        self._facts = self._credential.observe(newest)
        return self._facts

    def actions(self) -> Sequence[Action[Any]]:
        """Return the action of each kind of change."""
        rules, rotation = self._credential.rules, self._rotation
        make = {"stage": self._stage}
        return (
            *self._credential.actions(),
            Action(rules.begin, lambda new: self._credential.begin(new, self.facts), see=rotation.see_begun),
            *(
                Action(kind, make.get(phase, self._run_phase), see=rotation.see_reached)
                for phase, kind in rules.phases.items()
            ),
            Action(rules.end, lambda _: rotation.end(), see=rotation.see_ended),
        )

    def _run_phase(self, phase: Phase) -> None:
        rotation = self._rotation.recorded()
        if not rotation.reached(REACHED[phase]):  # otherwise an earlier phase has reported this state already
            self._run(rotation, phase)

    def _stage(self, phase: Phase) -> None:
        rotation = self._rotation.recorded()
        if rotation.reached(REACHED[phase]):
            return  # an earlier phase has reported that this state is reached
        wrapping_key = self._phases.wrapping_key(rotation)
        new_credential = self._credential.new_credential(rotation)
        for _ in range(self._credential.delivery_tries):
            rotation = self._rotation.recorded()
            if rotation.reached(REACHED[phase]):
                return  # an earlier run has delivered it
            if not rotation.wrapped or rotation.wrapping_key_version != wrapping_key.version:
                try:
                    rotation = self._deliver(rotation, new_credential(), wrapping_key)
                except RunbookError as error:
                    if not error.is_(publisher.OVERTAKEN):
                        raise
                    # Another operator drives the same rotation: send the credential that that one has recorded
                    continue
            self._run(
                rotation,
                phase,
                wrapped_key=rotation.wrapped,
                wrapping_key_version=rotation.wrapping_key_version,
            )
            return
        raise publisher.OVERTAKEN.error("somebody else delivers the credential", target=rotation.rotation_id)

    def _deliver(self, rotation: Rotation, new: NewCredential, wrapping_key: WrappingPublicKey) -> Rotation:
        """Encrypt the credential for the customer's vault, record it, and return the record."""
        return self._phases.deliver(
            rotation,
            wrapped=wrap(new.secret, wrapping_key.jwk),
            wrapping_key_version=wrapping_key.version,
            expires=new.expires,
        )

    def _run(self, rotation: Rotation, phase: Phase, **parameters: Any) -> None:
        self._phases.run(rotation, phase, **{self._credential.id_parameter: rotation.credential_id}, **parameters)


def rotation_run(
    *,
    records: RotationRecords,
    instance_id: str,
    request: RotationRequest,
    runbook: str,
    run_runbook: RunRunbook,
    clock: Clock,
    random: Random,
    credential: Callable[[DrivenRotation, CustomerPhases], PublisherCredential[F]],
) -> RotationRun[F]:
    """Return one run for one instance.

    Args:
        records: The records of this credential's rotations.
        instance_id: The instance.
        request: The operator's request.
        runbook: The name of the runbook that has the phases.
        run_runbook: Runs a runbook in the customer's tenant.
        clock: Gives the time.
        random: Returns unpredictable bytes.
        credential: Makes the credential for the rotation that is driven.
    """
    rotation = DrivenRotation(records=records, instance_id=instance_id, request=request, clock=clock, random=random)
    phases = CustomerPhases(runbook=runbook, run_runbook=run_runbook, records=records, clock=clock)
    return RotationRun(credential=credential(rotation, phases), rotation=rotation, phases=phases, request=request)
