"""Check that every write of a runbook in the journal has its event in the operations log."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from bench.proofs.run import is_write
from bench.proofs.world import World
from tests.support.log_reader import table_rows
from tests.support.operations_chain import verify_chain

# A part of a write's path, and the action and target of its event. The request of an import names its image only in the
# body, and so does a batch of a table with its rows. For these the events of that kind are counted.
KINDS: tuple[tuple[str, str, re.Pattern[str], str, str], ...] = tuple(
    (service, method, re.compile(path), action, target)
    for service, method, path, action, target in (
        ("blob", "PUT", r"^/[^/]+/((?:release-manifests|artifacts)/[^?]+)", "store|keep", r"\1"),
        ("arm", "POST", r"/importImage\?", "import", ""),
        ("arm", "PUT", r"/automationAccounts/[^/]+/runbooks/([^/?]+)", "publish", r"runbook \1"),
        ("arm", "POST", r"/automationAccounts/[^/]+/runbooks/([^/?]+)/publish", "publish", r"runbook \1"),
        ("arm", "PUT", r"/automationAccounts/[^/]+/jobs/", "try", ""),
        ("arm", "PUT", r"/schedules/([^/?]+)", "create", r"schedule \1"),
        ("arm", "PUT", r"/jobSchedules/", "link", ""),
        ("arm", "PUT", r"/runtimeEnvironments/[^/]+/packages/", "import", ""),
        ("arm", "PUT", r"/runtimeEnvironments/[^/?]+\?", "create", ""),
        ("table", "POST", r"^/[^/]+/Tables", "create", ""),
        ("table", "POST", r"\$batch", "record", ""),
        ("key_vault", "PUT", r"^/secrets/([^/?]+)", "stage|promote", r"secret \1"),
        ("key_vault", "PATCH", r"^/secrets/([^/?]+)", "test|retire|promote", r"secret \1"),
        ("key_vault", "POST", r"^/keys/([^/?]+)/create", "create", r"key \1"),
        ("key_vault", "POST", r"^/certificates/([^/?]+)/create", "create", r"pending operation of \1"),
        ("key_vault", "DELETE", r"^/certificates/([^/?]+)/pending", "discard", r"pending operation of \1"),
        ("key_vault", "POST", r"^/certificates/([^/?]+)/pending/merge", "install", ""),
        ("key_vault", "PATCH", r"^/certificates/", "test|disable", ""),
        ("arm", "PUT", r"/applicationGateways/", "connect|refresh", ""),
        ("arm", "PUT", r"/ApplicationGatewayWebApplicationFirewallPolicies/", "allow", ""),
    )
)
# Writes of the log itself and to the spools. Requests that unwrap or sign with a key do not change the key.
NOT_LOGGED = re.compile(r"/streams/|/(?:operations|callbacks)-spool[/?]|/(?:unwrapkey|decrypt|sign)\b")


def unlogged_writes(world: World, entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the writes of jobs that have no event, and what is wrong with the log's chains.

    The log may lack the end of a killed run. The plan of a run is delivered before its first write.
    """
    runbooks = {job["id"]: job["runbook"] for job in world.lab.control("GET", "/jobs")["jobs"]}
    rows = table_rows(world.lab)
    problems = [
        f"the log's run {problem.run_id}: {problem.kind} at {problem.sequence}"
        for problem in verify_chain(rows)
        if problem.kind not in ("open", "copy")
    ]
    planned = [row for row in rows if row["Step"] == "plan"]
    carried_out = [entry for entry in entries if entry["job_id"] and is_write(entry) and (entry["status"] or 999) < 300]
    # Count each place once, because one change may take several requests.
    return problems + sorted({text for entry in carried_out if (text := _unlogged(entry, runbooks, planned))})


def _unlogged(entry: Mapping[str, Any], runbooks: Mapping[str, str], planned: Sequence[Mapping[str, Any]]) -> str:
    path = unquote(entry["path"])
    if entry["service"] == "publisher_api" or NOT_LOGGED.search(path):
        return ""
    runbook = runbooks[entry["job_id"]]
    shown = f"{runbook}: {entry['service']} {entry['method']} {path.partition('?')[0]}"
    for service, method, pattern, action, target in KINDS:
        found = pattern.search(path) if (service, method) == (entry["service"], entry["method"]) else None
        if found is None:
            continue
        sought = found.expand(target)
        events = Counter(
            row["Runbook"] == runbook and re.fullmatch(action, row["Action"]) is not None and sought in row["Target"]
            for row in planned
        )
        return "" if events[True] else f"no event for {shown}"
    return f"a write of no known kind: {shown}"
