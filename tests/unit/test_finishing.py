"""Kit is stopped after the last round: the run is whole, which is told, and it has its report."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kit import signals
from kit.errors import InterruptedRunError
from kit.events import Seen
from kit.running import finishing
from tests.fakes import FakeHost

RUN = Path("runs/20261123-210507-smoke")


@pytest.fixture(autouse=True)
def _unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_asked", threading.Event())


class Rest:
    """What is still to be done; the first `stopped` steps are interrupted."""

    def __init__(self, *stopped: BaseException) -> None:
        self._stopped = list(stopped)
        self.done: list[str] = []
        self.seen: list[Seen] = []
        self.would_count = False

    def step(self, name: str) -> Callable[[], str]:
        def do() -> str:
            if self._stopped:
                raise self._stopped.pop(0)
            self.done.append(name)
            self.would_count = not signals._asked.is_set()
            return name

        return do

    def reported(self) -> str:
        return finishing.reported(RUN, self.step("all"), self.step("report"), self.seen.append, FakeHost())


def lost_lock() -> RuntimeError:
    error = RuntimeError("release unlocked lock")
    error.__context__ = KeyboardInterrupt()
    return error


def test_all_is_done_where_nobody_stops_it() -> None:
    rest = Rest()
    rest.reported()
    assert (rest.done, rest.seen) == (["all"], [])


@pytest.mark.parametrize("error", [KeyboardInterrupt(15), lost_lock()], ids=["signal", "in-a-wait"])
def test_the_report_is_still_written_and_one_more_signal_would_count(error: BaseException) -> None:
    signals.ignore()
    rest = Rest(error)
    with pytest.raises(InterruptedRunError) as told:
        rest.reported()
    assert str(told.value) == (
        f"stopped after the last round: the run is whole, and so is its report\nwhat to do: kit report {RUN}"
    )
    assert rest.done == ["report"]
    assert "one more signal ends that" in rest.seen[0].event.text
    assert rest.would_count
    signals.interrupt(15, None)  # does nothing: what follows is cleaning up


def test_a_second_signal_leaves_the_report_out_and_says_so() -> None:
    rest = Rest(KeyboardInterrupt(15), KeyboardInterrupt(15))
    with pytest.raises(InterruptedRunError) as told:
        rest.reported()
    assert "the run is whole, but its report is not written" in str(told.value)
    assert f"kit report {RUN}" in str(told.value)
    assert rest.done == []


def test_what_is_no_signal_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="a defect"):
        Rest(RuntimeError("a defect")).reported()
    with pytest.raises(ZeroDivisionError), finishing.whole(RUN, ""):
        raise ZeroDivisionError
