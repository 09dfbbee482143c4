"""Decide whether a shell command in a job's output may be shown to a person. Pure.

Somebody else may have changed the published runbook, and a person copies the command into a shell with more rights. So
a command counts only if the preflight prints exactly this command for this instance. Only two parts of it are free: the
name of a resource in the instance's group, and an ETag.

The command that gives a role never counts, because a job could name another identity. The checks that run outside of
the job print that command.
"""

import re
from collections.abc import Iterator
from typing import get_args

from runbook_lib.azure.settings import Settings
from runbook_lib.preflight.log_checks import rule_line, table_line
from runbook_lib.preflight.service_checks import container_line
from runbook_lib.release.immutability import LOCKED, create_line, lock_line
from runbook_lib.vault.hmac_key import SECRET as KEY
from runbook_lib.vault.publisher_token import SECRET as TOKEN
from runbook_lib.vault.token_in_use import Unusable, mending_line

# Stands for a free name in a line. A shell gives no character of such a name a special meaning.
ANY = "__ANY__"
_NAME = "[A-Za-z0-9_][A-Za-z0-9_-]{0,127}"


def may_be_shown(line: str, settings: Settings) -> bool:
    """Tell whether a line is a command of the Azure CLI that the preflight prints for this instance."""
    return any(re.fullmatch(re.escape(each).replace(ANY, _NAME), line) for each in lines_of(settings))


def lines_of(settings: Settings) -> Iterator[str]:
    """Yield each command that a job of the preflight may print. ANY stands for a name that the job chooses."""
    vault_url = settings.key_vault_endpoint.rstrip("/")
    for secret in (TOKEN, KEY):
        for state in get_args(Unusable):
            yield mending_line(state, vault_url=vault_url, name=secret)
    yield container_line(settings, ANY)
    yield create_line(settings)
    if settings.immutability == LOCKED:
        yield from (lock_line(settings, etag) for etag in (ANY, f'"{ANY}"'))
    group = settings.resource_group_id
    for each in (group, group.replace("/resourceGroups/", "/resourcegroups/")):  # ARM writes both
        yield rule_line(f"{each}/providers/Microsoft.Insights/dataCollectionRules/{ANY}")
    yield table_line(f"{group}/providers/Microsoft.OperationalInsights/workspaces/{ANY}")
