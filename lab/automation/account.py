"""State of the lab's Automation account: variables, runtime environments with their packages, runbooks, schedules."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from lab.automation.wheels import Wheel
from lab.sliding_window import SlidingWindow

# "Max size of a variable": 1,048,576 characters (learn automation-subscription-limits-faq).
VARIABLE_LIMIT_CHARACTERS = 1_048_576
# "must be between 1 and 1048576 bytes" (the portal's words, dataplat/dbatools#8687); nothing else is documented.
RUNBOOK_LIMIT_BYTES = 1_048_576
# Microsoft's own importer waits after five (azureautomation/runbooks, import_py3package_from_pypi.py).
IMPORTS, IMPORT_SECONDS = 5, 30.0
NEW_JOBS, NEW_JOBS_SECONDS = 100, 30.0  # learn automation-subscription-limits-faq
RUNBOOK_NAME = re.compile(r"[a-zA-Z][a-zA-Z\-_0-9]*")
RUNBOOK_TYPES = (
    "Script",
    "Graph",
    "PowerShellWorkflow",
    "PowerShell",
    "GraphPowerShellWorkflow",
    "GraphPowerShell",
    "Python2",
    "Python3",
    "Python",
    "PowerShell72",
)
PYTHON_RUNBOOK_TYPES = ("Python", "Python3")
LANGUAGE, LANGUAGE_VERSION = "Python", "3.10"
SYSTEM_RUNTIMES = (
    ("PowerShell", "5.1"),
    ("PowerShell", "7.1"),
    ("PowerShell", "7.2"),
    ("Python", "2.7"),
    ("Python", "3.8"),
    (LANGUAGE, LANGUAGE_VERSION),
)


@dataclass(slots=True, kw_only=True)
class Variable:
    """A variable; `value` is JSON text, e.g. '"x"'."""

    name: str
    value: str | None
    encrypted: bool
    description: str | None
    created: float
    modified: float


@dataclass(slots=True, kw_only=True)
class Package:
    """A package of a runtime environment. If its state is Succeeded, `wheel` is set, unless jobs get no file of it."""

    name: str
    state: str
    version: str | None = None
    size_bytes: int = 0
    error: str | None = None
    wheel: Wheel | None = None


@dataclass(slots=True, kw_only=True)
class RuntimeEnvironment:
    """A runtime environment. The lab runs only those with Python 3.10. `system`: Azure has made it."""

    name: str
    location: str
    tags: dict[str, str]
    description: str | None
    language: str = LANGUAGE
    version: str = LANGUAGE_VERSION
    system: bool = False
    packages: dict[str, Package] = field(default_factory=dict)  # by lower-cased name


def system_environments(location: str) -> dict[str, RuntimeEnvironment]:
    """Return the environments that every account has, by lower-cased name (learn manage-runtime-environment)."""
    made = [
        RuntimeEnvironment(
            name=f"{language}-{version}",
            location=location,
            tags={},
            description="System-generated Runtime Environment for your Automation account with Runtime language: "
            f"{language} and version: {version}",
            language=language,
            version=version,
            system=True,
        )
        for language, version in SYSTEM_RUNTIMES
    ]
    return {one.name.lower(): one for one in made}


@dataclass(slots=True, kw_only=True)
class Runbook:
    """A runbook; `draft` and `published` are its texts, byte for byte."""

    name: str
    location: str
    created: float
    modified: float
    kind: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    environment: str | None = None
    log_verbose: bool = False
    log_progress: bool = False
    log_activity_trace: int = 0
    draft: bytes | None = None
    draft_created: float = 0.0
    draft_modified: float = 0.0
    published: bytes | None = None
    job_count: int = 0

    @property
    def state(self) -> str:
        """Return New (never published), Edit (published, with a newer draft) or Published."""
        if self.published is None:
            return "New"
        return "Published" if self.draft is None else "Edit"


@dataclass(slots=True, kw_only=True)
class Schedule:
    """A schedule. Times are seconds since the epoch. `interval` counts `frequency` units, None if it runs once."""

    name: str
    start: float
    expiry: float
    frequency: str
    interval: int | None
    time_zone: str
    advanced: dict[str, Any] | None
    description: str | None
    enabled: bool
    created: float
    modified: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSchedule:
    """A runbook's link with a schedule, and the parameters of the jobs that it starts."""

    id: str
    schedule: str
    runbook: str
    parameters: Mapping[str, str]


@dataclass(slots=True)
class AutomationAccount:
    """The account's parts, each by its lower-cased name: ARM keeps a name's case, but compares names without it."""

    arm_id: str
    guid: str  # what runbooks see as AUTOMATION_ASSET_ACCOUNTID
    location: str
    variables: dict[str, Variable] = field(default_factory=dict)
    environments: dict[str, RuntimeEnvironment] = field(default_factory=dict)
    runbooks: dict[str, Runbook] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    job_schedules: dict[str, JobSchedule] = field(default_factory=dict)  # by id, a GUID
    imports_window: SlidingWindow = field(default_factory=lambda: SlidingWindow(limit=IMPORTS))
    jobs_window: SlidingWindow = field(default_factory=lambda: SlidingWindow(limit=NEW_JOBS))

    def __post_init__(self) -> None:
        """Begin with the parts that every account has."""
        self.clear()

    def clear(self) -> None:
        """Forget everything except the parts that every account has."""
        self.variables.clear()
        self.environments = system_environments(self.location)
        self.runbooks.clear()
        self.schedules.clear()
        self.job_schedules.clear()
        self.imports_window.clear()
        self.jobs_window.clear()

    def unlink(self, *, runbook: str | None = None, schedule: str | None = None) -> None:
        """Delete the links of a runbook or schedule that was deleted."""
        gone = [link.id for link in self.job_schedules.values() if runbook == link.runbook or schedule == link.schedule]
        for link_id in gone:
            del self.job_schedules[link_id]

    def assets(self) -> str:
        """Return the file that `automationassets` reads: the variables, by lower-cased name, as JSON texts."""
        values = {name: variable.value for name, variable in self.variables.items() if variable.value is not None}
        return json.dumps({"variables": values})


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as Automation writes times."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")
