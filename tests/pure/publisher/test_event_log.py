"""The service's log: every line is an event, even a message of a library."""

import json
import logging

import pytest

from publisher.callback_api.event_log import EventLog, LoggedEvents
from tests.support.fake_clock import FakeClock

AT = "2026-11-23T10:00:00.000000Z"


def test_what_a_library_logs_is_an_event_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    log = EventLog(FakeClock())
    logger = logging.Logger("waitress.queue")
    logger.addHandler(LoggedEvents(log))

    log({"event": "listening", "port": 1})
    logger.warning("Task queue depth is %d", 3)
    try:
        int("two")
    except ValueError:
        logger.exception("two\nlines")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == [
        {"at": AT, "event": "listening", "port": 1},
        {
            "at": AT,
            "event": "logged",
            "level": "WARNING",
            "by": "waitress.queue",
            "message": "Task queue depth is 3",
        },
    ]
    assert (lines[2]["level"], lines[2]["message"]) == ("ERROR", "two\nlines")
    assert "ValueError: invalid literal" in lines[2]["traceback"]
    assert len(lines) == 3
