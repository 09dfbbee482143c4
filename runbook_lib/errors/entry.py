"""What the catalogue says of one failure, and the error that carries it."""

from dataclasses import dataclass

from runbook_lib.basics.redaction import without_link_signatures

EXIT_FAILED = 1
EXIT_USAGE = 2
# docs/design.md#running-a-runbook: another deployment holds the lock.
EXIT_LOCK_HELD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEntry:
    """What is known of one failure: what happened, why, what to do now, and whether a rerun as it is can help.

    code: as users see it, e.g. `VD-IMPORT-003`; once released, it keeps its meaning.
    """

    code: str
    title: str
    cause: str
    remedy: str
    retryable: bool
    exit_code: int = EXIT_FAILED

    @property
    def area(self) -> str:
        """The code without its number, e.g. `VD-IMPORT`."""
        return self.code.rpartition("-")[0]

    def error(self, detail: str = "", *, target: str = "", remedy: str = "") -> "RunbookError":
        """Return the error of this entry.

        Args:
            detail: What was seen this time.
            target: What it was seen at, e.g. the name of a blob.
            remedy: What to do this time, where more is known than the entry says.
        """
        return RunbookError(self, detail, target=target, remedy=remedy)


def entry(
    code: str, title: str, cause: str, remedy: str, *, retryable: bool = False, exit_code: int = EXIT_FAILED
) -> ErrorEntry:
    """Return an entry. Most entries need neither `retryable` nor `exit_code`."""
    return ErrorEntry(code=code, title=title, cause=cause, remedy=remedy, retryable=retryable, exit_code=exit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSigner:
    """Whom a refused signature names as its signer. Nothing of it is believed.

    subject and fingerprint (SHA-256 of DER, hex): of the signing certificate. passed: the checks that the signature
    passed before it was refused, in the order of the steps.
    """

    subject: str
    fingerprint: str
    passed: tuple[str, ...]


class RunbookError(Exception):
    """A failure from the catalogue. `str()` is what the user reads.

    Args:
        entry: What the catalogue says of it.
        detail: What was seen this time.
        target: What it was seen at.
        remedy: What to do this time, where more is known than the entry says.

    Attributes:
        signers: Whom the refused signatures name, where refused signatures are the failure.
        origin: The failure that this one follows from, by default itself. The same origin is told once.
    """

    def __init__(self, entry: ErrorEntry, detail: str = "", *, target: str = "", remedy: str = "") -> None:
        self.entry = entry
        self.code = entry.code
        self.area = entry.area
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
        self.origin = (entry.code, target)
        self.signers: tuple[RefusedSigner, ...] = ()
        super().__init__(self.message)

    def is_(self, *entries: ErrorEntry) -> bool:
        """Return whether this is a failure of one of these entries."""
        return self.entry in entries

    def __str__(self) -> str:
        """Return the whole story in four lines: what, why, what to do, whether to run again."""
        again = "run it again, nothing is lost" if self.retryable else "correct the cause first; then a rerun is safe"
        return f"{self.code}: {self.message}\n  cause: {self.cause}\n  what to do: {self.remedy}\n  rerun: {again}"

    def as_json(self) -> dict[str, object]:
        """Return the `error` member of a runbook's result."""
        return {
            "code": self.code,
            "message": self.message,
            "cause": self.cause,
            "remedy": self.remedy,
            "retryable": self.retryable,
        }
