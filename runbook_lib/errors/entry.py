"""One failure's entry in the catalogue, and the error class that carries an entry."""

from dataclasses import dataclass

from runbook_lib.basics.redaction import without_link_signatures

EXIT_FAILED = 1
EXIT_USAGE = 2
# docs/design.md#running-a-runbook: another deployment holds the lock.
EXIT_LOCK_HELD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEntry:
    """One failure.

    Attributes:
        code: The code that users see, e.g. `VD-IMPORT-003`. Once released, it keeps its meaning.
        title: What happened.
        cause: Why it happened.
        remedy: What to do now.
        retryable: Whether a rerun can help although nobody has changed anything.
        exit_code: The exit code of a process that ends with this failure.
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

    def error(self, detail: str = "", *, target: str = "", remedy: str = "", line: str = "") -> "RunbookError":
        """Return the error of this entry.

        Args:
            detail: What the run saw this time.
            target: The thing that failed, e.g. the name of a blob.
            remedy: What to do this time, if it differs from what the entry says.
            line: The line for a shell that mends it, if there is one.
        """
        return RunbookError(self, detail, target=target, remedy=remedy, line=line)


def entry(
    code: str, title: str, cause: str, remedy: str, *, retryable: bool = False, exit_code: int = EXIT_FAILED
) -> ErrorEntry:
    """Return an entry. Most entries need neither `retryable` nor `exit_code`."""
    return ErrorEntry(code=code, title=title, cause=cause, remedy=remedy, retryable=retryable, exit_code=exit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSigner:
    """The signer that a refused signature names. Nothing proves that this is true.

    Attributes:
        subject: The subject of the signing certificate.
        fingerprint: The SHA-256 of the signing certificate in DER, hex.
        passed: The checks that the signature passed before it was refused, in the order of the steps.
    """

    subject: str
    fingerprint: str
    passed: tuple[str, ...]


class RunbookError(Exception):
    """A failure from the catalogue. `str()` is the text that the user reads.

    Args:
        entry: The entry in the catalogue.
        detail: What the run saw this time.
        target: The thing that failed.
        remedy: What to do this time, if it differs from what the entry says.
        line: The line for a shell that mends it, "" for none.

    Attributes:
        signers: If signatures were refused, the signers that they name.
        origin: The failure that caused this one, by default this one itself. The output shows an origin once.
    """

    def __init__(
        self, entry: ErrorEntry, detail: str = "", *, target: str = "", remedy: str = "", line: str = ""
    ) -> None:
        self.entry = entry
        self.code = entry.code
        self.area = entry.area
        # Errors of the SDKs quote addresses, and some places that show an error have no redactor.
        self.detail = detail = without_link_signatures(detail)
        self.target = target
        where = f" ({target})" if target else ""
        # The message is one line, so that no text of a service can look like a line of ours.
        self.message = " ".join((f"{entry.title}{where}" + (f": {detail}" if detail else "")).split())
        self.cause = entry.cause
        self.remedy = remedy or entry.remedy
        self.line = line
        self.retryable = entry.retryable
        self.exit_code = entry.exit_code
        self.title = entry.title
        self.origin = (entry.code, target)
        self.signers: tuple[RefusedSigner, ...] = ()
        super().__init__(self.message)

    def is_(self, *entries: ErrorEntry) -> bool:
        """Return whether this error carries one of these entries."""
        return self.entry in entries

    def __str__(self) -> str:
        """Return four lines: what happened, why, what to do, and whether a rerun helps."""
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
