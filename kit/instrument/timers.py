"""A timer of the kernel with nanoseconds: event loops of Python, and uvloop's, wait in whole milliseconds."""

import ctypes
import os
import time

_MONOTONIC = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE = 1


class _Moment(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Moment), ("value", _Moment))


class Alarm:
    """A file descriptor that becomes readable at a moment of `time.monotonic_ns()`."""

    def __init__(self) -> None:
        self._kernel = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = self._kernel.timerfd_create(_MONOTONIC, _FLAGS)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._setting = _Setting()
        self._reference = ctypes.byref(self._setting)

    def set(self, moment_ns: int) -> None:
        """Ring at that moment, at once where it is past."""
        moment_ns = max(moment_ns, time.monotonic_ns() + 1)
        self._setting.value.seconds, self._setting.value.nanoseconds = divmod(moment_ns, 1_000_000_000)
        self._kernel.timerfd_settime(self.descriptor, _ABSOLUTE, self._reference, None)

    def quiet(self) -> None:
        """Take note of a ring."""
        try:
            os.read(self.descriptor, 8)
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self.descriptor)
