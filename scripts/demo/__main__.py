"""`make demo`: a local Azure, a release with real images, and the whole chain through Automation jobs."""

import argparse
import contextlib
import io
import json
import os
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.network.failures import as_runbook_error
from scripts.demo import browser, ways
from scripts.demo import images as demo_images
from scripts.demo import release as demo_release
from vibedata import cli, lab_process
from vibedata.deployment.chain import STEPS, deploy, planned_steps
from vibedata.deployment.lock import LockOptions, locked
from vibedata.deployment.release_source import LayoutRelease
from vibedata.deployment.step import StepResult
from vibedata.deployment.watched import lock_lines
from vibedata.deployment.work import Deployment, DeploymentWork
from vibedata.lab_process import RunningLab
from vibedata.output import CommandError, table
from vibedata.progress_view.writer import watching
from vibedata.session import open_session
from vibedata.standard_streams import tolerant
from vibedata.terminal import filtered_output, told

PROJECT = Path(__file__).resolve().parents[2]
LAB = PROJECT / ".lab"
FOLDER = LAB / "demo"
RESULT = "result.json"
PAGE = "status.html"
# A user can paste each line into a shell in the project's folder.
WHILE_UP = (
    "source .lab/lab.env && .venv/bin/vibedata status",
    "source .lab/lab.env && .venv/bin/vibedata invoke import_images --plan",
    ".venv/bin/vibedata lab down",
)
WHILE_DOWN = (
    ".venv/bin/vibedata lab up --detach",
    "source .lab/lab.env && .venv/bin/vibedata status",
    ".venv/bin/vibedata lab down",
)
# Automation accepts 5 package imports in 30 s. The demo does not wait for that, but tests do.
PACKAGE_IMPORT_WINDOW_SECONDS = 0.1
# The rotation needs no overlap, because nothing else runs here.
ROTATION = ("rotate-acr-token", "--overlap-seconds", "0")


def main() -> int:
    """Run the demo and return its exit code. .lab/demo/result.json has the result."""
    with filtered_output():
        return _main()


def _main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    keep = parser.parse_args().keep
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / RESULT).unlink(missing_ok=True)  # nobody must read a former run's result
    started = time.monotonic()
    deployment = Deployment(correlation_id=str(uuid.uuid4()))
    requests: int | None = None
    trouble = ""
    verdict = ""
    try:
        requests = _demo(deployment)
        verdict = _status_page()
    except CommandError as error:
        trouble = f"{error.message}\n  what to do: {error.remedy}"
    except Exception as error:  # noqa: BLE001 - reported below and in result.json
        named = as_runbook_error(error)
        trouble = traceback.format_exc() if named is None else str(named)
    finally:
        if not keep:
            lab_process.stop(LAB)
    status = "failed" if trouble or requests is None else deployment.status
    result = deployment.as_json() | {
        "status": status,
        "seconds": round(time.monotonic() - started, 3),
        "requests": requests,
    }
    (FOLDER / RESULT).write_text(json.dumps(result, indent=2) + "\n")
    _say(_summary(deployment, status) + trouble)
    _say(f"{status} in {result['seconds']:.0f} s; details in {_shown(FOLDER / RESULT)}")
    if status == "succeeded":
        _say(f"{verdict}\nstatus page: {FOLDER / PAGE}")
    state, commands = ("still up", WHILE_UP) if keep else ("down; `make demo KEEP=1` leaves it up", WHILE_DOWN)
    _say(f"the lab is {state}. Try:\n" + "\n".join(f"    {line}" for line in commands))
    return 0 if status == "succeeded" else 1


def _demo(deployment: Deployment) -> int:
    """Run all steps. Return how many requests the lab answered. Each step is added to `deployment` at its end."""
    lab: RunningLab = _step(deployment, "lab", _start_lab)
    images = _step(deployment, "images", _push_images)
    _step(deployment, "build", lambda: _build(images))
    _step(deployment, "push", _push)
    session = open_session()
    options, correlation_id = LockOptions(), deployment.correlation_id
    with (
        watching("the demo", output="text", clock=SYSTEM_CLOCK) as view,
        locked(session, os.environ, correlation_id=correlation_id, options=options, report=lock_lines(view)) as lock,
    ):
        view.tell(planned_steps(STEPS))
        deploy(
            DeploymentWork(
                session=session,
                instance=None,
                environ=os.environ,
                release=LayoutRelease(FOLDER / "release", session=session),
                deployment=deployment,
                lock=lock,
                view=view,
                chosen=STEPS,
            )
        )
    if deployment.status == "failed":
        raise CommandError("the deployment failed", remedy="do what the failed step says above")
    _report(_step(deployment, "open by name", lambda: browser.open_by_name(session)))
    _command(deployment, ROTATION)
    # The command has done everything, so the other two ways find nothing to do.
    with watching("the demo", output="text", clock=SYSTEM_CLOCK) as view:
        _step(deployment, "deploy by job", lambda: ways.by_job(session, view))
        _step(deployment, "deploy by script", lambda: ways.by_script(FOLDER / "release", session, view))
    return len(lab_process.control(lab, "GET", "/requests")["requests"])


