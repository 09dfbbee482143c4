"""The signers that this instance trusts.

The deployment pins them. No run fetches them, and the starter of a job cannot choose them.

The settings `trust_roots` and `trusted_identity` come only from the environment or the Automation variable
(runbook_lib.azure.settings). Without both, nothing is trusted, and no release is read.
"""

from runbook_lib.azure.settings import Settings
from runbook_lib.errors import trust
from runbook_lib.trust.signature import TrustPolicy


def trust_policy(settings: Settings) -> TrustPolicy:
    """Return the signers to trust. Raises RunbookError VD-TRUST-030 if none is pinned."""
    missing = [name for name in ("trust_roots", "trusted_identity") if not getattr(settings, name)]
    if missing:
        raise trust.NOBODY_TRUSTED.error(f"without {' and '.join(missing)}")
    return TrustPolicy(roots=frozenset(settings.trust_roots.split(",")), identity=settings.trusted_identity)
