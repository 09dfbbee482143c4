"""Run a command as a separate process, with or without trouble at its requests."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.proofs.world import World
from tests.support import running_lab

RUN_SECONDS = 900.0
TAIL_CHARACTERS = 600
TOKEN_SERVICES = ("identity", "entra")
# The process first waits for a line, so that the lab knows its id before its first request. `exec` keeps the id.
GATE = ("sh", "-c", 'read -r go && exec "$@"', "sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a run ended: exit code (negative: killed by that signal), its output, and its requests in the journal.

    `requests` are those of the process and of all jobs.
    """

    exit_code: int
    said: str
    requests: Sequence[Mapping[str, Any]]

    @property
    def met(self) -> list[Mapping[str, Any]]:
        """The requests that met trouble."""
        return [entry for entry in self.requests if entry["fault"]]


def deploy(world: World, *options: str) -> Sequence[str]:
    """Return the operator's command that deploys the release."""
    return command("deploy", str(world.release), *options)


def command(*words: str) -> Sequence[str]:
    """Return the command line of a `vibedata` command that gives its result as JSON."""
    return (sys.executable, "-m", "vibedata.cli", *words, "--output", "json")


def run(world: World, command: Sequence[str], troubles: Sequence[Mapping[str, object]] = ()) -> Ran:
    """Run a command to its end. troubles: faults of the lab that are active during the run."""
    lab = world.lab
    since = lab.last_request()
    with subprocess.Popen(  # noqa: S603 - our own command
        [*GATE, *command],
        env=running_lab.environment(lab),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            lab.control("POST", "/operator", {"pid": process.pid})
            for trouble in troubles:
                lab.control("POST", "/faults", trouble)
            out, err = process.communicate("go\n", timeout=RUN_SECONDS)
        finally:
            process.kill()
    lab.control("DELETE", "/faults")
    requests = [entry for entry in lab.journal(since=since) if entry["job_id"] or entry["operator"]]
    return Ran(exit_code=process.returncode, said=_said(out, err), requests=requests)


def is_write(entry: Mapping[str, Any]) -> bool:
    """Whether a journal's entry is a request that changes something."""
    reads = entry["method"] in ("GET", "HEAD") or entry["service"] in TOKEN_SERVICES or "/oauth2/" in entry["path"]
    return not reads


def failure(what: str, ran: Ran) -> list[str]:
    """Return a problem if the run failed, or none."""
    return [] if ran.exit_code == 0 else [f"{what} ended with {ran.exit_code}: {ran.said}"]


def _said(out: str, err: str) -> str:
    """Return the failures that a result names, and the end of the output."""
    try:
        result = json.loads(out)
    except ValueError:
        return (out + err)[-TAIL_CHARACTERS:]
    errors = [step["error"] for step in result.get("steps", ()) if step.get("error")]
    errors += [result["error"]] if result.get("error") else []
    return " | ".join(f"{error['code']}: {error['message']}" for error in errors) or err[-TAIL_CHARACTERS:]
