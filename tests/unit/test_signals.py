"""Signals that ask kit to end: the first interrupts, in a way that cannot get lost; those that follow do nothing."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from kit import signals

BOTH = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def _listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(signals, "_asked", threading.Event())
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = {name: signal.getsignal(name) for name in (*BOTH, signal.SIGHUP)}
    signals.listen()
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


def both() -> None:
    """Two signals that are there at once."""
    signal.pthread_sigmask(signal.SIG_BLOCK, BOTH)
    for name in BOTH:
        os.kill(os.getpid(), name)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BOTH)


def test_two_signals_at_once_interrupt_once_and_are_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    unraised: list[object] = []
    sys.unraisablehook = unraised.append
    with pytest.raises(KeyboardInterrupt):
        both()
    both()
    assert unraised == []
    assert capsys.readouterr().err == ""


def test_once_more_is_possible_where_it_is_wanted() -> None:
    with pytest.raises(KeyboardInterrupt):
        both()
    signals.listen_again()
    with pytest.raises(KeyboardInterrupt):
        both()


def test_after_all_is_done_nothing_is_interrupted() -> None:
    signals.ignore()
    both()


class Destroyed:
    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(0)


def test_a_signal_in_a_destructor_comes_once_more(capsys: pytest.CaptureFixture[str]) -> None:
    def goes_on() -> None:
        Destroyed()
        threading.Event().wait(60)

    with pytest.raises(KeyboardInterrupt) as caught:
        goes_on()
    assert caught.value.args == (signal.SIGHUP,)
    assert capsys.readouterr().err == ""
