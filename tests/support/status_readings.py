"""Readings of `vibedata status`, for tests of its report."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from runbook_lib.basics.clock import rfc3339
from vibedata.jobs.finding import ListedJob
from vibedata.status.report import StatusReadings, StatusReport, report
from vibedata.status.runs import last_runs

AT = datetime(2026, 11, 23, 11, 30, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def component(name: str, health: str = "healthy", **columns: object) -> Mapping[str, Any]:
    usual = {
        "PartitionKey": "application",
        "RowKey": name,
        "version": "2026.11.0",
        "state": "registered",
        "health": health,
        "healthReason": "",
        "healthKind": "http",
        "checkedAt": rfc3339(AT - HOUR / 4),
        "dependsOn": "[]",
        "drift": "",
        "endpoint": f"https://{name}.example.net",
    }
    return usual | columns


def credential(name: str, *, days: float | None = 100, state: str = "enabled") -> Mapping[str, Any]:
    expires = "" if days is None else rfc3339(AT + timedelta(days=days))
    return {"PartitionKey": "registry-token", "RowKey": name, "state": state, "expires": expires}


def release(version: str, **columns: object) -> Mapping[str, Any]:
    recorded = {"state": "current", "digest": "sha256:" + "ab" * 32, "channel": "stable", "updatedAt": rfc3339(AT)}
    return {"PartitionKey": "release", "RowKey": version, **recorded, **columns}


def a_run(runbook: str, *, hours: float, status: str = "Completed", job: str = "") -> ListedJob:
    started = AT - hours * HOUR
    ended = None if status == "Running" else started + timedelta(seconds=14)
    return ListedJob(
        job_id=job or f"{runbook}-{hours}",
        runbook=runbook,
        status=status,
        created=started,
        started=started,
        ended=ended,
        started_by="",
    )


def made(*components: Mapping[str, Any], **changes: Any) -> StatusReport:
    entities = {
        "Components": components,
        "Credentials": changes.pop("credentials", ()),
        "Releases": changes.pop("releases", (release("2026.11.0"),)),
    }
    usual = {"name": "Contoso (k3v9x2p7)", "scope": "group", "option": ""}
    seen: dict[str, Any] = {"at": AT, **usual, "entities": entities, "runs": (), "trials": ()}
    seen |= changes
    trials = seen.pop("trials")
    return report(StatusReadings(**(seen | {"runs": last_runs([*seen["runs"], *trials], trials.__contains__)})))


def notes(shown: StatusReport) -> list[str]:
    return [note.text for note in shown.verdict.notes]
