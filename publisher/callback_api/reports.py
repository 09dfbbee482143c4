"""The reports of instances, in table InstanceReports of the publisher's storage. Each report is kept once.

Partition: the instance's id; row: the report's id. The row has the signed JSON text, whose fields
runbook_lib.callbacks.payloads has checked. A column holds 32,000 characters of it (64 KiB,
docs/azure-facts.md#table-storage), and a long report has several columns.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

from azure.data.tables import TableServiceClient

from publisher.callback_api.outage import named_outage
from publisher.tables import insert_if_absent
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.callbacks.payloads import MAX_PAYLOAD_BYTES, PayloadRefusedError, parse, to_json

TABLE = "InstanceReports"
COLUMN_CHARACTERS = 32_000
# A report has no more columns than this.
MAX_PARTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceReport:
    """A verified and parsed report. `content` is its JSON text, in ASCII or UTF-8."""

    instance_id: str
    report_id: str
    kind: str
    key_id: str
    content: bytes


class InstanceReports:
    """The table. Many threads may use it."""

    def __init__(self, tables: TableServiceClient, *, clock: Clock) -> None:
        self._tables = tables
        self._table = tables.get_table_client(TABLE)
        self._clock = clock

    def keep(self, report: InstanceReport) -> Literal["kept", "known", "other"]:
        """Keep a report if there is none with its id. Otherwise say whether that one is the same or another one.

        Raises runbook_lib.request_signing.verifier.UnavailableError.
        """
        digest = hashlib.sha256(report.content).hexdigest()
        text = report.content.decode()
        parts = [text[start : start + COLUMN_CHARACTERS] for start in range(0, len(text), COLUMN_CHARACTERS)]
        columns = {
            "kind": report.kind,
            "keyId": report.key_id,
            "receivedAt": rfc3339(self._clock.now()),
            "digest": digest,
            **{f"content{number}": part for number, part in enumerate(parts)},
        }
        with named_outage("the reports"):
            if insert_if_absent(self._tables, TABLE, report.instance_id, report.report_id, columns, repeatable=True):
                return "kept"
            kept = self._table.get_entity(report.instance_id, report.report_id)
        same = kept.get("kind") == report.kind and (
            kept.get("digest") == digest
            or _canonical(report.kind, content_of(kept)) == _canonical(report.kind, report.content)
        )
        return "known" if same else "other"


def content_of(row: Mapping[str, Any]) -> bytes:
    """Return the text of the report in a row, of at most MAX_PAYLOAD_BYTES and 1 more. It is not checked."""
    parts = (row.get(f"content{number}") for number in range(MAX_PARTS))
    texts = takewhile(lambda part: isinstance(part, str), parts)
    return "".join(map(str, texts)).encode(errors="replace")[: MAX_PAYLOAD_BYTES + 1]


def _canonical(kind: str, content: bytes) -> bytes | None:
    """Return the text that this version would send for a report, None if it refuses the report.

    A report may wait while an upgrade adds a field to its kind. Then the new version sends it with other bytes.
    """
    try:
        return to_json(parse(kind, content))
    except PayloadRefusedError:
        return None
