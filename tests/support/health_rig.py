"""Components in the lab's component registry, as a bootstrap records them, for tests of their health."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbooks import check_health
from tests.support.log_reader import table_rows
from tests.support.operations_chain import verify_chain
from tests.support.runbook_run import Run, run
from tests.support.running_lab import LabUnderTest

APP = "Microsoft.App/containerApps"


@dataclass(frozen=True, slots=True)
class Rig:
    """One lab, its tables, and its applications' addresses by name."""

    lab: LabUnderTest
    tables: TableServiceClient
    addresses: Mapping[str, str]

    def register(self, name: str, *, kind: str = "http", component_type: str = "application", **columns: Any) -> None:
        """Record a component. Its resource is the container app of that name, unless `columns` say otherwise."""
        self.tables.create_table_if_not_exists("Components")
        self.tables.create_table_if_not_exists("Policies")
        entity = {
            "PartitionKey": component_type,
            "RowKey": name,
            "version": "2026.11.0",
            "resourceId": self.resource_id(APP, name),
            "endpoint": self.addresses.get(name, ""),
            "dependsOn": json.dumps(columns.pop("depends_on", [])),
            "state": "registered",
            "healthKind": kind,
            "healthPath": "/healthz",
            "healthExpectedStatus": 200,
            "healthTimeoutSeconds": 2,
            "health": "unknown",
            "healthStreak": 0,
            "checkedAt": "",
        }
        self.tables.get_table_client("Components").upsert_entity(entity | columns)

    def resource_id(self, resource_type: str, name: str) -> str:
        names = self.lab.control("GET", "/names")
        group = f"/subscriptions/{names['subscription_id']}/resourceGroups/{names['resource_group']}"
        return f"{group}/providers/{resource_type}/{name}"

    def change(self, name: str, *, component_type: str = "application", **columns: Any) -> None:
        """Change columns of a component's entity."""
        entity = {"PartitionKey": component_type, "RowKey": name, **columns}
        self.tables.get_table_client("Components").update_entity(entity)

    def ill(self, name: str, mode: str, **fields: Any) -> None:
        """Make an application ill. The mode healthy makes it well again."""
        self.lab.control("POST", "/applications", {"name": name, "mode": mode, **fields})

    def check(self, **given: Any) -> Run:
        """Run check_health with the system's clock, because a probe's deadline is in real seconds."""
        return run(self.lab, check_health.RUNBOOK, clock=given.pop("clock", SYSTEM_CLOCK), **given)

    def entity(self, name: str, component_type: str = "application") -> Mapping[str, Any]:
        return self.tables.get_table_client("Components").get_entity(component_type, name)

    def health(self, name: str, component_type: str = "application") -> str:
        return str(self.entity(name, component_type)["health"])

    def reason(self, name: str, component_type: str = "application") -> str:
        return str(self.entity(name, component_type)["healthReason"])

    def asked(self, name: str) -> list[str]:
        """Return the paths that an application was asked for."""
        prefix = f"/{name}/"
        return [entry["path"] for entry in self.lab.journal(service="application") if entry["path"].startswith(prefix)]


@contextmanager
def rig(lab: LabUnderTest) -> Iterator[Rig]:
    applications = lab.control("GET", "/applications")["applications"]
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        TableServiceClient(endpoint=lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential) as tables,
    ):
        yield Rig(lab, tables, {each["name"]: each["url"] for each in applications})


VAULT = "Microsoft.KeyVault/vaults"
SCHEDULE = "vibedata-check_health"


def transitions(lab: LabUnderTest, result: Run) -> dict[str, tuple[str, str]]:
    """Return each change of health in the operations log: the new state and the reason, by component."""
    rows = [row for row in table_rows(lab) if row["RunId"] == result.result["run_id"]]
    assert verify_chain(rows) == []
    return {
        row["Target"]: (row["Outcome"], row["Message"].partition(": ")[2]) for row in rows if row["Action"] == "health"
    }


def report(result: Run) -> dict[str, Any]:
    told: dict[str, Any] = result.result["report"]
    return told
