"""A customer whose component registry is bootstrapped, and releases for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure.data.tables import TableServiceClient

from runbooks.bootstrap_registry import RUNBOOK
from tests.support import release_maker
from tests.support.release_maker import as_json
from tests.support.runbook_run import MANIFEST, Run, run
from tests.support.running_lab import LabUnderTest

VERSION = "2026.11.0"
APP = "Microsoft.App/containerApps"
IMAGE = "sha256:" + "a" * 64
BATCH = {"service": "table", "method": "POST", "path": r"\$batch"}
HTTP = {"kind": "http", "path": "/healthz", "expected_status": 200, "timeout_seconds": 5}


def component(name: str, **fields: Any) -> dict[str, Any]:
    made = {"name": name, "type": "application", "version": VERSION, "resource_type": APP, "resource_name": name}
    return {**made, "artifact": name, "depends_on": [], "health": HTTP, **fields}


def image(name: str) -> dict[str, Any]:
    return {"name": name, "repository": f"vibedata/{name}", "tag": VERSION, "digest": IMAGE, "size": 1}


@dataclass(frozen=True, slots=True)
class World:
    """A customer with an installed release, and the tables as any other client sees them."""

    lab: LabUnderTest
    tables: TableServiceClient

    def install(self, *components: Mapping[str, Any], **fields: Any) -> None:
        """Install a release of these components. It pins their images, but nothing here imports the images."""
        images = [image(one["artifact"]) for one in components if one.get("artifact")]
        made = release_maker.document(**{"images": images, "runbooks": [], **fields, "components": list(components)})
        publisher = release_maker.container_registry(self.lab, "publisher")
        release_maker.push_release_manifest(publisher, as_json(made), made["version"], "latest")
        assert run(self.lab, MANIFEST).exit_code == 0

    def bootstrap(self, **given: Any) -> Run:
        return run(self.lab, RUNBOOK, **given)

    def resources(self, **body: object) -> dict[str, Any]:
        """Change the managed resource group (lab/resource_group/changes.py), and return its new state."""
        changed: dict[str, Any] = self.lab.control("POST", "/resources", body)
        return changed

    def names(self) -> set[str]:
        return {str(table.name) for table in self.tables.list_tables()}

    def rows(self, table: str) -> dict[str, dict[str, Any]]:
        """Return a table's entities by partition/row."""
        listed = self.tables.get_table_client(table).list_entities()
        return {f"{one['PartitionKey']}/{one['RowKey']}": dict(one) for one in listed}


def table_writes(made: Run) -> list[str]:
    return [write for write in made.writes() if write.startswith("table")]
