"""`vibedata run RUNBOOK`: run a runbook here, in this process, with this shell's login and settings."""

import argparse
import importlib
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from publisher.instances.precedence import environment_of
from runbook_lib.errors import RunbookError
from runbook_lib.run.parameters import HelpWanted, parse
from runbook_lib.runbook import Runbook
from runbook_lib.runbook import main as run_runbook
from vibedata.instances import choice, confirmation
from vibedata.instances.choice import Customer, announce, choose
from vibedata.operator import operator
from vibedata.output import show
from vibedata.runbook_names import runbook_names
from vibedata.session import session_at

EXAMPLES = """\
examples:
  vibedata run import_manifest --plan             show what it would do; change nothing
  vibedata run import_manifest --release-tag latest
  vibedata run check_health --instance ./contoso.json --plan
  vibedata run import_images -- --help            show the runbook's own help

Options that this command does not know go to the runbook. So does everything after --.
Without --instance, settings come from VIBEDATA_* in the environment. For the lab, first type: source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `run` to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="run a runbook in this shell",
        description="Run a runbook in this process, with this shell's login and settings.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runbook", choices=runbook_names(), metavar="RUNBOOK", help=", ".join(runbook_names()))
    parser.add_argument("--plan", action="store_true", help="show the changes, but make none")
    choice.add_option(parser)
    confirmation.add_option(parser)
    parser.add_argument("parameters", nargs="*", help="the runbook's own parameters")
    parser.set_defaults(run=run, passes_on=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the runbook and return its exit code."""
    module = importlib.import_module(f"runbooks.{arguments.runbook}")
    argv = [*arguments.parameters, *(["--plan-only"] if arguments.plan else [])]
    is_flags = all(word.startswith("--") for word in argv[:1])  # without a flag, argv is one base64url argument
    if is_flags and not any(word.startswith("--started-by") for word in argv):
        argv.append(f"--started-by={operator()} with vibedata")
    environ: Mapping[str, str] = os.environ
    field: dict[str, object] = {}
    wants_help = bool({"-h", "--help"} & set(argv))
    goes_back = _may_go_back(module.RUNBOOK, argv) and not arguments.yes
    customer = None if wants_help else _customer(arguments, needed=goes_back)
    if customer is not None:
        session_at(customer)  # check the login first: without a login, no other error can be found
        announce(customer)
        if goes_back:
            what = f"An older release may replace the installed one at {customer}."
            confirmation.confirm(what, customer.names, yes=False)
        environ, field = environment_of(customer.settings, os.environ), customer.as_field()
    if arguments.output == "text" or wants_help:  # the help of a runbook is not a result
        return run_runbook(module.RUNBOOK, argv, environ)
    stream = _Progress()
    code = run_runbook(module.RUNBOOK, argv, environ, stream=stream)
    show(arguments.output, result=field | json.loads(stream.last), text="")
    return code


def _may_go_back(runbook: Runbook[Any, Any], argv: Sequence[str]) -> bool:
    """Tell whether a run may put an older release in place. The runbook itself refuses words that cannot be read."""
    try:
        parameters = parse(runbook.parameters, argv)
    except (RunbookError, HelpWanted):
        return False
    return parameters.mode == "run" and bool(getattr(parameters, "allow_downgrade", False))


def _customer(arguments: argparse.Namespace, *, needed: bool) -> Customer | None:
    """Return the customer whose instance is meant.

    Return None if neither --instance nor VIBEDATA_INSTANCE names an instance, and the settings in the environment are
    missing or wrong. Then the runbook reports the error in its own result. If `needed` is set, raise the error instead:
    a person must type the customer's name.
    """
    try:
        return choose(arguments.instance, os.environ)
    except RunbookError:
        if needed or arguments.instance or os.environ.get(choice.VARIABLE):
            raise
        return None


class _Progress(io.BytesIO):
    """The output of a run, shown on standard error. `last` is the last line, which is the result."""

    last = b""

    def write(self, data: bytes, /) -> int:  # type: ignore[override] # a run writes only bytes, no other buffers
        self.last = data
        return sys.stderr.buffer.write(data)

    def flush(self) -> None:
        sys.stderr.buffer.flush()
