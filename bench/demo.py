"""Measure the time of `make demo` when everything is installed."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.figures import Figure
from oci.bundling.source_tree import release_time
from vibedata import lab_process
from vibedata.output import CommandError
from vibedata.progress import WriteLine

PROJECT = Path(__file__).resolve().parent.parent
AIM_SECONDS = 60
LIMIT_SECONDS = 180
# The folders that set-up has made. The copy links them.
INSTALLED = (".venv", ".tools")
KEPT_LINES = 20


def measure(report: WriteLine) -> list[Figure]:
    """Run `make demo` in a copy of this source tree, so that a lab that is up here stays up, and return its time."""
    report("make demo, in a copy of the source tree")
    with tempfile.TemporaryDirectory(prefix="vibedata-bench-") as name:
        copy = Path(name) / "project"
        _copy_sources(copy)
        # The copy is not a clone, so pass the commit's time.
        epoch = str(int(release_time(PROJECT, os.environ).timestamp()))
        environ = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
        started = time.monotonic()
        try:
            _make_demo(copy, environ)
        finally:
            lab_process.stop(copy / ".lab")
        seconds = time.monotonic() - started
        steps = json.loads((copy / ".lab/demo/result.json").read_text())["steps"]
    return [
        Figure(
            name="make demo",
            value=round(seconds, 1),
            unit="s",
            aim=AIM_SECONDS,
            note="wall time of the command with everything installed; its steps in seconds: "
            + ", ".join(f"{step['name']} {step['seconds']:.1f}" for step in steps),
        )
    ]


def _make_demo(folder: Path, environ: Mapping[str, str]) -> None:
    """Run `make demo`. Always end all processes of its session. Raises CommandError if it fails."""
    process = subprocess.Popen(
        ["make", "demo"],  # noqa: S607
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"make demo took more than {LIMIT_SECONDS} s", remedy="make demo") from error
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode != 0:
        tail = "\n".join(printed.splitlines()[-KEPT_LINES:])
        raise CommandError(f"make demo failed:\n{tail}", remedy="make demo")


def _copy_sources(target: Path) -> None:
    """Copy the project's files, also uncommitted ones, and link the folders that set-up has made."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = PROJECT / name
        if source.is_file():  # git also lists a file that somebody has deleted
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    for name in INSTALLED:
        (target / name).symlink_to(PROJECT / name)
