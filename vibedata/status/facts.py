"""The types of `vibedata status`: release, component, credential, rotation, facts, verdict. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from runbook_lib.component_registry.schema import CURRENT
from runbook_lib.health.credentials import EXPIRES_SOON_DAYS
from runbook_lib.release.model import HealthState
from runbook_lib.rotation.record import PENDING, PREVIOUS
from runbook_lib.vault.credential_states import TLS_CERTIFICATE, SecretState
from vibedata.jobs.finding import ListedJob

UNHEALTHY: HealthState = "unhealthy"
DEGRADED: HealthState = "degraded"
UNKNOWN: HealthState = "unknown"
HEALTHY: HealthState = "healthy"
ILL = (UNHEALTHY, DEGRADED)
# Automation's shortest interval is an hour. So after this time two runs in a row are missing.
STALE = timedelta(hours=2)
UNUSABLE: frozenset[SecretState] = frozenset({"absent", "disabled", "expired", "not yet valid"})
NOT_PROVISIONED: SecretState = "not provisioned"
# The states in the rows of a rotation's credentials. The secret as a whole has another row, which says whether the
# secret works. So only that row gets a verdict.
OF_ROTATION = frozenset({PENDING, CURRENT, PREVIOUS})


class Level(str, Enum):
    """How bad it is, the worst first."""

    ILL = "ill"
    UNKNOWN = "unknown"
    ATTENTION = "attention"
    WELL = "well"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledRelease:
    """The installed release. `manifest_digest` is the digest of its release manifest's JSON, which pins everything
    else. `since` is when it was recorded as the current release, and `expires` is when its manifest expires.
    """

    version: str
    manifest_digest: str
    channel: str
    since: datetime | None
    expires: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A component. `drift` says how it differs from the release, "" if it does not. `probed`: it has a probe.
    `vanished`: the installed release no longer has it.
    """

    type: str
    name: str
    version: str
    drift: str
    health: str
    reason: str
    checked_at: datetime | None
    endpoint: str
    depends_on: tuple[str, ...]
    probed: bool
    vanished: bool

    @property
    def ill(self) -> bool:
        """Whether the component is degraded or unhealthy, and the installed release still has it."""
        return not self.vanished and self.health in ILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential without its secret. `days_left` are whole days until it expires, below 0 after that."""

    kind: str
    id: str
    state: str
    expires: datetime | None
    days_left: int | None

    @property
    def verdict(self) -> tuple[Level, str]:
        """How bad the state of the credential is, and the reason in words, "" if all is well."""
        if self.state in OF_ROTATION:
            return Level.WELL, ""
        if self.state == NOT_PROVISIONED:
            return Level.ATTENTION, f"is {self.state} yet"
        if self.days_left is not None and self.days_left < 0:
            return Level.ILL, "has expired"
        if self.state in UNUSABLE:
            return Level.ILL, f"is {self.state}"
        # A certificate may live for only 6 days. check_health says whether its renewal is late.
        if self.days_left is None or self.days_left >= EXPIRES_SOON_DAYS or self.kind == TLS_CERTIFICATE:
            return Level.WELL, ""
        return Level.ATTENTION, f"expires in {days(self.days_left)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRotation:
    """A rotation that is not finished. `kind` and `secret` are the credential's. `state` is how far it is: pending,
    tested, or promoted. `finish_after` is when it may be finished, None before it is promoted.
    """

    kind: str
    secret: str
    rotation_id: str
    state: str
    finish_after: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A source that could not be read, with an error of the catalogue."""

    source: str
    code: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFacts:
    """What the command knows.

    Attributes:
        at: The time of reading.
        name: The name of the instance, for a title.
        scope: The name of the instance, and where it is.
        option: The option that a command needs to work at this instance, such as ` --instance k3v9x2p7`, "" for none.
        registry_exists: Whether there is a component registry. False also if `unreadable` is set.
        unreadable: The component registry could not be read, so nobody knows whether it exists.
        release: The installed release, None if none is recorded.
        components: The ill components come first.
        observability: Such as alert rules, schedule and log. The ill rows come first.
        credentials: The credential that expires next comes first.
        rotations: The rotation that may be finished next comes first.
        runs: The newest run comes first. Trials are not among the runs.
        runs_cut: There were so many trials that not all jobs were looked at.
        troubles: The sources that could not be read.
    """

    at: datetime
    name: str
    scope: str
    option: str
    registry_exists: bool
    unreadable: bool
    release: InstalledRelease | None
    components: tuple[Component, ...]
    observability: tuple[Component, ...]
    credentials: tuple[Credential, ...]
    rotations: tuple[OpenRotation, ...]
    runs: tuple[ListedJob, ...]
    runs_cut: bool
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One more thing to know. `remedy` says what to do, "" if the text is enough. `component` is the ill component that
    the note is about, "" if the note is about something else.
    """

    level: Level
    text: str
    remedy: str = ""
    component: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The status in one sentence, and notes. The worst note comes first. `remedy` says what to do about the headline,
    "" if the notes say it.
    """

    level: Level
    headline: str
    notes: tuple[Note, ...]
    remedy: str = ""


def days(number: int) -> str:
    """Return whole days in words."""
    return "less than a day" if number == 0 else "1 day" if number == 1 else f"{number} days"


def age(moment: datetime, at: datetime) -> str:
    """Return the time between `moment` and `at` in words: `5 min ago`, `in 12 days`."""
    seconds = (at - moment).total_seconds()
    told = duration(abs(seconds))
    return f"{told} ago" if seconds >= 0 else f"in {told}"


def duration(seconds: float) -> str:
    """Return a duration in the largest unit that gives at least 2: `41 s`, `90 s`, `5 min`, `3 h`, `12 days`."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"
