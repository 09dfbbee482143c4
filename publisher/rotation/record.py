"""The publisher's record of rotations.

Each rotation has a row, and the newest row comes first. Only the newest rotation can be open.

Each row has a number, and a number is used once (insert-if-absent). If two operators begin at the same moment, only one
of them opens a rotation. The other one finds it open, and both drive the same rotation. Nothing is deleted: the rows
are the history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from publisher.numbered_rows import NumberedRows, number_of
from publisher.tables import etag_of
from runbook_lib.basics.clock import from_rfc3339
from runbook_lib.errors import publisher
from runbook_lib.rotation.parameters import MAX_OVERLAP_SECONDS
from runbook_lib.rotation.states import STATES, State

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

_TEXTS = (
    "rotationId",
    "credentialId",
    "slot",
    "supersedes",
    "customer",
    "startedAt",
    "promotedAt",
    "endedAt",
    "wrapped",
    "wrappingKeyVersion",
    "expires",
)
_TIMES = ("startedAt", "promotedAt", "endedAt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """One rotation of one instance's credential.

    Attributes:
        instance_id: The instance.
        number: The row's number. Each rotation of a credential has the next one.
        rotation_id: The rotation's own id.
        credential_id: The key's or the token's id.
        slot: Which password of the token, "" for a key.
        emergency: Whether the former credentials are believed stolen.
        overlap_seconds: How long the former credential is still accepted. The operator who began the rotation chose it.
        supersedes: The rotations that were given up before it, the newest first. A credential of one of them may still
            be pending in the customer's vault, or arrive there late.
        customer: The customer's state at its last report.
        started_at, promoted_at, ended_at: RFC 3339, "" for not yet.
        overtaken: Whether the customer's side said that the rotation is over, because another credential came into use.
        wrapped, wrapping_key_version: The credential on its way, for phase stage. Only the customer's vault can decrypt
            it. It is "" for none, and after the customer has used it.
        expires: When the credential expires, RFC 3339, "" for never.
        delivery: The SHA-256 of the wrapped bytes that were sent last. It names the delivery to the customer's side.
        etag: The version of the row that was read, "" for a rotation that is not recorded yet.
    """

    instance_id: str
    number: int
    rotation_id: str
    credential_id: str
    slot: str = ""
    emergency: bool = False
    overlap_seconds: int = 0
    supersedes: tuple[str, ...] = ()
    customer: State = "none"
    started_at: str = ""
    promoted_at: str = ""
    ended_at: str = ""
    overtaken: bool = False
    wrapped: str = field(default="", repr=False)
    wrapping_key_version: str = ""
    expires: str = ""
    delivery: str = ""
    etag: str = field(default="", compare=False, repr=False)

    @property
    def open(self) -> bool:
        """Whether the rotation is not over yet."""
        return not self.ended_at

    def reached(self, state: State) -> bool:
        """Whether the customer's side is at `state` or beyond."""
        return STATES.index(self.customer) >= STATES.index(state)


class RotationRecords:
    """One table of rotations. Raises azure.core's errors."""

    def __init__(self, tables: "TableServiceClient", table: str) -> None:
        self._rows = NumberedRows(tables, table)

    def newest(self, instance_id: str) -> Rotation | None:
        """Return an instance's last rotation, open or not, None before the first.

        Raises RunbookError VD-ROTATION-040 if its row is malformed.
        """
        return next(iter(self.recent(instance_id, 1)), None)

    def recent(self, instance_id: str, most: int) -> Sequence[Rotation]:
        """Return at most the `most` last rotations of an instance, the newest first. Raises as `newest` does."""
        return [_rotation(row) for row in self._rows.recent(instance_id, most)]

    def begin(self, rotation: Rotation) -> bool:
        """Record a new rotation under its number. Return False if another one has the number."""
        return self._rows.insert(rotation.instance_id, rotation.number, _columns(rotation))

    def change(self, rotation: Rotation) -> bool:
        """Record a rotation's state. Return False, and change nothing, if somebody changed it since it was read."""
        return self._rows.change(rotation.instance_id, rotation.number, _columns(rotation), etag=rotation.etag)


def _columns(rotation: Rotation) -> dict[str, Any]:
    return {
        "rotationId": rotation.rotation_id,
        "credentialId": rotation.credential_id,
        "slot": rotation.slot,
        "emergency": rotation.emergency,
        "overlapSeconds": rotation.overlap_seconds,
        "supersedes": " ".join(rotation.supersedes),
        "customer": rotation.customer,
        "startedAt": rotation.started_at,
        "promotedAt": rotation.promoted_at,
        "endedAt": rotation.ended_at,
        "wrapped": rotation.wrapped,
        "wrappingKeyVersion": rotation.wrapping_key_version,
        "expires": rotation.expires,
        "delivery": rotation.delivery,
        "overtaken": rotation.overtaken,
    }


def _rotation(entity: Mapping[str, Any]) -> Rotation:
    """Return the rotation in a row. Raises VD-ROTATION-040 if it is malformed: nobody can guess whether it is over."""
    ill = [name for name in _TEXTS if not isinstance(entity.get(name), str)]
    ill += [name for name in _TIMES if name not in ill and not is_time(entity[name])]
    customer = str(entity.get("customer"))
    if customer in STATES[STATES.index("promoted") :] and entity.get("promotedAt") == "":
        ill.append("promotedAt")
    overlap = entity.get("overlapSeconds", 0)  # rows of older releases have none
    if type(overlap) is not int or not 0 <= overlap <= MAX_OVERLAP_SECONDS:
        ill.append("overlapSeconds")
    if ill:
        raise publisher.RECORD_MALFORMED.error(", ".join(ill), target=f"{entity['PartitionKey']}/{entity['RowKey']}")
    return Rotation(
        instance_id=str(entity["PartitionKey"]),
        number=number_of(entity),
        rotation_id=str(entity["rotationId"]),
        credential_id=str(entity["credentialId"]),
        slot=str(entity["slot"]),
        emergency=entity.get("emergency") is True,
        overlap_seconds=overlap,
        supersedes=tuple(str(entity["supersedes"]).split()),
        customer=customer if customer in STATES else "none",
        started_at=str(entity["startedAt"]),
        promoted_at=str(entity["promotedAt"]),
        ended_at=str(entity["endedAt"]),
        wrapped=str(entity["wrapped"]),
        wrapping_key_version=str(entity["wrappingKeyVersion"]),
        expires=str(entity["expires"]),
        delivery=str(entity.get("delivery", "")),
        overtaken=bool(entity.get("overtaken", False)),
        etag=etag_of(entity),
    )


def is_time(text: str) -> bool:
    """Whether the text is "" or a time with an offset, in a year of runbook_lib.basics.clock.YEARS."""
    try:
        return not text or from_rfc3339(text).tzinfo is not None
    except ValueError:
        return False
