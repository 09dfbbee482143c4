"""The publisher's vault and tables, over the wire, under the engineer's identity."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from publisher.hmac_keys import HmacKeys
from publisher.key_custody import KeyCustody
from publisher.session import publisher_clients
from runbook_lib.azure_clients import AzureClients
from runbook_lib.clock import Clock
from runbook_lib.secrets import Redactor
from scripts.azure_session import open_session
from tests.lab.runbook_run import QuickClock
from tests.lab.running_lab import LabUnderTest


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherSide:
    """What the publisher's operator works with."""

    clients: AzureClients
    keys: HmacKeys
    custody: KeyCustody
    redactor: Redactor


@contextmanager
def publisher_side(lab: LabUnderTest, clock: Clock | None = None) -> Iterator[PublisherSide]:
    """Open the clients."""
    session, redactor = open_session(lab.env), Redactor()
    clock = clock or QuickClock()
    clients = publisher_clients(session.settings, session.clients, lab.env, clock)
    custody = KeyCustody(clients.secrets, redactor=redactor, clock=clock)
    with clients.session:
        yield PublisherSide(clients=clients, keys=HmacKeys(clients.table_service), custody=custody, redactor=redactor)
