"""The signals that ask kit to end, as `KeyboardInterrupt` with their number: SIGTERM and a lost terminal end a run as Ctrl-C does."""

import os
import signal
import sys
import threading
from types import FrameType

from kit.errors import interruption

_ASKING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_MOMENT_S = 0.01
_asked = threading.Event()


def listen() -> None:
    """From now on the first one interrupts. Once is enough: those that follow are ignored, cleaning up must not be cut short."""
    sys.unraisablehook = _unraisable
    for name in _ASKING:
        # A background job without job control ignores SIGINT on purpose; kit is asked to stop by it all the same. What `nohup`
        # started is to outlive its terminal.
        if name != signal.SIGHUP or signal.getsignal(name) != signal.SIG_IGN:
            signal.signal(name, interrupt)


def listen_again() -> None:
    """From now on one more interrupts: what is still to be done may be left out."""
    _asked.clear()


def ignore() -> None:
    """From now on none does anything: all is done."""
    _asked.set()


def interrupt(number: int, frame: FrameType | None) -> None:
    """The handler. It stays where it is, since a signal that was on its way when its handler went would be told as an error."""
    del frame
    if not _asked.is_set():
        _asked.set()
        raise KeyboardInterrupt(number)


def _unraisable(told: "sys.UnraisableHookArgs") -> None:
    """An interrupt in the middle of a destructor would be lost, and told with its traceback: it comes once more."""
    if told.exc_value is None or interruption(told.exc_value) is None:
        sys.__unraisablehook__(told)
        return
    number = next((one for one in told.exc_value.args if isinstance(one, int)), signal.SIGINT)
    listen_again()
    # A moment later: now it would be one in the middle of this.
    threading.Timer(_MOMENT_S, os.kill, (os.getpid(), number)).start()
