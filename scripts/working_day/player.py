"""Play a day: type each command, let things happen in the lab, and keep the output."""

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.working_day.steady import steady
from vibedata import cli, lab_process
from vibedata.lab_process import RunningLab

COLUMNS = "80"
# A deployment takes half a minute, and much longer on a busy machine.
MAX_SECONDS = 900
# In the lab a job takes two seconds.
POLL_SECONDS = 0.2
# The first words of a command's answer to an interruption.
ANSWER = "interrupted. "


@dataclass(slots=True)
class Day:
    """A day in a lab.

    Attributes:
        lab: The lab.
        folder: The operator's folder with the files for the commands. It is this process's working directory.
        page: The page so far, in Markdown.
        tell: Gets each command when it is typed.
    """

    lab: RunningLab
    folder: Path
    tell: Callable[[str], object]
    page: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add a paragraph of the page."""
        self.page.append(text.strip() + "\n")

    def happens(self, method: str, path: str, body: Mapping[str, object]) -> None:
        """Let something happen in the lab: a request to its control API."""
        lab_process.control(self.lab, method, path, body=body)

    def types(self, line: str, *, code: int = 0, environ: Mapping[str, str] | None = None) -> str:
        """Type a `vibedata` command, add its output to the page, and return the output.

        `code` is the exit code that it must have.

        It runs in this process, because a separate process would take longer to start than most commands take. Raises
        DayError if the command ends in another way.
        """
        self.tell(f"$ {line}")
        said = io.StringIO()
        typed = _environment({**(environ or {}), "COLUMNS": COLUMNS})
        with typed, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            ended = cli.main(shlex.split(line)[1:])
        return self._typed(line, said.getvalue(), ended, code)

    def types_and_leaves(self, line: str, *, at: str, by: signal.Signals) -> str:
        """Type a command, and end it by a signal at the first line that the pattern `at` matches. Return its output.

        Raises DayError if it ends in another way than by the signal.
        """
        self.tell(f"$ {line}")
        with (
            subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "vibedata.cli", *shlex.split(line)[1:]],
                env={**os.environ, "COLUMNS": COLUMNS},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                preexec_fn=_heed_signals,  # noqa: PLW1509 - no threads here
            ) as process
        ):
            said = _until_it_ends(process, at, by)
            ended = process.wait(MAX_SECONDS)
        return self._typed(line, said, ended, 128 + by)

    def jobs_end(self) -> None:
        """Wait until no job runs in the lab. Raises DayError if one never ends."""
        deadline = time.monotonic() + MAX_SECONDS
        while any(job["ended"] is None for job in lab_process.control(self.lab, "GET", "/jobs")["jobs"]):
            if time.monotonic() > deadline:
                raise DayError("a job does not end")
            time.sleep(POLL_SECONDS)

    def _typed(self, line: str, said: str, ended: int, code: int) -> str:
        if ended != code:
            raise DayError(f"{line}: exit code {ended}, and not {code}\n{said}")
        names = {str(self.folder): "/home/operator"}
        self.page.append(f"```text\n$ {steady(line, {})}{steady(said, names)}```\n")
        return said


class DayError(Exception):
    """The day went in another way than the page tells."""


def operators_shell(lab: RunningLab) -> dict[str, str]:
    """Return the environment of the operator's shell. It has the lab's names, and nothing else about Azure."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIBEDATA_", "AZURE_"))}
    return {**kept, **lab.environment}


def _until_it_ends(process: "subprocess.Popen[str]", at: str, by: signal.Signals) -> str:
    """Return the output before the signal, and the answer to it. The lines between them vary, so they are left out."""
    said: list[str] = []
    stream = process.stdout
    if stream is None:
        raise DayError("the command has no output")
    sent = answered = False
    for line in stream:
        answered = answered or line.startswith(ANSWER)
        if not sent or answered:
            said.append(line)
        if not sent and re.match(at, line):
            sent = True
            process.send_signal(by)
    if not answered:
        raise DayError(f"it did not answer to a signal at {at!r}:\n{''.join(said)}")
    return "".join(said)


def _heed_signals() -> None:
    """Stop ignoring Ctrl-C and SIGHUP.

    If somebody plays the day in the background, or with nohup, its child processes ignore them.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def _environment(changed: Mapping[str, str]) -> Iterator[None]:
    former = dict(os.environ)
    os.environ.update(changed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)
