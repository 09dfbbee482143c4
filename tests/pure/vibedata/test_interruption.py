"""Signals that end a command: each signal raises once, and a second signal does not end the clean-up."""

import os
import signal

import pytest

from vibedata.interruption import NUMBERS, EndedBySignal, Interrupted, ended_by_signals, exit_code_of


@pytest.mark.parametrize("number", NUMBERS)
def test_a_second_signal_of_the_same_number_interrupts_nothing(number: signal.Signals) -> None:
    given_back = []
    before = signal.getsignal(number)
    with pytest.raises(EndedBySignal) as caught, ended_by_signals():
        try:
            os.kill(os.getpid(), number)
            raise AssertionError("the signal has raised nothing")
        finally:
            # A shell and the kernel both send SIGHUP.
            os.kill(os.getpid(), number)
            given_back.append("the lock")
    assert given_back == ["the lock"]
    assert exit_code_of(caught.value) == 128 + number
    assert signal.getsignal(number) is before


def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interruption_has_the_exit_code_of_its_cause() -> None:
    assert exit_code_of(KeyboardInterrupt()) == 130
    assert exit_code_of(Interrupted(exit_code_of(EndedBySignal(signal.SIGHUP)), {})) == 129
