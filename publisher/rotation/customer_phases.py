"""The customer's side of a rotation: start its phases as jobs there, and record their reports.

Others may start the same jobs there. So each phase names its delivery, and this records the delivery before any job
gets it. A phase's report about the customer's vault counts more than the record. If the report says that the credential
is gone, it is sent again. If the report says that another credential came into use, another rotation follows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from publisher.rotation.record import Rotation, RotationRecords
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.errors import RunbookError, publisher
from runbook_lib.errors import rotation as rotation_errors
from runbook_lib.rotation.parameters import delivery_of
from runbook_lib.rotation.states import STATES, Phase, State

# Runs a runbook in the customer's tenant and returns its result: the JSON object of its last line
# (docs/design.md#running-a-runbook).
RunRunbook = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
# A phase may fail because the vault shows a write late, or because of a lock or an outage.
TRIES = 3
PAUSE_SECONDS = 5.0
# The statuses of a phase that succeeded.
DONE = ("succeeded", "unchanged")
# The customer's error codes for two cases: the result of an earlier phase is gone, and this rotation is over.
GONE = rotation_errors.PHASE_TOO_EARLY.code
OVER = rotation_errors.ROTATION_OVER.code


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappingPublicKey:
    """The customer's wrapping key. `jwk` is the public part of its version `version`, as JSON."""

    jwk: str
    version: str


class PhaseError(RunbookError):
    """VD-ROTATION-031: a phase failed in the customer's tenant, with the code `customer_code`."""

    def __init__(self, words: str, *, target: str, customer_code: str) -> None:
        super().__init__(publisher.PHASE_FAILED, words, target=target)
        self.customer_code = customer_code


