"""Whom this instance trusts, as its deployment pinned it: never fetched, never chosen by who starts a job.

The settings `trust_roots` and `trusted_identity` come from the environment or the Automation variable alone
(runbook_lib.azure.settings). Without both nothing is trusted, and no release is read.
"""

from runbook_lib.azure.settings import Settings
from runbook_lib.errors import trust
from runbook_lib.trust.signature import TrustPolicy


def trust_policy(settings: Settings) -> TrustPolicy:
    """Return whom to trust. Raises RunbookError VD-TRUST-030 if nobody is pinned."""
    missing = [name for name in ("trust_roots", "trusted_identity") if not getattr(settings, name)]
    if missing:
        raise trust.NOBODY_TRUSTED.error(f"without {' and '.join(missing)}")
    return TrustPolicy(roots=frozenset(settings.trust_roots.split(",")), identity=settings.trusted_identity)
