"""Send a run's reports to the publisher at its end. A failure here never fails the run.

Reports that wait from former runs are sent first, the oldest one before the others. If a report does not get through,
the delivery stops: this report and all later ones wait, also the run's own, so that the publisher gets them in their
order. If the publisher refuses a report because of its content, the delivery goes on: the report is set aside, and
later runs try it after all others. Two runs at once may send the same report twice, and the publisher keeps it once. A
report is sent only after the publisher has accepted those before it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID

from runbook_lib.basics.clock import rfc3339
from runbook_lib.basics.forms import UUID as UUID_FORM
from runbook_lib.basics.forms import fits
from runbook_lib.callbacks.client import CallbackClient, CallbackReport, callback_client
from runbook_lib.callbacks.outcome import event_of, kept_nowhere, named
from runbook_lib.callbacks.payloads import (
    MAX_DURATION_MS,
    DeploymentProgress,
    Payload,
    PayloadRefusedError,
)
from runbook_lib.callbacks.spool import CallbackSpool
from runbook_lib.errors import ErrorEntry, RunbookError
from runbook_lib.errors import callbacks as callbacks_errors
from runbook_lib.request_signing.signer import SigningKey
from runbook_lib.run.result import RunResult
from runbook_lib.spool.container import BLOBS_PER_RUN, SECONDS_PER_RUN, Spooled, Strangers
from runbook_lib.spool.keys import spool_keys
from runbook_lib.vault.hmac_key import KEY_CACHE_SECONDS, read_signing_key

if TYPE_CHECKING:
    from runbook_lib.context import Context

# After this number of reports that are refused because of their content, the run stops. They are set aside, so the next
# run begins with others.
REFUSALS_PER_RUN = 5

# Errors of the report itself, not of the way to the publisher.
_REPORT_AT_FAULT = (
    callbacks_errors.REPORT_NOT_TAKEN,
    callbacks_errors.NO_REPORT,
    callbacks_errors.REPORT_OF_OTHER_INSTANCE,
)

F = TypeVar("F")


def no_payloads(_facts: object, _instance_id: str) -> Sequence[Payload]:
    """Return no reports. The runbook reports only how it ended."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks(Generic[F]):
    """What a runbook reports to the publisher.

    Attributes:
        release_version: Returns the version of the runbook's release from its facts, "" if it does not know it. A step
            of a deployment reports it at its end.
        payloads: Returns further reports from the facts and the instance's id.
    """

    release_version: Callable[[F], str]
    payloads: Callable[[F, str], Sequence[Payload]] = no_payloads


def payloads_of(
    callbacks: Callbacks[F],
    facts: tuple[F] | tuple[()],
    result: RunResult,
    *,
    deployment_id: str,
    instance_id: str,
    at: str,
) -> Iterator[Payload]:
    """Yield the reports of a run. Pure. Raises PayloadRefusedError.

    `facts` is empty if the run failed before it had facts. `deployment_id` is the run's correlation id: the run is a
    step of a deployment if that is a UUID. Any other text does not leave the tenant. `at` is the present, RFC 3339.
    """
    if fits(UUID_FORM, deployment_id):
        yield DeploymentProgress(
            instance_id=instance_id,
            at=at,
            correlation_id=deployment_id,
            release_version=callbacks.release_version(*facts) if facts else "",
            step=result.runbook,
            status=result.status,
            error_code=result.error.code if result.error else "",
            duration_ms=min(result.duration_ms, MAX_DURATION_MS),
        )
    if facts:
        yield from callbacks.payloads(*facts, instance_id)


