"""What a job prints: plain lines on stdout, within Automation's limits, with no secret in them.

Automation picks the stream by a line's prefix, one record per line, and does not support stderr; a stream over 1 MiB
fails the job (docs/azure-facts.md#python-and-its-limits and #parameters-and-streams).
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import BinaryIO

from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.basics.visible_text import visible
from runbook_lib.errors import RunbookError, run

# All streams together (docs/design.md#running-a-runbook); the facts give it for one stream, so this is on the safe
# side.
STREAM_LIMIT = 1024 * 1024
# Kept free for the result, whose own cap this is: it is the last line and must always fit.
RESULT_LIMIT = 256 * 1024
# Kept free for warnings and errors when progress has used up the rest.
ERRORS_RESERVE = 128 * 1024
# Kept free for the line that says that something is left out.
NOTICE_RESERVE = 1024
# One record, in characters: a service's whole HTML error page tells nobody more than its beginning.
RECORD_LIMIT = 16 * 1024
PROGRESS_SECONDS = 2.0

# The prefixes that pick a stream, in the spellings that the worker knows; and what the result alone begins with.
_RESERVED = re.compile(r"(error|warning|verbose|debug):|\{", re.IGNORECASE)


class JobOutput:
    """Writes lines, for many threads.

    Parameters: stream, stdout's bytes; redactor, asked for every line; clock, for the distance between progress lines;
    full_record, where the reader finds what is left out here.
    """

    def __init__(self, stream: BinaryIO, *, redactor: Redactor, clock: Clock, full_record: str = "") -> None:
        self._stream = stream
        self._redactor = redactor
        self._clock = clock
        self._full_record = full_record
        self._lock = Lock()
        self._written = 0
        self._left_out = False
        self._broken = False
        self._told: set[tuple[str, str]] = set()
        self._last_progress = clock.monotonic()

    def info(self, text: str) -> bool:
        """Write plain lines. Returns whether there was room for all of them; so do the others."""
        return self._record("", text, keep_free=RESULT_LIMIT + NOTICE_RESERVE + ERRORS_RESERVE)

    def verbose(self, text: str) -> bool:
        """Write to the verbose stream, which Automation keeps only if the runbook has logVerbose."""
        return self._record("VERBOSE: ", text, keep_free=RESULT_LIMIT + NOTICE_RESERVE + ERRORS_RESERVE)

    def warning(self, text: str) -> bool:
        """Write to the warning stream."""
        return self._record("WARNING: ", text, keep_free=RESULT_LIMIT + NOTICE_RESERVE)

    def error(self, text: str) -> bool:
        """Write to the error stream. It fails no job: the exit code does."""
        return self._record("ERROR: ", text, keep_free=RESULT_LIMIT + NOTICE_RESERVE)

    def warn_of(self, error: RunbookError) -> bool:
        """Warn of a failure; where its cause was told before, in one line."""
        line = f"{error.code}: {error.title}; the cause is told above" if self.was_told(error) else str(error)
        self.told(error)
        return self.warning(line)

    def told(self, error: RunbookError) -> None:
        """Note that a failure, and with it its cause, was told."""
        self._told.add(error.origin)

    def was_told(self, error: RunbookError) -> bool:
        """Return whether the cause of a failure was told before."""
        return error.origin in self._told

    def progress(self, text: str) -> None:
        """Write a plain line, unless one was written in the last PROGRESS_SECONDS, or the run is younger than that."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._last_progress < PROGRESS_SECONDS:
                return
            self._last_progress = now
        self.info(text)

    def result(self, line: str) -> None:
        """Write the last line: redacted, ASCII, at most RESULT_LIMIT bytes with its end (runbook_lib.run.result)."""
        with self._lock:
            self._write(line.encode("ascii") + b"\n")

    def _record(self, prefix: str, text: str, *, keep_free: int) -> bool:
        # Redacted before it is cut or split, so that no part of a secret is left over.
        text = self._redactor.redact(text)
        if len(text) > RECORD_LIMIT:
            text = text[:RECORD_LIMIT] + " ... (cut)"
        lines = b"".join(_line(prefix, line) for line in text.splitlines() or [""])
        with self._lock:
            if self._written + len(lines) <= STREAM_LIMIT - keep_free:
                self._write(lines)
                return True
            if not self._left_out:
                self._left_out = True
                where = f"; the full record is in {self._full_record}" if self._full_record else ""
                notice = run.OUTPUT_FULL.error(f"what follows is left out here{where}")
                self._write(_line("WARNING: ", f"{notice.code}: {notice.message}"))
            return False

    def _write(self, data: bytes) -> None:
        if self._broken:
            return
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError:
            # Nobody reads any more. The work goes on: the exit code and the operations log still tell of it.
            self._broken = True
        self._written += len(data)


def _line(prefix: str, text: str) -> bytes:
    """Return one line: nothing that a terminal obeys, and no text picks a stream or passes for the result by itself."""
    text = visible(text.expandtabs())
    if not prefix and _RESERVED.match(text):
        prefix = " "
    return (prefix + text).encode() + b"\n"


class _Messages(logging.Handler):
    def __init__(self, output: JobOutput) -> None:
        super().__init__(logging.WARNING)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Write what a library logs."""
        self._output.verbose(f"{record.name}: {record.getMessage()}")


@contextmanager
def library_messages(output: JobOutput) -> Iterator[None]:
    """Take what libraries log or warn of into the verbose stream; without this it would go to stderr, unredacted."""
    handler = _Messages(output)
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(handler)