def _step(deployment: Deployment, name: str, work: Callable[[], Any]) -> Any:
    _report(f"{name} ...")
    started = time.monotonic()
    try:
        result = work()
    except Exception:
        seconds = round(time.monotonic() - started, 3)
        deployment.steps.append(StepResult(name=name, status="failed", seconds=seconds, changed=0))
        raise
    changed = len(result) if isinstance(result, list) else 0
    deployment.steps.append(
        StepResult(name=name, status="succeeded", seconds=round(time.monotonic() - started, 3), changed=changed)
    )
    return result


def _command(deployment: Deployment, arguments: Sequence[str]) -> None:
    """Run a `vibedata` command as a step, and show its progress."""
    _step(deployment, arguments[0], lambda: _changes_of(arguments[0], arguments))


def _start_lab() -> RunningLab:
    """Start a new lab, so that the demo shows a first run."""
    lab_process.stop(LAB)
    lab = lab_process.start_detached(LAB)
    os.environ.update(lab.environment)
    window = {"operation": "packageImportWindow", "seconds": PACKAGE_IMPORT_WINDOW_SECONDS}
    lab_process.control(lab, "POST", "/latency", body=window)
    for warning in lab_process.warnings(lab):
        _report(f"lab: {warning}")
    return lab


def _push_images() -> list[dict[str, Any]]:
    return demo_images.push_all(
        container_registry=os.environ["VIBEDATA_PUBLISHER_REGISTRY"],
        username=os.environ["VIBEDATA_PUBLISHER_REGISTRY_USERNAME"],
        password=os.environ["VIBEDATA_PUBLISHER_REGISTRY_PASSWORD"],
        report=lambda _: None,  # the count is in the table of steps
    )


def _build(images: list[dict[str, Any]]) -> None:
    definition = FOLDER / "release.json"
    definition.write_text(json.dumps(demo_release.definition(images), indent=2))
    _result_of("build", ("build", "--release", str(definition), "--out", str(FOLDER / "release")))


def _push() -> list[dict[str, Any]]:
    """Push the release and return the changes that were made."""
    return _changes_of("push", ("push", str(FOLDER / "release")))


def _changes_of(name: str, arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Run a `vibedata` command and return the changes that it made."""
    return list(_result_of(name, arguments)["changes"])


def _result_of(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a `vibedata` command and return its result. Raises CommandError if it fails."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        code = cli.main((*arguments, "--output", "json"))
    result: dict[str, Any] = json.loads(shown.getvalue())
    if code != 0:
        # `status` shows what it could read, and lists the parts that it could not read.
        error = result["error"] if "error" in result else result["troubles"][0]
        raise CommandError(f"{name}: {error['message']}", remedy=error["remedy"])
    return result


def _status_page() -> str:
    """Write the status page and return the verdict."""
    result = _result_of("status", ("status", "--html", str(FOLDER / PAGE)))
    return f"status: {result['verdict']['headline']}"


def _summary(deployment: Deployment, status: str) -> str:
    """Return the deployment's steps as a table for people, with each failure and its remedy below.

    `status` is the status of the whole demo, which may have failed before a step was added.
    """
    rows = [(step.name, step.status, step.changed, f"{step.seconds:.1f} s") for step in deployment.steps]
    failures = [
        f"{step.name} failed: {told(step.error['code'])}: {told(step.error['message'])}\n"
        f"  what to do: {told(step.error['remedy'])}\n"
        for step in deployment.steps
        if step.error is not None
    ]
    return table(f"deployment {status}", ("step", "status", "changed", "time"), rows) + "".join(failures)


def _shown(file: Path) -> str:
    return str(file.relative_to(PROJECT))


def _say(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")


def _report(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with tolerant():
        code = main()
    sys.exit(code)
