"""The real Azure CLI, for tests that drive the lab with it. It has its own environment, and reaches only loopback."""

import json
import os
import re
import select
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.support import running_lab
from tests.support.running_lab import LabUnderTest
from vibedata.lab_process import PROJECT

CLI = PROJECT / ".tools/azure-cli/bin"
GUARD = PROJECT / "tests/lab/azure_cli"
LOCK = PROJECT / "lab/azure_cli/azure-cli.lock"
# A line takes a second or two, the first line for a service some seconds more, and many times that on a busy machine.
LINE_SECONDS = 120.0
SCRIPT_SECONDS = 480.0
SETTINGS = {
    # No usage data, no survey, no search for extensions. The CLI does not ask Microsoft which clouds there are.
    "AZURE_CORE_COLLECT_TELEMETRY": "no",
    "AZURE_CORE_SURVEY_MESSAGE": "no",
    "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
    "AZURE_CORE_INSTANCE_DISCOVERY": "no",
    "AZURE_CORE_NO_COLOR": "yes",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a line gave: its exit code, and what it printed."""

    code: int
    out: str
    err: str


class AzureCli:
    """One configuration of the CLI, and a process that runs lines in it."""

    def __init__(self, *, environment: Mapping[str, str], notes: Path, process: "subprocess.Popen[str]") -> None:
        """Keep the environment for more processes, the file of the guard's notes, and the process that runs lines."""
        self.environment = environment
        self._notes = notes
        self._process = process

    def run(self, line: str, **values: str) -> Answer:
        """Run a line as a user types it: `az ...`, with $NAME from the environment and {name} from `values`."""
        return self._ask(self.arguments(line, **values), run=True)

    def read(self, line: str) -> Answer:
        """Read a line against the CLI's own tables of commands and arguments, without running it."""
        return self._ask(shlex.split(line)[1:], run=False)

    def arguments(self, line: str, **values: str) -> list[str]:
        """Return the words after `az`."""
        known = {**self.environment, **values}
        program, *words = (re.sub(r"\$(\w+)|\{(\w+)\}", lambda m: known[m[1] or m[2]], w) for w in shlex.split(line))
        assert program == "az"
        return words

    def refused(self) -> list[str]:
        """Return what the guard has refused so far, and forget it."""
        refused = self._notes.read_text().splitlines()
        self._notes.write_text("")
        return refused

    def _ask(self, arguments: list[str], *, run: bool) -> Answer:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([run, arguments]) + "\n")
        self._process.stdin.flush()
        ready = select.select([self._process.stdout], [], [], LINE_SECONDS)[0]
        answer = self._process.stdout.readline() if ready else ""
        assert answer, f"no answer to az {shlex.join(arguments)} within {LINE_SECONDS:.0f} s"
        return Answer(**json.loads(answer))


@contextmanager
def azure_cli(lab: LabUnderTest, directory: Path) -> Iterator[AzureCli]:
    """Start the CLI with a configuration of its own in `directory`, and end it."""
    notes = directory / "refused"
    notes.touch()
    environment = {
        **running_lab.environment(lab),
        **SETTINGS,
        "AZURE_CONFIG_DIR": str(configuration(directory)),
        "HOME": str(directory),
        "PYTHONPATH": str(GUARD),
        "LOOPBACK_ONLY_NOTES": str(notes),
    }
    # The CLI has 15,000 modules. Python compiles each at its first use, not at set-up. So it has to keep the result.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with subprocess.Popen(
        [CLI / "python", GUARD / "lines.py"],
        env=environment,
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield AzureCli(environment=environment, notes=notes, process=process)
        finally:
            process.kill()


def configuration(directory: Path) -> Path:
    """Make a configuration folder in which the CLI has just looked for a newer version of itself, and return it."""
    folder = directory / "azure-cli"
    folder.mkdir()
    versions = dict(re.findall(r"^(azure-cli(?:-core|-telemetry)?)==(\S+)", LOCK.read_text(), re.MULTILINE))
    local = {name.removeprefix("azure-cli-"): {"local": version} for name, version in versions.items()}
    looked = f"{datetime.now():%Y-%m-%d %H:%M:%S.%f}"  # noqa: DTZ005 - the CLI writes its clock's time, without a zone
    (folder / "versionCheck.json").write_text(json.dumps({"versions": local, "update_time": looked}))
    return folder


def script(cli: AzureCli, text: str) -> str:
    """Run a shell script and return its output. Each `az` is a new process. The first command that fails ends it."""
    environment = {**cli.environment, "PATH": f"{CLI}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=SCRIPT_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout
