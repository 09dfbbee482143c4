"""Read everything that a deployment has left, in a form that allows comparing two deployments.

It leaves out times, ids that are new each time, and everything that counts runs: the number of health checks, and the
reports of all runs before the last one.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from azure.data.tables import TableClient
from azure.storage.blob import BlobProperties, ContainerClient

from bench.proofs.name_state import OF_AN_ISSUANCE, name_state, orders
from bench.proofs.world import LOCKS, World
from publisher.certificates.attempts import TABLE as ORDERS
from tests.support.release_maker import RELEASE_REPOSITORY, container_registry

State = Mapping[str, Any]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.]*(?:Z|\+00:00)")
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# This column counts the checks of a component's health.
COUNTS = ("healthStreak",)
# Columns that are new in each rotation: a part of its id, a digest of the delivery, and a time.
OF_A_ROTATION = ("credentialId", "delivery", "expires")
# The check that makes the schedule says so in this row. The next check finds the schedule, and says another thing.
SCHEDULE_ROW = "customer: Components observability schedule"
OF_A_LOOK = ("health", "healthProbed", "healthReason")
REPORTS = "callbacks-spool"
# The publisher's tables: one for each call that arrived, and one for the reports in these calls.
CALLS, DELIVERED = "CallbackNonces", "InstanceReports"
DELIVERED_PLACE = f"publisher: {DELIVERED}"
WAITING_PLACE = f"customer: {REPORTS}"
# The id of a key that signs calls. Its calls and their number are different in each run.
KEY = re.compile(r"hmac-[0-9a-f]{16}\b")
WELL = ("succeeded", "unchanged")


def end_state(world: World) -> State:
    """Read everything with the official clients. Each key says where its value is."""
    found: dict[str, Any] = {}
    for part in (_container_registry, _blobs, _tables, _secrets, _token, _automation, name_state):
        found |= dict(part(world))
    return found


def differences(state: State, undisturbed: State) -> list[str]:
    """Return the differences, one line for each place."""
    return [line for place in sorted({*state, *undisturbed}) for line in _compared(place, place, state, undisturbed)]


def without_report(state: State, step: str) -> State:
    """Return the state without the report of one step that waits at the instance."""
    return {
        place: {name: report for name, report in told.items() if name != step} if place == WAITING_PLACE else told
        for place, told in state.items()
    }


def _compared(place: str, name: str, state: State, undisturbed: State) -> Iterator[str]:
    found, wanted = state.get(name, "nothing"), undisturbed.get(name, "nothing")
    if isinstance(found, dict) and isinstance(wanted, dict):
        for inner in sorted({*found, *wanted}):
            yield from _compared(f"{place}, {inner}", inner, found, wanted)
    elif found != wanted:
        yield f"{place}: {found} and not {wanted}"


def _container_registry(world: World) -> Iterator[tuple[str, Any]]:
    registry = container_registry(world.lab, "customer")
    for repository in registry.call("GET", "_catalog").json()["repositories"]:
        tags = registry.call("GET", f"{repository}/tags/list").json()["tags"]
        for tag in tags or ():
            yield f"image {repository}:{tag}", registry.digest(repository, tag)
    latest = registry.digest(RELEASE_REPOSITORY, "latest")
    signatures = registry.referrers(RELEASE_REPOSITORY, latest) if latest else []
    yield "signatures of the release", sorted(signature["digest"] for signature in signatures)


def _blobs(world: World) -> Iterator[tuple[str, Any]]:
    for side, service in world.blobs.items():
        for listed in service.list_containers():
            with service.get_container_client(listed.name) as container:
                blobs = list(container.list_blobs())
                if listed.name == REPORTS:
                    yield f"{side}: {REPORTS}", _reports(container, blobs)
                    continue
                for blob in blobs:
                    place = f"{side}: blob {listed.name}/{blob.name}"
                    if listed.name in LOCKS:
                        told = json.loads(container.download_blob(blob.name).readall())
                        held = {name: told[name] for name in ("step", "ended", "former_jobs")}
                        yield place, held | {"lease": blob.lease.state}
                    else:
                        yield place, _digest(world, container, blob, place)


def _digest(world: World, container: ContainerClient, blob: BlobProperties, place: str) -> str:
    known = (place, str(blob.etag))
    if known not in world.digests:
        content = container.download_blob(blob.name).readall()
        world.digests[known] = hashlib.sha256(content).hexdigest()
    return world.digests[known]


def _reports(container: ContainerClient, blobs: Sequence[BlobProperties]) -> Mapping[str, Any]:
    """Return the newest report of each kind and step, because the killed run has made reports, too."""
    names = sorted(str(blob.name) for blob in blobs)  # they begin with the time
    return _newest(json.loads(container.download_blob(name).readall()) for name in names)


def _newest(reports: Iterable[dict[str, Any]]) -> Mapping[str, Any]:
    """Return the last report of each kind and step.

    "succeeded" and "unchanged" count as the same, because the run before it may have done the work.
    """
    newest = {}
    for report in reports:
        report["status"] = "well" if report.get("status") in WELL else report.get("status")
        newest[report.get("step", "health")] = _told(report, leave_out=("duration_ms",))
    return newest


def _delivered(client: TableClient) -> Mapping[str, Any]:
    """Return the newest report of each kind and step that the publisher has."""
    rows = sorted(client.list_entities(), key=lambda row: str(row["receivedAt"]))
    return _newest(json.loads(row["content0"]) for row in rows)


def _tables(world: World) -> Iterator[tuple[str, Any]]:
    for side, service in world.tables.items():
        for table in service.list_tables():
            with service.get_table_client(table.name) as client:
                if table.name == CALLS:
                    continue
                if table.name == DELIVERED:
                    yield DELIVERED_PLACE, _delivered(client)
                    continue
                if table.name == ORDERS:
                    yield f"{side}: {ORDERS}", orders(list(client.list_entities()))
                    continue
                for entity in client.list_entities():
                    fields = {name: value for name, value in entity.items() if name not in ("PartitionKey", "RowKey")}
                    place = KEY.sub("(key)", f"{side}: {table.name} {entity['PartitionKey']} {entity['RowKey']}")
                    of_a_look = OF_A_LOOK if place == SCHEDULE_ROW else ()
                    yield place, _told(fields, leave_out=(*COUNTS, *OF_A_ROTATION, *OF_AN_ISSUANCE, *of_a_look))


def _secrets(world: World) -> Iterator[tuple[str, Any]]:
    for secret in world.secrets.list_properties_of_secrets():
        name = str(secret.name)
        versions = [
            {"enabled": version.enabled, "tags": sorted(version.tags or ())}
            for version in world.secrets.list_properties_of_secret_versions(name)
        ]
        yield f"secret {name}", sorted(versions, key=str)


def _token(world: World) -> Iterator[tuple[str, Any]]:
    """Yield which passwords the publisher's token for this customer has."""
    names = world.lab.control("GET", "/names")
    path = (
        f"/subscriptions/{names['publisher_subscription_id']}/resourceGroups/{names['publisher_resource_group']}"
        f"/providers/Microsoft.ContainerRegistry/registries/{names['publisher_registry']}"
        f"/tokens/{names['publisher_token_username']}"
    )
    token = world.get_resource(path, api_version="2023-07-01")
    passwords = token["properties"].get("credentials", {}).get("passwords", ())
    yield "passwords of the token", sorted(password["name"] for password in passwords)


