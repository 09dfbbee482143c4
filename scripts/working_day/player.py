"""Play a day: type each command in a process of its own, let things happen in the lab, and keep what is said."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.working_day.steady import steady
from vibedata import lab_process
from vibedata.lab_process import RunningLab

COLUMNS = 80
# A deployment takes half a minute, and many times that on a busy machine.
MAX_SECONDS = 900


@dataclass(slots=True)
class Day:
    """A day in a lab.

    Attributes:
        lab: the lab.
        folder: the operator's, where the files of the commands are.
        environ: of the operator's shell.
        page: what is said so far, in Markdown.
        tell: is told what is typed, as it is typed.
    """

    lab: RunningLab
    folder: Path
    environ: Mapping[str, str]
    tell: Callable[[str], object]
    page: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add a paragraph of the page."""
        self.page.append(text.strip() + "\n")

    def happens(self, method: str, path: str, body: Mapping[str, object]) -> None:
        """Let something happen in the lab: a request to its control API."""
        lab_process.control(self.lab, method, path, body=body)

    def types(self, line: str, *, code: int = 0, environ: Mapping[str, str] | None = None, until: str = "") -> None:
        """Type a `vibedata` command and add what it says. code: the exit code that it must have.

        until: a text after which the operator presses Ctrl-C. Raises DayError if the command ends in another way.
        """
        self.tell(f"$ {line}")
        command = [sys.executable, "-m", "vibedata.cli", *shlex.split(line)[1:]]
        with subprocess.Popen(  # noqa: S603 - our own command
            command,
            cwd=self.folder,
            env={**self.environ, **(environ or {}), "COLUMNS": str(COLUMNS), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            said = self._read(process, until)
            ended = process.wait(MAX_SECONDS)
        if ended != code:
            raise DayError(f"{line}: exit code {ended}, and not {code}\n{said}")
        self.shows(line, said)

    def shows(self, line: str, said: str) -> None:
        """Add a command and what it says."""
        names = {str(self.folder): "/home/operator", str(lab_process.__file__): "vibedata"}
        self.page.append(f"```text\n$ {line}\n{steady(said, names)}```\n")

    def _read(self, process: "subprocess.Popen[str]", until: str) -> str:
        said: list[str] = []
        stream = process.stdout
        if stream is None:
            raise DayError("the command has no output")
        interrupted = False
        for line in stream:
            said.append(line)
            if until and not interrupted and until in line:
                interrupted = True
                process.send_signal(2)
        if until and not interrupted:
            raise DayError(f"it never said {until!r}:\n{''.join(said)}")
        return "".join(said)


class DayError(Exception):
    """The day went in another way than it is told."""


def operators_shell(lab: RunningLab) -> dict[str, str]:
    """Return the environment of the operator's shell: the lab's names, and nothing else of Azure."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIBEDATA_", "AZURE_"))}
    return {**kept, **lab.environment}
