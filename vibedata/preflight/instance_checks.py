"""The additional checks of `vibedata doctor`, for an instance that runs.

They use the data that `vibedata status` reads. They compare the published runbooks in the same way as validate_runbooks
does.
"""

import io
import json
import shlex
import sys
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import islice

from runbook_lib.azure.session import AzureSession
from runbook_lib.callbacks.spool import CONTAINER as CALLBACKS_SPOOL
from runbook_lib.component_registry.identity import check_recorded, identity_of
from runbook_lib.component_registry.schema import IDENTITY_COLUMNS, IDENTITY_KEY, SCHEMA, TABLES
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError, automation, publisher
from runbook_lib.health.schedule import RunbookSchedule, schedule_name
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.listing import bounded
from runbook_lib.operations_log.delivery import SPOOL_CONTAINER
from runbook_lib.preflight.finding import Finding, bad, good, look, of_error, unknown
from runbook_lib.run.output import JobOutput
from runbook_lib.vault.credential_states import read_credential_states
from runbook_lib.vault.credential_trouble import trouble_of
from runbooks import validate_runbooks
from vibedata.commands import status
from vibedata.instances.choice import Customer
from vibedata.status.facts import STALE, Level, age
from vibedata.status.report import report

CHECK = "check_health"
SPOOLS = (SPOOL_CONTAINER, CALLBACKS_SPOOL)
# At most this number of blobs in a spool is counted. A run delivers some hundreds.
MOST_BLOBS = 5000
AUTOMATION_API_VERSION = "2024-10-23"


def check_instance(session: AzureSession, customer: Customer) -> Iterator[Finding]:
    """Yield the good and bad findings about an instance that runs. This only reads.

    An error that is not in the catalogue is a fault of this code. This function raises it.
    """
    yield look("component registry", partial(_recorded, session), refused="unknown")
    yield from _status(session, customer)
    yield look("credentials", partial(_credentials, session, customer), refused="unknown")
    yield _schedule(session)
    yield from _runbooks(session)
    for container in SPOOLS:
        yield look(f"spool {container}", partial(_spool, session, container), refused="unknown")


def _recorded(session: AzureSession) -> str:
    """Check the tables and the instance that they belong to.

    Raises RunbookError VD-DOCTOR-001, VD-COMPONENT-008, -009, VD-STORAGE-005.
    """
    from azure.core.exceptions import ResourceNotFoundError

    tables = session.clients.table_service
    there = {table.name for table in bounded(tables.list_tables(), target="tables")}
    missing = [name for name in TABLES if name not in there]
    if missing:
        raise publisher.NOT_BOOTSTRAPPED.error(f"there is no table {', '.join(missing)}")
    try:
        entity = tables.get_table_client(SCHEMA).get_entity(*IDENTITY_KEY, select=list(IDENTITY_COLUMNS))
    except ResourceNotFoundError as error:
        raise publisher.NOT_BOOTSTRAPPED.error(
            f"table {SCHEMA} does not record the identity of the instance"
        ) from error
    own = identity_of(session.settings)
    check_recorded(entity, own)
    return f"has {len(TABLES)} tables, of {own}"


def _status(session: AzureSession, customer: Customer) -> Iterator[Finding]:
    try:
        verdict = report(status.read(session, customer)).verdict
    except RunbookError as error:  # nothing at all can be read
        yield unknown("status", error.message)
        return
    notes = [(note.level, note.text, note.remedy) for note in verdict.notes]
    # A headline without a remedy only counts the things that the notes tell one by one.
    if verdict.level in (Level.ILL, Level.UNKNOWN) and (verdict.remedy or not notes):
        notes.insert(0, (verdict.level, verdict.headline, verdict.remedy))
    look = f"Run `vibedata status{customer.option}`: it shows the whole status."
    for level, told, remedy in notes:
        if level is Level.UNKNOWN:
            yield unknown("status", told)
        else:
            yield bad("status", publisher.NEEDS_ATTENTION.error(told, remedy=remedy or look))
    if not notes:
        yield good("status", verdict.headline)