class _Delivery:
    """Delivers a run's reports, and those that wait. `tell_publisher` explains the parameters."""

    def __init__(self, context: "Context", *, new_id: Callable[[], UUID], may_send: bool) -> None:
        self._context = context
        self._new_id = new_id
        self._spool = CallbackSpool(
            clients=context.clients,
            keys=spool_keys(context.clients, context.redactor, context.clock),
            instance_id=context.settings.instance_id,
        )
        self._client: CallbackClient = callback_client(context)
        self._key: SigningKey | None = None
        self._key_read_at = 0.0
        self._stopped = not may_send
        self._started = context.clock.monotonic()
        self._begun = 0
        self._refused = 0
        # The code of the error because of which reports wait, "" for none yet.
        self._why = ""
        self._warned: set[ErrorEntry] = set()

    def deliver(self, payloads: Sequence[Payload]) -> None:
        """Send or keep everything. Raises nothing."""
        own = [CallbackReport(report_id=str(self._new_id()), payload=payload) for payload in payloads]
        if self._stopped and not own:
            return
        try:
            (waiting, strangers), in_turn = self._spool.waiting(), True
        except Exception as error:  # noqa: BLE001 - as in `tell_publisher`
            self._warn(named(callbacks_errors.SPOOL_UNUSABLE, error))
            # Older reports may wait, and the run's own must not overtake them.
            waiting, strangers, in_turn = [], Strangers(), False
        try:
            self._spool.tell_once(strangers, self._warn)
        except Exception as error:  # noqa: BLE001 - as in `tell_publisher`
            self._warn(named(callbacks_errors.SPOOL_UNUSABLE, error))
        if waiting:
            self._signing_key()  # without a key no report is read
        refused = [each for each in waiting if each.refused_at]
        left = self._deliver_waiting([each for each in waiting if not each.refused_at]) + refused
        for report in own:
            if not (in_turn and self._try_to_send(report)):
                self._keep(report, left, in_turn=in_turn)
        self._deliver_waiting(refused)

    def _deliver_waiting(self, waiting: Sequence[Spooled]) -> list[Spooled]:
        """Send the waiting reports until one does not get through. Return those that are left."""
        left: list[Spooled] = []
        for each in waiting:
            if self._begun >= BLOBS_PER_RUN or self._context.clock.monotonic() - self._started > SECONDS_PER_RUN:
                self._stopped = True
            self._begun += 1
            if self._stopped or not self._deliver_one(each):
                left.append(each)
        return left

    def _deliver_one(self, blob: Spooled) -> bool:
        """Send a waiting report. Return whether it waits no longer."""
        try:
            report = self._spool.read(blob)
            if report is not None:
                if not self._try_to_send(report, blob):
                    return False
                self._spool.remove(blob)
        except Exception as error:  # noqa: BLE001 - as in `tell_publisher`
            self._stop_for(named(callbacks_errors.SPOOL_UNUSABLE, error), blob)
            return False
        return True

    def _try_to_send(self, report: CallbackReport, blob: Spooled | None = None) -> bool:
        """Send a report. Return whether the publisher has accepted it. `blob` holds it if it waits."""
        key = self._signing_key()
        if key is None:
            return False
        try:
            self._client.send(report, key)
        except Exception as error:  # noqa: BLE001 - as in `tell_publisher`
            self._stop_for(named(callbacks_errors.NO_ANSWER, error), blob)
            return False
        self._context.record(event_of(report, "sent"))
        return True

    def _signing_key(self) -> SigningKey | None:
        """Return the key in use, None if nothing can be sent any more.

        It is read before the first report, and again after a while, because a rotation may go on meanwhile.
        """
        if self._stopped:
            return None
        now = self._context.clock.monotonic()
        if self._key is None or now - self._key_read_at > KEY_CACHE_SECONDS:
            self._key, self._key_read_at = None, now
            try:
                self._key = read_signing_key(self._context)
            except Exception as error:  # noqa: BLE001 - as in `tell_publisher`
                self._stop_for(named(callbacks_errors.KEY_UNUSABLE, error))
            else:
                if self._key is None:
                    self._stop_for(callbacks_errors.NO_KEY_YET.error())
        return self._key

    def _stop_for(self, error: RunbookError, blob: Spooled | None = None) -> None:
        """Note a report's failure, and whether to go on to the next report.

        `blob` holds the report if it waits. If the report itself is bad, it is set aside, and the first run warns.
        """
        at_fault = error.is_(*_REPORT_AT_FAULT)
        self._why = error.code
        if not (at_fault and blob is not None and blob.refused_at):
            self._warn(error)
        self._refused += at_fault
        if not at_fault or self._refused >= REFUSALS_PER_RUN:
            self._stopped = True
        if at_fault and blob is not None:
            try:
                self._spool.set_aside(blob, rfc3339(self._context.clock.now()), why=error.code)
            except Exception as other:  # noqa: BLE001 - as in `tell_publisher`
                self._warn(named(callbacks_errors.SPOOL_UNUSABLE, other))

    def _keep(self, report: CallbackReport, left: list[Spooled], *, in_turn: bool) -> None:
        """Let a report of this run wait. If it cannot, write it to the job's output.

        `in_turn` says that no older report waits. Otherwise a report that cannot wait is sent now: too early is better
        than never.
        """
        try:
            left.append(self._spool.put(report, left, why=self._why))
        except Exception as error:  # noqa: BLE001 - as in `tell_publisher`
            told = named(callbacks_errors.SPOOL_UNUSABLE, error)
            self._warn(told)
            if not in_turn and self._try_to_send(report):
                return
            self._context.output.info(kept_nowhere(report.payload))
            self._context.record(event_of(report, "not kept", told.code))
        else:
            self._context.record(event_of(report, "kept"))

    def _warn(self, error: RunbookError) -> None:
        """Warn of a failure, once for each kind."""
        if error.entry not in self._warned:
            self._warned.add(error.entry)
            # There is no key before its first rotation: this needs no warning.
            if error.is_(callbacks_errors.NO_KEY_YET):
                self._context.output.verbose(f"no report to the publisher yet: {error.title} ({error.code}); it waits")
            else:
                self._context.output.warn_of(error)


def tell_publisher(
    context: "Context",
    callbacks: Callbacks[F] | None,
    facts: tuple[F] | tuple[()],
    result: RunResult,
    *,
    deployment_id: str,
    new_id: Callable[[], UUID],
    may_send: bool,
) -> None:
    """Send or keep a run's reports (`payloads_of`) after the waiting ones. Raises nothing.

    `new_id` makes the reports' ids. `may_send` says that there is time to send: otherwise every report waits.
    """
    payloads: list[Payload] = []
    instance_id, at = context.settings.instance_id, rfc3339(context.clock.now())
    try:
        if callbacks is not None:
            told = payloads_of(callbacks, facts, result, deployment_id=deployment_id, instance_id=instance_id, at=at)
            for payload in told:  # one by one: if one cannot be made, those before it are sent
                payloads.append(payload)
    except Exception as error:  # noqa: BLE001 - no callback ever fails the run; waiting reports are still sent
        detail = str(error) if isinstance(error, PayloadRefusedError) else type(error).__name__
        context.output.warning(str(callbacks_errors.REPORT_NOT_MADE.error(detail)))
    try:
        _Delivery(context, new_id=new_id, may_send=may_send).deliver(payloads)
    except Exception as error:  # noqa: BLE001 - as above; a stop in the middle of an import leaves half a library behind
        context.output.warning(str(callbacks_errors.SPOOL_UNUSABLE.error(type(error).__name__)))
        for payload in payloads:
            context.output.info(kept_nowhere(payload))
