"""The service's own log. Each event is one line of JSON on stdout. The logs of libraries become such events, too."""

import json
import logging
import sys
import threading
from collections.abc import Mapping

from runbook_lib.basics.clock import Clock, rfc3339


class EventLog:
    """Events as JSON lines on stdout. Each line is whole, even if many threads write."""

    def __init__(self, clock: Clock) -> None:
        """Take each event's time from `clock`."""
        self._clock = clock
        self._lock = threading.Lock()

    def __call__(self, event: Mapping[str, object]) -> None:
        """Write an event, with its time."""
        line = json.dumps({"at": rfc3339(self._clock.now()), **event}) + "\n"
        with self._lock:
            sys.stdout.write(line)
            sys.stdout.flush()


class LoggedEvents(logging.Handler):
    """Libraries' logs as events. For example, the server warns in plain text if it has more requests than threads."""

    def __init__(self, log: EventLog) -> None:
        """Write each record to `log`."""
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as an event `logged`, with its traceback if it has one."""
        event = {"event": "logged", "level": record.levelname, "by": record.name, "message": record.getMessage()}
        if record.exc_info:
            event["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._log(event)
