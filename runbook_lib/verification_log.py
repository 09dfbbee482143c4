"""What the operations log tells of a verification: what was found, and by which certificate.

"verified" stands there only where it was.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.clock import rfc3339
from runbook_lib.errors import RunbookError
from runbook_lib.operations_log import Entry

if TYPE_CHECKING:
    from runbook_lib.notary_signature import VerifiedSignature
    from runbook_lib.release_verification import VerifiedRelease
    from runbook_lib.runbook import Context
    from runbook_lib.stored_release import StoredRelease

VERIFY = "verify"
V = TypeVar("V", "VerifiedRelease", "StoredRelease")


def recorded(context: "Context", target: str, verify: Callable[[], V]) -> V:
    """Return what `verify` returns, and write an event of it: who signed, or why it is refused. Raises what it does."""
    try:
        found = verify()
    except RunbookError as error:
        entry = Entry(
            step="observe",
            action=VERIFY,
            target=target,
            outcome="refused",
            error_code=error.code,
            message=error.message,
        )
        context.record(entry)
        raise
    context.record(_verified(target, found.digest, found.verified))
    return found


def _verified(target: str, digest: str, verified: "VerifiedSignature") -> Entry:
    return Entry(
        step="observe",
        action=VERIFY,
        target=target,
        outcome="verified",
        details={
            "Digest": digest,
            "Signer": verified.leaf_subject,
            "Certificate": verified.leaf_fingerprint,
            "TrustRoot": verified.anchor_fingerprint,
            "Algorithm": verified.algorithm,
            "SignedAt": rfc3339(verified.signing_time),
        },
    )
