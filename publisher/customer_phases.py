"""The customer's side of a rotation: its phases, run there by somebody else's hand, and what each reports."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from publisher.rotation_plan import RETIRE
from publisher.rotation_record import CUSTOMER_STATES, CustomerState, Rotation, RotationRecords
from runbook_lib.clock import Clock, rfc3339
from runbook_lib.errors import RunbookError

# Runs a runbook at the customer's and returns its result, the JSON object of its last line (design section 3).
RunRunbook = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
# A phase may meet a vault that shows a write of the phase before late, a lock, a service that is away.
TRIES = 3
PAUSE_SECONDS = 5.0
# What a result says of a phase that did what it should.
DONE = ("succeeded", "unchanged")
# The customer's words for: the credential of another rotation than the named one is pending; this rotation is over.
OTHER_PENDING = "VD-ROTATION-002"
OVER = "VD-ROTATION-003"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappingKey:
    """The customer's wrapping key. jwk: its public part as JSON; version: which of its versions that is."""

    jwk: str
    version: str


class PhaseError(RunbookError):
    """VD-ROTATION-031: a phase failed at the customer's, with the code `customer_code`."""

    def __init__(self, words: str, *, target: str, customer_code: str) -> None:
        super().__init__("VD-ROTATION-031", words, target=target)
        self.customer_code = customer_code


class CustomerPhases:
    """One runbook's phases for the rotation that is driven; what they report is recorded.

    Parameters: runbook, its name; run_runbook; records, where the customer's state is recorded; clock.
    """

    def __init__(self, *, runbook: str, run_runbook: RunRunbook, records: RotationRecords, clock: Clock) -> None:
        self._runbook = runbook
        self._run_runbook = run_runbook
        self._records = records
        self._clock = clock
        self._wrapping_key: WrappingKey | None = None

    def run(self, rotation: Rotation, phase: str, **parameters: Any) -> Rotation:
        """Run a phase, record how far the customer's side is by its report, and return the record.

        Raises PhaseError where the phase fails, also when it was tried again; RunbookError VD-ROTATION-034 where
        another rotation has taken the place of this one meanwhile.
        """
        given = {"phase": phase, "rotation_id": rotation.rotation_id, **parameters}
        if phase == RETIRE:
            # When it may be retired is decided here, where it is known what is still accepted.
            given["overlap_seconds"] = 0
        report = self._report(given, rotation.supersedes)
        key = WrappingKey(jwk=_text(report.get("wrapping_key")), version=_text(report.get("wrapping_key_version")))
        self._wrapping_key = key if key.jwk and key.version else self._wrapping_key
        state = _text(report.get("state"))
        if state not in CUSTOMER_STATES:
            raise RunbookError("VD-ROTATION-031", f"phase {phase} reports no state", target=self._runbook)
        return self._record(rotation, cast(CustomerState, state))

    def _record(self, rotation: Rotation, state: CustomerState) -> Rotation:
        """Record how far the customer's side is, on the row as it is now and only forward: while the job ran, another
        run may have come further, or ended the rotation."""
        for _ in range(TRIES):
            now = self._records.newest(rotation.instance_id)
            if now is None or now.rotation_id != rotation.rotation_id:
                break
            reached = now if now.reached(state) else replace(now, customer=state)
            if reached.reached("pending"):
                reached = replace(reached, wrapped="", wrapping_key_version="", expires="")
            if reached.reached("promoted") and not reached.promoted_at:
                reached = replace(reached, promoted_at=rfc3339(self._clock.now()))
            if reached == now or self._records.change(reached):
                return reached
        raise RunbookError("VD-ROTATION-034", target=rotation.rotation_id)

    def wrapping_key(self, rotation: Rotation) -> WrappingKey:
        """Return the customer's wrapping key, as a phase of this run has reported it, or `prepare` does now."""
        if self._wrapping_key is None:
            self.run(rotation, "prepare")
        if self._wrapping_key is None:
            raise RunbookError("VD-ROTATION-031", "phase prepare reports no wrapping key", target=self._runbook)
        return self._wrapping_key

    def _report(self, given: Mapping[str, Any], supersedes: Sequence[str]) -> Mapping[str, Any]:
        tries, given_up = 0, list(supersedes)
        while True:
            tries += 1
            named = {"supersedes": given_up[0]} if given_up and given["phase"] in ("prepare", "stage") else {}
            result = self._run_runbook(self._runbook, {**given, **named})
            error, report = result.get("error"), result.get("report", {})
            if error is None and result.get("status") in DONE and isinstance(report, Mapping):
                return report
            if not isinstance(error, Mapping):
                seen = f"phase {given['phase']} ends with no result that counts"
                raise RunbookError("VD-ROTATION-031", seen, target=self._runbook)
            if error.get("code") == OTHER_PENDING and len(given_up) > 1:
                del given_up[0]  # it had brought nothing yet: what is pending is of one before
                tries -= 1
            elif error.get("retryable") and tries < TRIES:
                self._clock.sleep(PAUSE_SECONDS)
            else:
                words = f"phase {given['phase']}: {error.get('code')}: {error.get('message')}"
                raise PhaseError(words, target=self._runbook, customer_code=str(error.get("code")))


def _text(value: object) -> str:
    """Return a text of a report, which may stand there in parts; "" for what is none."""
    parts = value if isinstance(value, (list, tuple)) else (value,)
    return "".join(part for part in parts if isinstance(part, str))
