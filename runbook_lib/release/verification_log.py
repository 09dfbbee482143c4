"""The events of a verification: its outcome and the certificate. "verified" means a good signature."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import RunbookError, run
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.operations_log.events import Entry

if TYPE_CHECKING:
    from runbook_lib.context import Context
    from runbook_lib.trust.signature import VerifiedSignature

VERIFY = "verify"


class VerifiedArtifact(Protocol):
    """A verified artifact: its digest and its signature's content."""

    @property
    def digest(self) -> str:
        """Digest of the artifact."""

    @property
    def verified(self) -> "VerifiedSignature":
        """The content of its signature."""


Step = Literal["observe", "verify"]
V = TypeVar("V", bound=VerifiedArtifact | None)


def recorded(context: "Context", target: str, verify: Callable[[], V], *, step: Step = "observe") -> V:
    """Return the result of `verify`, and log it: who signed, or why the signature is refused or not known.

    There is no event for None: the artifact is absent, and nothing was verified. Raises the same as `verify`.
    """
    try:
        found = verify()
    except Exception as error:
        context.record(_refused(target, error, step))
        raise
    if found is not None:
        context.record(_verified(target, found, step))
    return found


def _refused(target: str, error: Exception, step: Step) -> Entry:
    named = as_runbook_error(error) or run.UNEXPECTED.error(type(error).__name__)
    return Entry(
        step=step,
        action=VERIFY,
        target=target,
        outcome="refused",
        error_code=named.code,
        message=f"Refused {target}: {named.message}",
        details=_signers(named),
    )


def _signers(error: RunbookError) -> Mapping[str, str]:
    """Return the signers that the refused signatures name. This does not prove who made them."""
    if not error.signers:
        return {}
    return {
        "Signer": "; ".join(signer.subject for signer in error.signers),
        "Certificate": ", ".join(signer.fingerprint for signer in error.signers),
    }


def _verified(target: str, found: VerifiedArtifact, step: Step) -> Entry:
    verified = found.verified
    return Entry(
        step=step,
        action=VERIFY,
        target=target,
        outcome="verified",
        message=f"Verified {target}. {verified.leaf_subject} has signed it.",
        details={
            "Digest": found.digest,
            "Signer": verified.leaf_subject,
            "Certificate": verified.leaf_fingerprint,
            "TrustRoot": verified.anchor_fingerprint,
            "Algorithm": verified.algorithm,
            "SignedAt": rfc3339(verified.signing_time),
        },
    )
