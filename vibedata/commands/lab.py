"""`vibedata lab up|down|status|reset`: a local Azure in a folder."""

import argparse
import os
import sys
from pathlib import Path

from vibedata import lab_process
from vibedata.output import CommandError, show, table

EXAMPLES = """\
examples:
  vibedata lab up                     run a local Azure in .lab until Ctrl-C
  vibedata lab up --detach            the same in the background; log in .lab/lab.log
  source .lab/lab.env                 point this shell's clients at it
  vibedata lab reset                  empty the lab: registries, storage, faults, journal
  vibedata lab down                   end the lab
  vibedata lab up --record seen       a line of JSON for each request and its answer in seen/, secrets masked
  vibedata lab up --dir /tmp/second   run a second lab beside the first one
"""
ACTIONS = {
    "up": "start a lab, and print lab.env when it is ready",
    "down": "end the lab and every process that it started",
    "status": "show where the lab's services are; exit code 1 if no lab runs",
    "reset": "bring the lab back to its state at the start",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `lab` to the command line."""
    parser = subparsers.add_parser(
        "lab",
        help="run a local Azure for tests",
        description="Run a local Azure for tests: real servers if there are any, and faithful stand-ins for the rest.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in ACTIONS.items():
        action = actions.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        action.add_argument("--dir", default=".lab", help="the folder that holds this lab's files (default: .lab)")
        if name == "up":
            action.add_argument("--detach", action="store_true", help="run in the background; return when it is ready")
            action.add_argument(
                "--record",
                metavar="DIR",
                help="append each whole request and its answer to a file in this folder; secrets are masked",
            )


def run(arguments: argparse.Namespace) -> int:
    """Do the action and return the exit code."""
    actions = {"up": _up, "down": _down, "status": _status, "reset": _reset}
    return actions[arguments.action](Path(os.path.realpath(arguments.dir)), arguments)


def _up(directory: Path, arguments: argparse.Namespace) -> int:
    running = lab_process.find(directory)
    options = ["--record", str(Path(arguments.record).resolve())] if arguments.record else []
    # A lab that runs already cannot begin to record.
    if running is not None and (options or not arguments.detach):
        remedy = f"source {directory}/lab.env to use it, or `vibedata lab down --dir {directory}` to end it"
        raise CommandError(f"a lab runs in {directory} already (process {running.pid})", remedy=remedy)
    if not arguments.detach:
        # This process becomes the lab, so nothing has to pass on signals and the exit code.
        os.chdir(lab_process.PROJECT)
        os.execv(sys.executable, lab_process.command(directory, "--output", arguments.output, *options))  # noqa: S606
    lab = running or lab_process.start_detached(directory, *options)
    warnings = lab_process.warnings(lab)
    text = "".join(f"# {warning}\n" for warning in warnings) + (directory / "lab.env").read_text()
    show(arguments.output, result={**lab.as_json(), "warnings": warnings}, text=text)
    return 0


def _down(directory: Path, arguments: argparse.Namespace) -> int:
    pid = lab_process.stop(directory)
    text = f"no lab runs in {directory}" if pid is None else f"the lab in {directory} has ended (process {pid})"
    show(arguments.output, result={"status": "down", "directory": str(directory), "pid": pid}, text=text)
    return 0


def _status(directory: Path, arguments: argparse.Namespace) -> int:
    lab = lab_process.find(directory)
    if lab is None:
        result = {"status": "down", "directory": str(directory), "pid": None}
        show(arguments.output, result=result, text=f"no lab runs in {directory}; {_start(directory)} starts one")
        return 1
    status = lab_process.control(lab, "GET", "/status")
    services, warnings = status["services"], status["warnings"]
    requests = lab_process.control(lab, "GET", "/requests/summary")
    counts = requests["services"]
    rows = [(name, url, sum(counts.get(name, {}).get("methods", {}).values())) for name, url in services.items()]
    text = table(f"lab in {directory}, process {lab.pid}", ("service", "address", "requests"), rows)
    shown = {**lab.as_json(), "services": services, "requests": requests, "warnings": warnings}
    show(arguments.output, result=shown, text=text + "".join(f"{warning}\n" for warning in warnings))
    return 0


def _start(directory: Path) -> str:
    return f"`vibedata lab up --detach --dir {directory}`"


def _reset(directory: Path, arguments: argparse.Namespace) -> int:
    lab = lab_process.find(directory)
    if lab is None:
        raise CommandError(f"no lab runs in {directory}", remedy=_start(directory))
    lab_process.control(lab, "POST", "/reset", seconds=lab_process.RESET_SECONDS)
    result = {"status": "reset", "directory": str(directory)}
    show(arguments.output, result=result, text=f"the lab in {directory} is back at its start")
    return 0
