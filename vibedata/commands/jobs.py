"""`vibedata jobs`: the newest jobs of an instance, and how they ended."""

import argparse
import re
import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from functools import partial

from runbook_lib.automation.access import AccountAccess
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.errors import automation
from runbook_lib.workers import side_by_side
from vibedata.instances import choice
from vibedata.jobs.finding import MAX_WORD_CHARACTERS, ListedJob, chosen, listed_jobs
from vibedata.jobs.history import NOT_WELL, Job, read_job
from vibedata.output import show
from vibedata.runbook_names import runbook_names
from vibedata.session import open_customer
from vibedata.shell_checks import nearest

EXAMPLES = """\
examples:
  vibedata jobs                                 the newest 20
  vibedata jobs --instance k3v9x2p7 --failed --since 7d
  vibedata jobs --runbook check_health --limit 5
  vibedata jobs --older-than 5f0e91c2           the next page: the jobs before this one
  vibedata jobs --output json

Times are in UTC. Automation keeps jobs for 30 days. `vibedata logs JOB` shows what a job wrote and how it ended.
The exit code is 0 even if jobs have failed.

Without --instance, settings come from VIBEDATA_* in the environment. For the lab, first type: source .lab/lab.env
"""
DEFAULT_LIMIT, MAX_LIMIT = 20, 200
# Reading a job takes two requests. Everybody who reads jobs of the same subscription shares 600 requests
# (docs/azure-facts.md#recorded-answers).
LOOKS_AT_ONCE = 4
_AGO = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
# How much of a job's id a row shows: enough for `vibedata logs`.
ID_CHARACTERS = 8
RESULT_CHARACTERS = 60
MAX_NAME_CHARACTERS = 30
# The second line of a job begins below the first character of the job's id.
INDENT = 13


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `jobs` to the command line."""
    parser = subparsers.add_parser(
        "jobs",
        help="list the newest jobs, and how they ended",
        description="List the newest jobs of the customer's Automation account: who started what, and how it ended.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runbook", metavar="NAME", default="", help="only the jobs of this runbook")
    parser.add_argument("--failed", action="store_true", help="only jobs that have ended, and not well")
    parser.add_argument(
        "--since", metavar="TIME", type=_since, help="only jobs since then: 30m, 12h or 7d ago, or 2026-11-29T10:00:00Z"
    )
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_limit,
        default=DEFAULT_LIMIT,
        help=f"at most this number of jobs (default: {DEFAULT_LIMIT})",
    )
    parser.add_argument(
        "--older-than", metavar="JOB", default="", help="only jobs before this one: its id, or the beginning of its id"
    )
    choice.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the jobs and return 0."""
    session, customer = open_customer(arguments)
    account = AccountAccess(client=session.clients.automation, settings=session.settings)
    listed = listed_jobs(account)
    wanted = _wanted(listed, arguments, session.clock.now())
    page, more = wanted[: arguments.limit], max(len(wanted) - arguments.limit, 0)
    jobs = side_by_side(partial(read_job, account), page, at_once=LOOKS_AT_ONCE)
    older = page[-1].job_id if page and more else None
    result = {
        "status": "listed",
        **customer.as_field(),
        "jobs": [job.as_json() for job in jobs],
        "more": more,
        "older_than": older,
    }
    again = "" if older is None else f"{more} older: {_older(arguments, older, customer.option)}\n"
    show(arguments.output, result=result, text=_text(jobs) + again)
    return 0


def _older(arguments: argparse.Namespace, job_id: str, option: str) -> str:
    """Return the command that shows the jobs before the job with this id."""
    words = f"vibedata jobs --older-than {job_id[:ID_CHARACTERS]}"
    if arguments.runbook:
        words += f" --runbook {shlex.quote(arguments.runbook)}"
    if arguments.failed:
        words += " --failed"
    if arguments.since:
        words += f" --since {_since_text(arguments.since)}"
    return words + (f" --limit {arguments.limit}" if arguments.limit != DEFAULT_LIMIT else "") + option


def _wanted(listed: Sequence[ListedJob], arguments: argparse.Namespace, now: datetime) -> list[ListedJob]:
    """Return the jobs that the options want. Raises RunbookError VD-AUTOMATION-023, -024."""
    wanted = list(listed)
    if arguments.older_than:
        job_id = chosen(listed, arguments.older_than)
        wanted = wanted[[job.job_id for job in listed].index(job_id) + 1 :]
    if arguments.runbook:
        names = {job.runbook.lower(): job.runbook for job in listed}
        known = sorted({*names.values(), *runbook_names()})
        if arguments.runbook.lower() not in {name.lower() for name in known}:
            detail = f"there are jobs of {', '.join(sorted(names.values())) or 'no runbook'}"
            detail += nearest(arguments.runbook, known)
            raise automation.NO_SUCH_JOB.error(detail, target=arguments.runbook[:MAX_WORD_CHARACTERS])
        wanted = [job for job in wanted if job.runbook.lower() == arguments.runbook.lower()]
    if arguments.failed:
        wanted = [job for job in wanted if job.status in NOT_WELL]
    if arguments.since is not None:
        since = now - arguments.since if isinstance(arguments.since, timedelta) else arguments.since
        wanted = [job for job in wanted if job.created is not None and job.created >= since]
    return wanted


def _text(jobs: Sequence[Job]) -> str:
    """Return two lines for each job. A line fits into a terminal of 80 columns if the texts in it are short."""
    if not jobs:
        return "no such jobs\n"
    width = min(max(len(job.runbook) for job in jobs), MAX_NAME_CHARACTERS)
    return "".join(_lines(job, width) for job in jobs)


def _lines(job: Job, width: int) -> str:
    when = "-" if job.created is None else job.created.astimezone(timezone.utc).strftime("%m-%d %H:%M")
    result = _short(f"{job.code} {job.result}".strip(), RESULT_CHARACTERS)
    first = f"{when:<11}  {job.job_id[:ID_CHARACTERS]}  {_short(job.runbook, width):<{width}}  {job.state:<9}  {result}"
    about = [job.mode, *([f"release {job.release}"] if job.release else [])]
    if job.started_by:
        about.append(f"started by {_short(job.started_by, RESULT_CHARACTERS)}")
    return f"{first.rstrip()}\n{' ' * INDENT}{', '.join(about)}\n"


def _short(words: str, limit: int) -> str:
    return words if len(words) <= limit else words[: max(limit - 4, 0)] + " ..."


def _limit(text: str) -> int:
    """Return the number. Raises ArgumentTypeError, because argparse does not show the message of a ValueError."""
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise argparse.ArgumentTypeError(f"takes 1 to {MAX_LIMIT}")
    return int(text)


def _since_text(since: timedelta | datetime) -> str:
    """Return the text of a `--since` option from which `_since` makes the same value."""
    if isinstance(since, datetime):
        return rfc3339(since)
    sizes = {letter: timedelta(**{unit: 1}) for letter, unit in _UNITS.items()}
    return next(f"{since // size}{letter}" for letter, size in reversed(sizes.items()) if since % size == timedelta(0))


def _since(text: str) -> timedelta | datetime:
    """Return how long ago the time is, or the time itself (aware)."""
    ago = _AGO.fullmatch(text)
    if ago:
        return timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        moment = from_rfc3339(text)
    except ValueError:
        moment = None
    if moment is None:
        raise argparse.ArgumentTypeError("takes 30m, 12h, 7d, or a time such as 2026-11-29T10:00:00Z")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
