"""Look at the two spools: the reports to the publisher, and the events of the operations log that wait.

A run looks before it sends its own reports, so it sees only what earlier runs left.
"""

from collections.abc import Mapping, Sequence

from runbook_lib.callbacks.spool import CallbackSpool
from runbook_lib.context import Context
from runbook_lib.errors import callbacks
from runbook_lib.health.observability import LOG, readable
from runbook_lib.health.rules import Observation
from runbook_lib.operations_log.delivery import log_spool
from runbook_lib.spool.container import Spooled
from runbook_lib.spool.keys import spool_keys

REPORTS = "reports"


def look_at_backlog(context: Context, log: Observation) -> Mapping[str, Observation]:
    """Return the observations of the reports and of the log. `log` says whether ingestion takes events."""
    clients, keys = context.clients, spool_keys(context.clients, context.redactor, context.clock)
    reports = CallbackSpool(clients=clients, keys=keys, instance_id=context.settings.instance_id)
    events = log_spool(clients, context.redactor, context.clock)
    backlog = readable(lambda: judge_backlog(events.waiting()[0], "events of the log"))
    return {
        REPORTS: readable(lambda: judge_backlog(reports.waiting()[0], "reports to the publisher")),
        LOG: backlog if log.sight == "answers" else log,
    }


def judge_backlog(waiting: Sequence[Spooled], what: str) -> Observation:
    """Return how many blobs wait, since when and why. `what` names their content. Pure.

    Before the first HMAC key every report waits. This does not count as ill.
    """
    if not waiting:
        return Observation("answers")
    since, newest = (pick(waiting, key=lambda each: each.created) for pick in (min, max))
    refused = sum(bool(each.refused_at) for each in waiting)
    told = f"{what} wait: {len(waiting)}, since {since.created:%Y-%m-%d %H:%M} UTC"
    told += f", {refused} of them refused because of the content" if refused else ""
    told += f" ({newest.why})" if newest.why else ""
    early = all(each.why == callbacks.NO_KEY_YET.code for each in waiting)
    return Observation("answers" if early else "impaired", told)
