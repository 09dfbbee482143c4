"""Every failure that a user can meet, with what to do about it.

One catalogue, in a module for each area; docs/errors.md is generated from it. A code, once released, keeps its meaning.
"""

from contextlib import suppress
from dataclasses import dataclass

from runbook_lib.basics.redaction import without_link_signatures
from runbook_lib.errors import callbacks as error_catalogue_callbacks
from runbook_lib.errors import customer as error_catalogue_customer
from runbook_lib.errors import release as error_catalogue_release
from runbook_lib.errors import rotation as error_catalogue_rotation
from runbook_lib.errors import run as error_catalogue_run
from runbook_lib.errors import trust as error_catalogue_trust
from runbook_lib.errors.entry import EXIT_USAGE, ErrorEntry

# A built runbook has none of these, as it can meet none (oci/bundling/closure.py).
PUBLISHER: tuple[ErrorEntry, ...] = ()
with suppress(ImportError):
    from runbook_lib.errors.publisher import ENTRIES as PUBLISHER

__all__ = ["CATALOGUE", "EXIT_USAGE", "ErrorEntry", "RefusedSigner", "RunbookError"]

CATALOGUE: dict[str, ErrorEntry] = {
    entry.code: entry
    for entries in (
        error_catalogue_run.ENTRIES,
        error_catalogue_release.ENTRIES,
        error_catalogue_customer.ENTRIES,
        PUBLISHER,
        error_catalogue_trust.ENTRIES,
        error_catalogue_rotation.ENTRIES,
        error_catalogue_callbacks.ENTRIES,
    )
    for entry in entries
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSigner:
    """Whom a signature that is refused names as its signer; nothing of it is believed.

    subject and fingerprint (SHA-256 of DER, hex): of the signing certificate. passed: what was found good of the
    signature before it was refused, in the order of the steps.
    """

    subject: str
    fingerprint: str
    passed: tuple[str, ...]


class RunbookError(Exception):
    """A failure from the catalogue; `str()` is what the user reads.

    Parameters: code, a key of CATALOGUE (KeyError for another); detail, what was seen this time; target, what it was
    seen at; remedy, what to do this time, where more is known than the catalogue says. signers: of the signatures that
    were refused, where that is what failed and their certificates can be read. origin: what lies at the bottom of it.
    """

    def __init__(self, code: str, detail: str = "", *, target: str = "", remedy: str = "") -> None:
        entry = CATALOGUE[code]
        self.code = code
        # Errors of the SDKs quote addresses. Not every place that shows an error has a redactor.
        self.detail = detail = without_link_signatures(detail)
        self.target = target
        where = f" ({target})" if target else ""
        # One line, whatever the detail is: words of others begin no line of their own.
        self.message = " ".join((f"{entry.title}{where}" + (f": {detail}" if detail else "")).split())
        self.cause = entry.cause
        self.remedy = remedy or entry.remedy
        self.retryable = entry.retryable
        self.exit_code = entry.exit_code
        self.title = entry.title
        # A consequence has its cause's: the same cause is told once.
        self.origin = (code, target)
        self.signers: tuple[RefusedSigner, ...] = ()
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the whole story in four lines: what, why, what to do, whether to run again."""
        again = "run it again, nothing is lost" if self.retryable else "mend the cause first; then a rerun is safe"
        return f"{self.code}: {self.message}\n  cause: {self.cause}\n  what to do: {self.remedy}\n  rerun: {again}"

    def as_json(self) -> dict[str, object]:
        """Return the `error` member of a runbook's result (design section 3)."""
        return {
            "code": self.code,
            "message": self.message,
            "cause": self.cause,
            "remedy": self.remedy,
            "retryable": self.retryable,
        }
