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
# The customer's word for: the credential of another rotation than the named one is pending.
OTHER_PENDING = "VD-ROTATION-002"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappingKey:
    """The customer's wrapping key. jwk: its public part as JSON; version: which of its versions that is."""

    jwk: str
    version: str


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

        Raises RunbookError VD-ROTATION-031 where the phase fails, also when it was tried again.
        """
        given = {"phase": phase, "rotation_id": rotation.rotation_id, **parameters}
        if phase == RETIRE:
            # When it may be retired is decided here, where it is known what is still accepted.
            given["overlap_seconds"] = 0
        report = self._report(given, rotation.supersedes)
        key = WrappingKey(
            jwk="".join(report.get("wrapping_key") or ()), version=str(report.get("wrapping_key_version", ""))
        )
        self._wrapping_key = key if key.jwk and key.version else self._wrapping_key
        state = str(report.get("state", ""))
        if state not in CUSTOMER_STATES:
            raise RunbookError("VD-ROTATION-031", f"phase {phase} reports no state", target=self._runbook)
        reached = replace(rotation, customer=cast(CustomerState, state))
        if reached.reached("pending"):
            reached = replace(reached, wrapped="", wrapping_key_version="", expires="")
        if reached.reached("promoted") and not reached.promoted_at:
            reached = replace(reached, promoted_at=rfc3339(self._clock.now()))
        self._records.change(reached)
        return reached

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
            error = result.get("error")
            if error is None:
                return cast(Mapping[str, Any], result.get("report") or {})
            if error.get("code") == OTHER_PENDING and len(given_up) > 1:
                del given_up[0]  # it had brought nothing yet: what is pending is of one before
                tries -= 1
            elif error.get("retryable") and tries < TRIES:
                self._clock.sleep(PAUSE_SECONDS)
            else:
                words = f"phase {given['phase']}: {error.get('code')}: {error.get('message')}"
                raise RunbookError("VD-ROTATION-031", words, target=self._runbook)