class CustomerPhases:
    """One runbook's phases for the rotation of this run. It records their reports.

    `runbook` is its name. `records` keeps the customer's state.
    """

    def __init__(self, *, runbook: str, run_runbook: RunRunbook, records: RotationRecords, clock: Clock) -> None:
        self._runbook = runbook
        self._run_runbook = run_runbook
        self._records = records
        self._clock = clock
        self._wrapping_key: WrappingPublicKey | None = None

    def run(self, rotation: Rotation, phase: Phase, **parameters: Any) -> Rotation:
        """Run a phase, record the customer's state from its report, and return the record.

        Raises PhaseError if the phase fails in all tries, and RunbookError VD-ROTATION-034 if another rotation has
        replaced this one meanwhile.
        """
        given = {"phase": phase, **parameters}
        if rotation.delivery:
            given |= {"rotation_id": rotation.rotation_id, "delivery": rotation.delivery}
        elif phase != "prepare":  # prepare is only about the wrapping key, and nothing has been sent yet
            given["rotation_id"] = rotation.rotation_id
        if phase == "retire":
            # The publisher decides when to retire: it knows which credentials are still accepted.
            given["overlap_seconds"] = 0
        if rotation.expires:
            given["expires"] = rotation.expires
        try:
            report = job_report(self._run_runbook, self._runbook, given, self._clock)
        except PhaseError as error:
            self._take_back(rotation, error.customer_code)
            raise
        key = WrappingPublicKey(
            jwk=text_of(report.get("wrapping_key")), version=text_of(report.get("wrapping_key_version"))
        )
        self._wrapping_key = key if key.jwk and key.version else self._wrapping_key
        state = text_of(report.get("state"))
        if state not in STATES:
            raise publisher.PHASE_FAILED.error(f"phase {phase} reports no state", target=self._runbook)
        return self._record(rotation, state)

    def _record(self, rotation: Rotation, state: State) -> Rotation:
        """Record the customer's state in the present row.

        Never set it back, because another run may have gone further or ended the rotation.
        """
        for _ in range(TRIES):
            now = self._records.newest(rotation.instance_id)
            if now is None or now.rotation_id != rotation.rotation_id:
                break
            reached = now if now.reached(state) else replace(now, customer=state)
            if reached.reached("promoted"):
                reached = replace(reached, wrapped="", wrapping_key_version="")
            if reached.reached("promoted") and not reached.promoted_at:
                reached = replace(reached, promoted_at=rfc3339(self._clock.now()))
            if reached == now or self._records.change(reached):
                return reached
        raise publisher.OVERTAKEN.error(target=rotation.rotation_id)

    def _take_back(self, rotation: Rotation, code: str) -> None:
        """Record the customer's state after a refusal, so that the next run of the command goes on from there.

        If somebody changes the record at the same moment, record nothing. Then the next run is refused again.
        """
        now = self._records.newest(rotation.instance_id)
        if now is None or now.rotation_id != rotation.rotation_id or not now.open:
            return
        if code == OVER:
            self._records.change(replace(now, overtaken=True))
        elif code == GONE and now.customer in ("pending", "tested"):
            self._records.change(replace(now, customer="prepared"))

    def deliver(self, rotation: Rotation, *, wrapped: str, wrapping_key_version: str, expires: str = "") -> Rotation:
        """Record the credential before it is sent, and return the record.

        A job of a killed run, or a job whose answer was lost, may deliver the credential at any time, and then it must
        work. So the credential is recorded before any job gets it, and each later run sends the same one.

        Args:
            rotation: The rotation.
            wrapped: The credential, encrypted for the customer's vault.
            wrapping_key_version: The version of the wrapping key that can decrypt it.
            expires: When the credential expires, RFC 3339, "" for never.

        Raises:
            RunbookError: VD-ROTATION-034 if somebody changes the record at the same moment.
        """
        sent = replace(
            rotation,
            wrapped=wrapped,
            wrapping_key_version=wrapping_key_version,
            expires=expires,
            delivery=delivery_of(wrapped),
        )
        if self._records.change(sent):
            return sent
        raise publisher.OVERTAKEN.error("somebody else delivers the credential", target=rotation.rotation_id)

    def wrapping_key(self, rotation: Rotation) -> WrappingPublicKey:
        """Return the customer's wrapping key. A phase of this run has reported it, or else `prepare` runs now."""
        if self._wrapping_key is None:
            self.run(rotation, "prepare")
        if self._wrapping_key is None:
            raise publisher.PHASE_FAILED.error("phase prepare reports no wrapping key", target=self._runbook)
        return self._wrapping_key


def job_report(run_runbook: RunRunbook, runbook: str, given: Mapping[str, Any], clock: Clock) -> Mapping[str, Any]:
    """Run a phase at the customer's, or a runbook without phases, and return its report.

    Args:
        run_runbook: Runs a runbook at the customer's.
        runbook: The runbook's name.
        given: The parameters of the runbook.
        clock: Gives the time, and waits between the tries.

    Raises:
        PhaseError: The job failed in all tries.
        RunbookError: VD-ROTATION-031 if the job ends without a valid result.
    """
    told = f"phase {given['phase']}" if "phase" in given else "its job"
    tries = 0
    while True:
        tries += 1
        result = run_runbook(runbook, given)
        error, report = result.get("error"), result.get("report", {})
        if error is None and result.get("status") in DONE and isinstance(report, Mapping):
            return report
        if not isinstance(error, Mapping):
            raise publisher.PHASE_FAILED.error(f"{told} ends without a valid result", target=runbook)
        if error.get("retryable") and tries < TRIES:
            clock.sleep(PAUSE_SECONDS)
        else:
            words = f"{told}: {error.get('code')}: {error.get('message')}"
            raise PhaseError(words, target=runbook, customer_code=str(error.get("code")))


def text_of(value: object) -> str:
    """Return a text in a report, "" if the value is no text. A report may have a long text in parts."""
    parts = value if isinstance(value, (list, tuple)) else (value,)
    return "".join(part for part in parts if isinstance(part, str))
