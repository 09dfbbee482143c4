"""Reports that wait for the publisher in a blob container. The next run that can deliver them does, the oldest first.

A blob's name holds the time, the kind and the id of its report, and the SHA-256 of its content. A blob that the suite
did not write is never read (runbook_lib.spool.container). A run checks each report against the blob's name, the
allow-list and this instance, so that nobody can put something there that leaves the tenant. When the container is full,
new reports are refused: no waiting report is dropped for a newer one.

A report that was refused because of its content stays in its blob, whose metadata says so. It comes after all others.
"""

import re
from collections.abc import Callable, Sequence

from runbook_lib.azure.clients import AzureClients
from runbook_lib.callbacks.client import CallbackReport
from runbook_lib.callbacks.payloads import MAX_PAYLOAD_BYTES, PayloadRefusedError, parse, to_json
from runbook_lib.errors import RunbookError, callbacks
from runbook_lib.spool.container import NotAuthenticError, Spool, Spooled, Strangers
from runbook_lib.spool.keys import SpoolKeys

CONTAINER = "callbacks-spool"
# A check of health every hour for forty days.
MAX_WAITING_REPORTS = 1000
MAX_WAITING_BYTES = 32 * 1024 * 1024

# The time when the report was made, its kind and its id.
_STEM = r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-(?P<kind>[a-z]{1,16})-(?P<id>[0-9a-f-]{36})"


class CallbackSpool:
    """The container. Every method may raise azure.core's errors and those of SpoolKeys.

    A run reads only reports of the instance `instance_id`.
    """

    def __init__(self, *, clients: AzureClients, keys: SpoolKeys, instance_id: str) -> None:
        self._instance_id = instance_id
        self._spool = Spool(clients=clients, keys=keys, container=CONTAINER, stems=_STEM, max_bytes=MAX_PAYLOAD_BYTES)

    def waiting(self) -> tuple[list[Spooled], Strangers]:
        """Return the waiting reports and the strangers' blobs. It needs one request if nothing waits.

        The oldest reports come first, because names begin with the time. Refused ones follow, the longest ago first.
        """
        waiting, strangers = self._spool.waiting()
        return sorted(waiting, key=lambda each: (each.refused_at, each.name)), strangers

    def tell_once(self, strangers: Strangers, tell: Callable[[RunbookError], object]) -> None:
        """Pass strangers' blobs that no run has warned of yet to `tell`, as RunbookError VD-CALLBACK-026."""
        self._spool.tell_once(strangers, lambda found: tell(callbacks.NO_REPORT.error(str(found), target=CONTAINER)))

    def read(self, blob: Spooled) -> CallbackReport | None:
        """Return a report. Return None if another run has delivered it.

        Raises RunbookError VD-CALLBACK-026 if the content does not fit the name or may not leave the tenant, and
        VD-CALLBACK-031 if it belongs to another instance.
        """
        target = f"{CONTAINER}/{blob.name}"
        found = re.match(_STEM, blob.name)
        try:
            content = self._spool.read(blob)
            if content is None or found is None:
                return None
            payload = parse(found["kind"], content)
        except (NotAuthenticError, PayloadRefusedError) as error:
            raise callbacks.NO_REPORT.error(str(error), target=target) from error
        if payload.instance_id != self._instance_id:
            what = f"it is of {payload.instance_id}, and this is {self._instance_id}"
            raise callbacks.REPORT_OF_OTHER_INSTANCE.error(what, target=target)
        return CallbackReport(report_id=found["id"], payload=payload)

    def put(self, report: CallbackReport, waiting: Sequence[Spooled], *, why: str) -> Spooled:
        """Keep a report and return its blob.

        `waiting` are the reports that wait already. `why` is the code of the error because of which this one waits.

        Raises RunbookError VD-CALLBACK-027 (no room).
        """
        content = to_json(report.payload)
        size = sum(each.size for each in waiting) + len(content)
        if len(waiting) >= MAX_WAITING_REPORTS or size > MAX_WAITING_BYTES:
            raise callbacks.SPOOL_FULL.error(f"{len(waiting)} reports wait", target=CONTAINER)
        return self._spool.put(_stem_of(report), content, why=why)

    def remove(self, blob: Spooled) -> None:
        """Remove a report that the publisher has accepted."""
        self._spool.remove(blob)

    def set_aside(self, blob: Spooled, at: str, *, why: str) -> None:
        """Set a report aside because its content was refused. It then comes after all others.

        `at` is the time of the refusal (RFC 3339). `why` is the code of the error.
        """
        self._spool.set_aside(blob, at, why=why)


def _stem_of(report: CallbackReport) -> str:
    moment = report.payload.at.replace("-", "").replace(":", "")
    return f"{moment}-{report.payload.kind}-{report.report_id}"
