"""The credentials in check_health: whether they will go on working, and the facts that check_health records."""

from runbook_lib.context import Context
from runbook_lib.health.credentials import judge_credentials
from runbook_lib.health.observability import readable
from runbook_lib.health.rules import Observation
from runbook_lib.rotation.credentials import FoundCredential, read_credentials


def look_at_credentials(context: Context) -> tuple[Observation, tuple[FoundCredential, ...]]:
    """Return whether the credentials will go on working, and the facts about them.

    If the vault cannot be read, this is an illness, and there are no facts.
    """
    found: list[FoundCredential] = []
    now = context.clock.now()

    def look() -> Observation:
        found.extend(read_credentials(context.clients.secrets, now))
        return judge_credentials([each.state for each in found], now)

    return readable(look), tuple(found)
