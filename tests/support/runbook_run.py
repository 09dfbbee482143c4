"""Run a runbook in this process with the lab, over the wire, and keep its output and its requests."""

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from io import BytesIO
from typing import Any

from runbook_lib.run.parameters import encode
from runbook_lib.runbook import main
from runbooks import import_images, import_manifest
from tests.support.running_lab import LabUnderTest

MANIFEST = import_manifest.RUNBOOK
IMAGES = import_images.RUNBOOK


class QuickClock:
    """A clock with quick waits: a wait of `speed` seconds takes one second.

    The work between the waits counts with its real time. So a busy machine reaches a deadline no earlier. Waits of
    several threads pass side by side.
    """

    def __init__(self, speed: float = 20.0) -> None:
        self._speed = speed
        self._ahead = 0.0  # how far it is ahead of the machine's clock, in seconds
        self._waking = threading.Lock()

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        over = self.monotonic() + seconds
        time.sleep(seconds / self._speed)
        with self._waking:
            self._ahead = max(self._ahead, over - time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a run ended. requests: its entries in the lab's journal."""

    exit_code: int
    text: str
    result: Mapping[str, Any]
    requests: list[dict[str, Any]]

    @property
    def status(self) -> str:
        return str(self.result["status"])

    @property
    def error_code(self) -> str:
        """The code of the run's error, "" for none."""
        return "" if self.result["error"] is None else str(self.result["error"]["code"])

    def outcomes(self) -> dict[str, str]:
        """Return each change's outcome by its target."""
        return {change["target"]: change["outcome"] for change in self.result["changes"]}

    def codes(self) -> dict[str, str]:
        """Return the error code of each failed change by its target."""
        return {c["target"]: c["error"]["code"] for c in self.result["changes"] if c["error"] is not None}

    def sent(self, service: str, method: str, path: str = "") -> list[dict[str, Any]]:
        """Return the run's own requests to a service with `path` in their path."""
        return [
            entry
            for entry in self.requests
            if (entry["service"], entry["method"]) == (service, method)
            and path in entry["path"]
            and not entry["client"].startswith("acr-import")
        ]

    def imports(self) -> list[dict[str, Any]]:
        """Return the requests for imports."""
        return self.sent("arm", "POST", "/importImage")

    def writes(self) -> list[str]:
        """Return every request that changes something in Azure, without those for tokens and the operations log."""
        return [
            f"{entry['service']} {entry['method']} {entry['path']}"
            for entry in self.requests
            if entry["method"] not in ("GET", "HEAD")
            and entry["service"] not in ("logs", "entra", "identity")
            and "/oauth2/" not in entry["path"]
            and "/operations-spool" not in entry["path"]
        ]


def run(lab: LabUnderTest, runbook: Any, *, clock: Any = None, environ: Mapping[str, str] = {}, **given: object) -> Run:
    """Run `runbook` with the parameters `given`. `environ` replaces parts of the lab's environment."""
    since = lab.last_request()
    stream = BytesIO()
    exit_code = main(
        runbook,
        [encode(given)],
        {**os.environ, **lab.env, **environ},
        stream=stream,
        clock=clock or QuickClock(),
    )
    text = stream.getvalue().decode()
    return Run(
        exit_code=exit_code,
        text=text,
        result=json.loads(text.splitlines()[-1]),
        requests=lab.journal(since=since),
    )
