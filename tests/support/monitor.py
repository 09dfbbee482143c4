"""The official client of Azure Monitor, for the lab."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.identity import ManagedIdentityCredential
from azure.mgmt.monitor import MonitorManagementClient

from tests.support.arm import SCOPE
from tests.support.running_lab import LabUnderTest


@contextmanager
def monitor(lab: LabUnderTest) -> Iterator[MonitorManagementClient]:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        MonitorManagementClient(
            credential,
            lab.env["VIBEDATA_SUBSCRIPTION_ID"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=SCOPE,
        ) as client,
    ):
        yield client
