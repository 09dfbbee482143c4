"""Run the preflight as a job. The job has the identity of the runbooks, and sees what only the sandbox can see."""

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.azure.session import AzureSession
from runbook_lib.azure.settings import Settings
from runbook_lib.basics import strict_json
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.preflight.finding import State, bad, unknown
from runbooks.preflight import ROW, RUNBOOK
from vibedata.error_catalogue import CATALOGUE
from vibedata.jobs.following import run_job
from vibedata.jobs.verdict import result_of
from vibedata.preflight.rows import SANDBOX, Row, row_of
from vibedata.preflight.shell_line import may_be_shown
from vibedata.progress_view.events import StepBegan
from vibedata.progress_view.writer import View

SUBJECT = f"runbook {RUNBOOK.name}"
# The runbook writes a few dozen rows. A changed runbook may fill its whole output with them.
MAX_ROWS = 300
UNKNOWN_CODE = "The job's code is not known here: publish the runbook of this release, and look again."


def rows_of_sandbox(session: AzureSession, view: View) -> tuple[Row, ...]:
    """Run the published preflight as a job with plan_only, and return its rows.

    If the preflight is not published yet, or does not run, one row says so. `view` shows what the job waits for.
    """
    try:
        account = AutomationAccount(client=session.clients.automation, settings=session.settings)
        held = account.runbook(RUNBOOK.name)
        if held is None or held.sha256 is None:
            why = "it is not published yet, so that nobody has looked from there"
            return (row_of(unknown(SUBJECT, why), SANDBOX),)
        view.tell(StepBegan(RUNBOOK.name))
        return _rows_of_job(session, account, view)
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        return (row_of(bad(SUBJECT, named), SANDBOX),)


def _rows_of_job(session: AzureSession, account: AutomationAccount, view: View) -> tuple[Row, ...]:
    job = run_job(session, RUNBOOK.name, {"rows": True, "plan_only": True}, view.silent_job(RUNBOOK.name))
    error = result_of(job)["error"]
    # The list of a job's records has only the beginning of each record. The job's output is complete.
    output = str(account.client.job.get_output(*account.at, job.job_id))
    return rows_in(output, job.job_id, error if isinstance(error, Mapping) else None, session.settings)


def rows_in(output: str, job_id: str, error: Mapping[str, object] | None, settings: Settings) -> tuple[Row, ...]:
    """Return the rows in a job's output, at most MAX_ROWS. Pure.

    One more row tells the run's error. Others say that there are no rows, that some cannot be read, or that there are
    too many.
    """
    written = [line.removeprefix(ROW) for line in output.splitlines() if line.startswith(ROW)]
    rows = [row for line in written[:MAX_ROWS] if (row := read_row(line, settings)) is not None]
    ill = len(rows) < len(written[:MAX_ROWS])
    if error is not None:
        rows.append(_row_of_error(error))
    if ill or not rows:
        told = f"job {job_id} has rows that cannot be read" if written else f"job {job_id} has no rows"
        rows.append(row_of(unknown(SUBJECT, told), SANDBOX))
    if len(written) > MAX_ROWS:
        rows.append(row_of(unknown(SUBJECT, f"job {job_id} has more than {MAX_ROWS} rows"), SANDBOX))
    return tuple(rows)


def read_row(text: str, settings: Settings) -> Row | None:
    """Return the row in a line that a job has written, None if it has no row. Pure.

    The row does not get the remedy of the line. It gets the command of the line only if the preflight prints that
    command for this instance (`settings`).
    """
    try:
        fields = strict_json.loads(text)
    except strict_json.NotStrictJsonError:
        return None
    names = ("subject", "state", "detail", "code", "remedy", "line")
    if not isinstance(fields, dict) or not all(isinstance(fields.get(name), str) for name in names):
        return None
    if fields["state"] not in get_args(State):
        return None
    line = fields["line"] if may_be_shown(fields["line"], settings) else ""
    row = Row(subject=fields["subject"], state=fields["state"], detail=fields["detail"], line=line)
    return _with_code(row, fields["code"])


def _row_of_error(error: Mapping[str, object]) -> Row:
    """Return the row of a run that failed before it had looked at everything."""
    return _with_code(
        Row(subject=SUBJECT, state="bad", detail=str(error.get("message", ""))), str(error.get("code", ""))
    )


def _with_code(row: Row, code: str) -> Row:
    """Return a row of a job with its code, and with the remedy that this command has for the code.

    Somebody else may have changed the runbook. So the remedy does not come from the job.
    """
    entry = CATALOGUE.get(code)
    remedy = entry.remedy if entry else UNKNOWN_CODE if code else ""
    return replace(row, code=entry.code if entry else "", remedy=remedy, seen_from=(SANDBOX,))
