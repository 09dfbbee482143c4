"""`vibedata logs JOB`: what a job wrote, and how it ended; with `--follow` until it ends."""

import argparse
import sys
from datetime import timezone

from runbook_lib.automation.account import AutomationAccount
from vibedata.instances import choice
from vibedata.jobs.finding import KnownJob, find_job, known_job
from vibedata.jobs.following import Lines, follow
from vibedata.jobs.history import mode_in, starter_in, state_words
from vibedata.jobs.watched import watch
from vibedata.output import show
from vibedata.progress import reporter
from vibedata.progress_view.waiting import take_up
from vibedata.session import open_customer
from vibedata.terminal import told

EXAMPLES = """\
examples:
  vibedata logs import_images                   the newest job of this runbook
  vibedata logs 5f0e91c2 --follow               follow a job to its end
  vibedata logs 5f0e91c2-8f41-4b7e-9f0e-2f1a5c6d7e8f --instance k3v9x2p7 --output json

JOB is the id of a job, the beginning of its id, or the name of a runbook. `vibedata jobs` lists the jobs. For a job
that has ended you see what `vibedata invoke` shows at the end, with the same exit code. For a running job the exit
code is 0.

Without --instance, settings come from VIBEDATA_* in the environment. For the lab, first type: source .lab/lab.env
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `logs` to the command line."""
    parser = subparsers.add_parser(
        "logs",
        help="show what a job wrote and how it ended; follow a running job",
        description="Show what a job of the customer's Automation account wrote, and how it ended.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("job", metavar="JOB", help="a job's id, the beginning of its id, or a runbook's name")
    parser.add_argument("--follow", action="store_true", help="if the job runs, show its lines until it ends")
    choice.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the job and return 0 if it succeeded or, without --follow, if it still runs."""
    session, customer = open_customer(arguments)
    account = AutomationAccount(client=session.clients.automation, settings=session.settings)
    job = known_job(account, find_job(account, arguments.job))
    sys.stderr.write(_first_line(job) + "\n")
    sys.stderr.flush()
    about = {"mode": mode_in(job.given), "started_by": starter_in(job.given) or None}
    if arguments.follow or job.state.ended:
        correlation_id = job.given.get("correlation_id")
        return watch(
            told(job.state.runbook),
            lambda watcher: follow(
                account,
                job.state.job_id,
                watcher,
                clock=session.clock,
                correlation_id=correlation_id if isinstance(correlation_id, str) else "",
            ),
            session=session,
            customer=customer,
            output=arguments.output,
            about=about,
            known=True,
        )
    lines = Lines(account, job.state.job_id)
    write = reporter(arguments.output)
    for line in lines.new():
        write(line)
    if lines.note():
        write(lines.note())
    resume = take_up(job.state.job_id, customer.option)
    found = {"job_id": job.state.job_id, "runbook": told(job.state.runbook), **about, "resume": resume}
    show(
        arguments.output,
        result={"status": state_words(job.state.status), **customer.as_field(), **found},
        text=f"{told(job.state.runbook)}: {state_words(job.state.status)}; until its end: {resume}",
    )
    return 0


def _first_line(job: KnownJob) -> str:
    when = "" if job.created is None else f", {job.created.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
    starter = starter_in(job.given)
    by = f", started by {starter}" if starter else ""
    what = f"job {job.state.job_id} of {told(job.state.runbook)}"
    return f"{what}: {mode_in(job.given)}{by}{when}: {state_words(job.state.status)}"
