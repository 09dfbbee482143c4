"""One Automation job as the service keeps it: the request, its streams, its result."""

import json
from dataclasses import dataclass, field

from lab.automation.job_process import JobProcess

STREAM_LIMIT_BYTES = 1024 * 1024  # of all streams together: learn automation-subscription-limits-faq
# Each prefix is known in upper, lower and capitalised form (Microsoft's Linux worker, streamhandler.py).
STREAM_PREFIXES = {"ERROR:": "Error", "WARNING:": "Warning", "VERBOSE:": "Verbose", "DEBUG:": "Debug"}
TERMINAL = frozenset({"Completed", "Failed", "Stopped", "Suspended"})
TICKS_PER_SECOND = 10_000_000  # of .NET, in stream ids
SECONDS_BEFORE_EPOCH = 62_135_596_800  # from 0001-01-01 to 1970-01-01


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One record of a job's streams."""

    id: str
    at: float
    kind: str
    text: str


@dataclass(slots=True, kw_only=True)
class Job:
    """A job: its request and its result. Times are seconds since the epoch."""

    name: str
    job_id: str
    runbook: str
    kind: str
    environment: str | None
    log_verbose: bool
    content: bytes
    parameters: dict[str, str]
    created: float
    modified: float
    status: str = "New"
    started: float | None = None
    ended: float | None = None
    exception: str | None = None
    streams: list[Stream] = field(default_factory=list)
    streams_bytes: int = 0
    process: JobProcess | None = None  # while it runs
    peak_memory_bytes: int = 0
    exit_code: int | None = None
    cpu_seconds: float | None = None
    cpu_seconds_to_first_request: float | None = None

    @property
    def arguments(self) -> list[str]:
        """Return the positional arguments that the sandbox makes from the parameters. The parameters' names are lost.

        A value that is JSON is decoded and turned into Python's text for it. Then everything is split at spaces
        (docs/azure-facts.md#parameters-and-streams). So only a single word that is not JSON arrives unchanged.
        """
        return [word for value in self.parameters.values() for word in _plain(value).split()]

    def take_line(self, line: str, *, at: float) -> bool:
        """Add a line of stdout to its stream; return False if the streams would exceed their limit."""
        text = line.strip()
        kind = _stream_kind(line)
        if kind == "Debug" or (kind == "Verbose" and not self.log_verbose):
            return True  # Debug records are never kept. Verbose records are kept if the runbook asks for it.
        self.streams_bytes += len(text.encode())
        if self.streams_bytes > STREAM_LIMIT_BYTES:
            return False
        ticks = int((at + SECONDS_BEFORE_EPOCH) * TICKS_PER_SECOND)
        self.streams.append(
            Stream(id=f"{self.job_id}_{ticks:020}_{len(self.streams):020}", at=at, kind=kind, text=text)
        )
        return True


def _plain(value: str) -> str:
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _stream_kind(line: str) -> str:
    for prefix, kind in STREAM_PREFIXES.items():
        if line.startswith((prefix, prefix.lower(), prefix.capitalize())):
            return kind
    return "Output"
