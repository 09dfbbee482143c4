"""Run many lines of the Azure CLI in one process of the CLI's environment. A new process costs seconds for each line.

Each line uses a new `AzCli`, which reads its configuration and its logins from AZURE_CONFIG_DIR, as a new process does.
The input is one JSON array in each line: whether to run the CLI's line, or only to parse it with the CLI's own tables
of commands and arguments; then its arguments. The output is one object for each: `code`, `out` and `err`.
"""

import json
import os
import sys
import tempfile
from typing import IO, Any
from unittest import mock

from azure.cli.core import get_default_cli
from azure.cli.core.commands import AzCliCommandInvoker

# The work between parsing a line and running it: validators that ask Azure, questions, and the run.
RUN = ("_validation", "resolve_confirmation", "_run_jobs_serially", "_run_jobs_concurrently")


def main() -> None:
    """Answer lines until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in sys.stdin:
        run, arguments = json.loads(line)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+") as err:
            code = _captured(arguments, out, err) if run else _read(arguments, out, err)
            out.seek(0)
            err.seek(0)
            answers.write(json.dumps({"code": code, "out": out.read(), "err": err.read()}) + "\n")
        answers.flush()


def _read(arguments: list[str], out: IO[str], err: IO[str]) -> int:
    """Parse one line as the CLI does, and stop before it is run."""
    nothing: dict[str, Any] = dict.fromkeys(RUN, lambda *_: ([], []))
    with mock.patch.multiple(AzCliCommandInvoker, **nothing):
        return _captured(arguments, out, err)


def _captured(arguments: list[str], out: IO[str], err: IO[str]) -> int:
    """Run one line. Its output goes to `out` and `err`. Return its exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    try:
        return int(get_default_cli().invoke(arguments) or 0)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    main()
