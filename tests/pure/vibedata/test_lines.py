"""Lines on a real terminal: they wrap at its width. Only a terminal gets colours."""

import fcntl
import io
import os
import pty
import struct
import termios

import pytest

from vibedata.lines import Line
from vibedata.terminal import write_lines

LINES = [Line("Ill: ", "api is ill \x1b[31m" + "and more words " * 9, "bad"), Line("", "at the end")]


def on_a_terminal(columns: int) -> str:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(slave, "w") as stream:
        write_lines(stream, LINES)
        stream.flush()
        shown = ""
        while "at the end\r\n" not in shown:
            shown += os.read(master, 65536).decode()
    os.close(master)
    return shown.replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_gets_colour_and_lines_that_fit(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = on_a_terminal(columns)
    assert shown.startswith("\x1b[1;31mIll: \x1b[0mapi is ill \\x1b[31m")
    assert shown.count("\x1b") == 2, "what somebody else wrote has no colour of its own"
    plain = shown.replace("\x1b[1;31m", "").replace("\x1b[0m", "")
    assert all(len(line) < columns for line in plain.splitlines())
    assert len(plain.splitlines()) == {60: 4, 80: 4, 200: 3}[columns]


@pytest.mark.parametrize("name, value", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_where_nobody_wants_it(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    assert "\x1b[1;31m" not in on_a_terminal(80)


def test_what_is_no_terminal_gets_whole_lines() -> None:
    stream = io.StringIO()
    write_lines(stream, LINES)
    assert len(stream.getvalue().splitlines()) == 2