def _credentials(session: AzureSession, customer: Customer) -> str:
    """Check that each credential exists and works. Raises RunbookError VD-VAULT-001, -003, VD-DOCTOR-004."""
    secrets = session.clients.secrets
    states = read_credential_states(secrets, session.clock.now())
    for state in states:
        trouble = trouble_of(secrets, state)
        if trouble is not None:
            raise trouble
        if state.state == "not provisioned":
            remedy = f"The publisher provisions it: `vibedata rotate-hmac{customer.option}`."
            raise publisher.NEEDS_ATTENTION.error("it is not provisioned", target=state.id, remedy=remedy)
    return ", ".join(f"{state.id} is {state.state}" for state in states)


def _schedule(session: AzureSession) -> Finding:
    """Check that the schedule starts check_health."""
    subject, name = f"schedule of {CHECK}", schedule_name(CHECK)
    schedule = RunbookSchedule.read(session, CHECK)
    if schedule.published is None:
        return unknown(subject, schedule.seen.reason)
    if schedule.seen.sight == "answers":
        return good(subject, f"is there, {schedule.rhythm}")
    if schedule.published and (schedule.rhythm is None or schedule.link is None):
        told = "it is absent" if schedule.rhythm is None else f"it is not linked with {CHECK}"
        return bad(subject, publisher.NO_SCHEDULE.error(told, target=name))
    line = _enabling_line(session, name) if schedule.published else ""
    return bad(subject, publisher.NO_SCHEDULE.error(schedule.seen.reason, target=name, line=line))


def _enabling_line(session: AzureSession, name: str) -> str:
    settings = session.settings
    url = (
        f"{settings.resource_group_id}/providers/Microsoft.Automation/automationAccounts/{settings.automation_account}"
        f"/schedules/{name}?api-version={AUTOMATION_API_VERSION}"
    )
    body = json.dumps({"name": name, "properties": {"isEnabled": True}})
    return f"az rest --method patch --url {shlex.quote(url)} --body {shlex.quote(body)}"


def _runbooks(session: AzureSession) -> Iterator[Finding]:
    """Compare runbooks and packages with the installed release, as validate_runbooks does before its trials."""
    told = io.BytesIO()
    try:
        # No runbook is tried here. So it does not matter which runbooks former jobs have proven.
        facts = validate_runbooks.observe(_context(session, told), validate_runbooks.Parameters(try_all=True))
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        yield of_error("runbooks and packages", named, refused="unknown")
        return
    finally:
        sys.stderr.write(told.getvalue().decode())
    ill = {name: lacks for name, lacks in facts.lacks.items() if lacks}
    for name, lacks in ill.items():
        yield bad(f"runbook {name}", automation.RUNBOOK_NOT_READY.error("; ".join(map(str, lacks)), target=name))
    if not ill:
        yield good("runbooks and packages", f"{len(facts.lacks)} runbooks are as release {facts.version} has them")


def _context(session: AzureSession, told: io.BytesIO) -> Context:
    """Return the context of a run that only plans. `told` gets its messages."""
    run_id = str(uuid.uuid4())
    return Context(
        settings=session.settings,
        clients=session.clients,
        clock=session.clock,
        redactor=session.redactor,
        retry_policy=session.retry_policy,
        output=JobOutput(told, redactor=session.redactor, clock=session.clock),
        run_id=run_id,
        correlation_id=run_id,
        record=lambda _entry: None,
        deliver_log=lambda: None,
    )


def _spool(session: AzureSession, container: str) -> str:
    blobs = bounded(session.clients.blob_service.get_container_client(container).list_blobs(), target=container)
    times = [blob.creation_time or blob.last_modified for blob in islice(blobs, MOST_BLOBS)]
    return judge_spool(container, times, session.clock.now())


def judge_spool(container: str, times: Sequence[datetime], now: datetime) -> str:
    """Return in words what waits in a spool. Pure. `times` say when each blob was written, of at most MOST_BLOBS blobs.

    Raises RunbookError VD-DOCTOR-003 (a blob waits for longer than STALE).
    """
    if not times:
        return "nothing waits"
    if len(times) < MOST_BLOBS:
        told = f"{len(times)} wait, the oldest was written {age(min(times), now)}"
    else:
        told = f"at least {MOST_BLOBS} wait, the oldest of these was written {age(min(times), now)}"
    if now - min(times) > STALE:
        raise publisher.SPOOL_WAITS.error(told, target=container)
    return told
