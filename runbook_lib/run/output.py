"""Print a job's output: plain lines on stdout, within Automation's limits, without secrets.

Automation chooses the stream by a line's prefix. Each line is one record. It does not support stderr, and a stream over
1 MiB fails the job (docs/azure-facts.md#python-and-its-limits and #parameters-and-streams).
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

# For all streams together (docs/design.md#running-a-runbook). Azure's limit is for one stream, so this is safe.
STREAM_LIMIT = 1024 * 1024
# Kept free for the result, which may have this many bytes: it is the last line and must always fit.
RESULT_LIMIT = 256 * 1024
# Kept free for warnings and errors when progress has used up the rest.
ERRORS_RESERVE = 128 * 1024
# Kept free for the line that says that something is left out.
NOTICE_RESERVE = 1024
# The limit of one record, in characters: the beginning of a service's HTML error page says enough.
RECORD_LIMIT = 16 * 1024
PROGRESS_SECONDS = 2.0

# The prefixes that choose a stream, in the spellings that the worker knows, and the first character of the result.
_RESERVED = re.compile(r"(error|warning|verbose|debug):|\{", re.IGNORECASE)


class JobOutput:
    """Writes lines. Many threads may use it.

    Args:
        stream: The binary stream of stdout.
        redactor: Masks the secrets in every line.
        clock: Measures the time between progress lines.
        full_record: Where a reader finds lines that are left out here.
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
        """Write plain lines. This method and the next ones return whether there was room for all lines."""
        return self._record("", text, keep_free=RESULT_LIMIT + NOTICE_RESERVE + ERRORS_RESERVE)

    def verbose(self, text: str) -> bool:
        """Write to the verbose stream, which Automation keeps only if the runbook has logVerbose."""
        return self._record("VERBOSE: ", text, keep_free=RESULT_LIMIT + NOTICE_RESERVE + ERRORS_RESERVE)

    def warning(self, text: str) -> bool:
        """Write to the warning stream."""
        return self._record("WARNING: ", text, keep_free=RESULT_LIMIT + NOTICE_RESERVE)

    def error(self, text: str) -> bool:
        """Write to the error stream. That does not make a job fail: the exit code does."""
        return self._record("ERROR: ", text, keep_free=RESULT_LIMIT + NOTICE_RESERVE)

    def warn_of(self, error: RunbookError) -> bool:
        """Warn of a failure. If the output has shown its cause before, the warning is one line."""
        line = f"{error.code}: {error.title}; the cause is shown above" if self.was_told(error) else str(error)
        self.told(error)
        return self.warning(line)

    def told(self, error: RunbookError) -> None:
        """Note that the output has shown a failure and its cause."""
        self._told.add(error.origin)

    def was_told(self, error: RunbookError) -> bool:
        """Return whether the output has shown the cause of a failure before."""
        return error.origin in self._told

    def progress(self, text: str) -> None:
        """Write a plain line, unless the last one is younger than PROGRESS_SECONDS, or the run itself is."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._last_progress < PROGRESS_SECONDS:
                return
            self._last_progress = now
        self.info(text)

    def result(self, line: str) -> None:
        """Write the last line (runbook_lib.run.result): redacted, ASCII, at most RESULT_LIMIT bytes with its end."""
        with self._lock:
            self._write(line.encode("ascii") + b"\n")

    def _record(self, prefix: str, text: str, *, keep_free: int) -> bool:
        # Redact before the text is cut or split, so that no part of a secret remains.
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
                notice = run.OUTPUT_FULL.error(f"the rest is left out here{where}")
                self._write(_line("WARNING: ", f"{notice.code}: {notice.message}"))
            return False

    def _write(self, data: bytes) -> None:
        if self._broken:
            return
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError:
            # Nobody reads the output any more. The work goes on: the exit code and the operations log still report it.
            self._broken = True
        self._written += len(data)


def _line(prefix: str, text: str) -> bytes:
    """Return one line without control characters. Its text cannot choose a stream or look like the result."""
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
    """Write the libraries' logs and warnings to the verbose stream. Otherwise they would go to stderr, unredacted."""
    handler = _Messages(output)
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(handler)
