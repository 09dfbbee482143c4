"""The official client of Azure Monitor, for the lab."""

from contextlib import AbstractContextManager

from azure.mgmt.monitor import MonitorManagementClient

from tests.support import arm
from tests.support.running_lab import LabUnderTest


def monitor(lab: LabUnderTest) -> AbstractContextManager[MonitorManagementClient]:
    return arm.client(lab, MonitorManagementClient)
