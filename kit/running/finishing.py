"""The time after the last round: who ends kit there loses no report, and is told that the run is whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from kit import signals
from kit.errors import InterruptedRunError, interruption
from kit.events import Event, Seen
from kit.ports import Host
from kit.running.telling import Observe

R = TypeVar("R")


def reported(run: Path, rest: Callable[[], R], write: Callable[[], object], observe: Observe, host: Host) -> R:
    """What is still to be done for a run that is whole, its report last. Interrupted, it is left out but for the report, and a
    second interrupt leaves out that as well. Raises `InterruptedRunError` then."""
    try:
        return rest()
    except (KeyboardInterrupt, RuntimeError) as error:
        if interruption(error) is None:
            raise
    with whole(run, "but its report is not written"):
        signals.listen_again()
        text = (
            "stopped after the last round: the run is whole, and its report is still written; one more signal ends that"
        )
        observe(Seen(Event(at=host.now(), kind="warning", text=text)))
        write()
        signals.ignore()
    raise _stopped(run, "and so is its report")


@contextmanager
def whole(run: Path, report: str) -> Iterator[None]:
    """Whoever interrupts what is done here is told what there is. Raises `InterruptedRunError`."""
    try:
        yield
    except (KeyboardInterrupt, RuntimeError) as error:
        if interruption(error) is None:
            raise
        raise _stopped(run, report) from None


def _stopped(run: Path, report: str) -> InterruptedRunError:
    return InterruptedRunError(f"stopped after the last round: the run is whole, {report}", hint=f"kit report {run}")
