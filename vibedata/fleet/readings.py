"""Read the data for `vibedata fleet status` from the publisher's tables, several instances at the same time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from publisher.certificates.record import Issuance, Issuances
from publisher.custody.key_records import HmacKeys, KeyRecord
from publisher.instances.document import Instance
from publisher.instances.reported import Reported, last_reports
from publisher.instances.store import Instances
from publisher.rotation import acr_token_credential, hmac_key_credential
from publisher.rotation.record import Rotation, RotationRecords
from runbook_lib.basics.clock import from_rfc3339
from runbook_lib.errors import RunbookError
from vibedata.change_errors import name_any
from vibedata.fleet.facts import Known

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

# This number of instances is read at the same time. The connection pool of the client has room for more connections.
AT_ONCE = 8
# The credential in use is the newest one that was promoted or installed. Rotations that failed may be newer than its
# rotation. So this number of the newest rotations is read.
ROTATIONS = 10

T = TypeVar("T")


def read_fleet(tables: "TableServiceClient", now: datetime) -> tuple[list[Known], list[RunbookError]]:
    """Return what is known of each instance, in the order of the ids, and the errors of rows without a valid instance.

    If a part of an instance cannot be read, its error is among the instance's troubles. Raises azure.core's errors if
    the table of instances cannot be read.
    """
    rows = list(Instances(tables).all())
    instances = [row.instance for row in rows if row.instance is not None]
    with ThreadPoolExecutor(AT_ONCE) as readers:
        known = list(readers.map(lambda each: _known(tables, each, now), instances))
    return known, [row.trouble for row in rows if row.trouble is not None]


def _known(tables: "TableServiceClient", instance: Instance, now: datetime) -> Known:
    troubles: list[RunbookError] = []

    def tried(look: Callable[[], T], nothing: T) -> T:
        try:
            return look()
        except Exception as error:  # noqa: BLE001 - what is wrong at one instance must not hide the others
            troubles.append(name_any(error))
            return nothing

    no_key: Sequence[KeyRecord] = ()
    none: Sequence[Rotation] = ()
    reported = tried(lambda: last_reports(tables, instance.id, now), Reported(health=None, deployment=None))
    keys = tried(lambda: HmacKeys(tables).of_instance(instance.id), no_key)
    tokens = tried(lambda: RotationRecords(tables, acr_token_credential.TABLE).recent(instance.id, ROTATIONS), none)
    hmac = tried(lambda: RotationRecords(tables, hmac_key_credential.TABLE).recent(instance.id, 1), none)
    issued: Sequence[Issuance] = ()
    issued = tried(lambda: Issuances(tables).recent(instance.id, ROTATIONS), issued)
    newest = (("rotate-acr-token", tokens[:1]), ("rotate-hmac", hmac[:1]))
    return Known(
        instance=instance,
        reported=reported,
        key_in_use=any(key.state == "current" for key in keys),
        token_expires=_expires(tokens),
        certificate=next((each for each in issued if each.reached("installed") and each.not_after), None),
        waiting=tuple((command, each) for command, rotations in newest for each in rotations if each.open),
        troubles=tuple(troubles),
    )


def _expires(rotations: Sequence[Rotation]) -> datetime | None:
    """Return when the token in use expires, None if no rotation says it."""
    text = next((each.expires for each in rotations if each.promoted_at and each.expires), "")
    try:
        moment = from_rfc3339(text) if text else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
