"""What the catalogue of errors says of one failure."""

from dataclasses import dataclass

EXIT_FAILED = 1
EXIT_USAGE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEntry:
    """What is known of one failure: what happened, why, what to do now, and whether a rerun as it is can help."""

    code: str
    title: str
    cause: str
    remedy: str
    retryable: bool
    exit_code: int = EXIT_FAILED


def entry(
    code: str, title: str, cause: str, remedy: str, *, retryable: bool = False, exit_code: int = EXIT_FAILED
) -> ErrorEntry:
    """Return an entry; most have nothing special about rerun and exit code."""
    return ErrorEntry(code=code, title=title, cause=cause, remedy=remedy, retryable=retryable, exit_code=exit_code)