def _automation(world: World) -> Iterator[tuple[str, Any]]:
    client, at = world.automation, world.account
    for runbook in client.runbook.list_by_automation_account(*at):
        content = b"".join(map(_bytes, client.runbook.get_content(*at, str(runbook.name))))
        told = (runbook.as_dict().get("properties") or {}) | {"sha256": hashlib.sha256(content).hexdigest()}
        kept = ("runbookType", "runtimeEnvironment", "state", "sha256")
        yield f"runbook {runbook.name}", {name: told.get(name) for name in kept}
    for environment in client.runtime_environments.list_by_automation_account(*at):
        name = str(environment.name)
        packages = client.package.list_by_runtime_environment(*at, name)
        yield f"environment {name}", sorted(str(_told(package.as_dict())) for package in packages)
    for variable in client.variable.list_by_automation_account(*at):
        yield f"variable {variable.name}", _told(variable.as_dict())
    for schedule in client.schedule.list_by_automation_account(*at):
        yield f"schedule {schedule.name}", _told(schedule.as_dict())
    for link in client.job_schedule.list_by_automation_account(*at):
        yield f"link {link.name}", _told(link.as_dict())


def _bytes(part: object) -> bytes:
    """Return a part of a runbook's content as bytes. The client's type says bytes, but the client gives text."""
    return part if isinstance(part, bytes) else str(part).encode()


def _told(document: Mapping[str, Any], *, leave_out: Sequence[str] = ()) -> Any:
    """Return a document without the parts that are new each time."""
    kept = {name: value for name, value in document.items() if name not in leave_out}
    text = TIME.sub("(time)", json.dumps(kept, sort_keys=True, default=str))
    return json.loads(KEY.sub("(key)", ID.sub("(id)", text)))
