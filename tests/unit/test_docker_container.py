"""How containers end that an engine took along, without an engine."""

from collections.abc import Iterable, Iterator

import pytest
import requests
from docker.models.containers import Container as SdkContainer

from kit.errors import IncompleteError
from kit.ports import Exit
from kit.runtimes.docker.container import Absences, Container

State = dict[str, object] | None
RUNS: State = {"Status": "running", "ExitCode": 0}
ASKED_TO_END: State = {"Status": "exited", "ExitCode": 143}
FAILED: State = {"Status": "exited", "ExitCode": 3}
AWAY: State = None


class Told(SdkContainer):
    """A container of which an engine tells one state after the other, the last for ever, and its log when asked."""

    def __init__(self, *states: State, log: Iterable[bytes] = ()) -> None:
        super().__init__()
        self._states = list(states)
        vars(self)["logs"] = lambda **_: iter(log)

    def stop(self, **_: object) -> None:
        """As an engine does that is away."""
        raise requests.exceptions.ConnectionError

    def reload(self) -> None:
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if state is AWAY:
            raise requests.exceptions.ConnectionError
        self.attrs = {"State": state}


def contained(absences: Absences, *states: State) -> Container:
    nothing: Iterator[bytes] = iter(())
    return Container(Told(*states), "server", nothing, absences)


def test_a_container_that_ended_while_its_engine_was_away_ended_with_it() -> None:
    server = contained(Absences(), RUNS, AWAY, FAILED)
    assert (server.exit(), server.exit()) == (None, None)
    with pytest.raises(IncompleteError, match="the Docker engine was restarted in the middle of the run"):
        server.exit()


def test_that_an_engine_was_away_is_known_of_all_its_containers() -> None:
    """The server is asked less often than its load: it may be asked before and after, and not meanwhile."""
    absences = Absences()
    server, load = contained(absences, RUNS, ASKED_TO_END), contained(absences, AWAY, RUNS)
    assert (server.exit(), load.exit(), load.exit()) == (None, None, None)
    with pytest.raises(IncompleteError, match="the Docker engine was restarted"):
        server.exit()


def test_a_container_that_outlived_an_absence_may_end_by_itself() -> None:
    """As with `live-restore`."""
    server = contained(Absences(), AWAY, RUNS, FAILED)
    assert (server.exit(), server.exit()) == (None, None)
    assert server.exit() == Exit(3)


def test_an_engine_that_was_away_before_a_container_was_made_is_no_reason_for_its_end() -> None:
    absences = Absences()
    earlier = contained(absences, AWAY, RUNS)
    assert (earlier.exit(), earlier.exit()) == (None, None)
    assert contained(absences, FAILED).exit() == Exit(3)


def broken_off(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks
    raise requests.exceptions.ConnectionError


def test_output_that_an_engine_broke_off_is_gone_on_with_where_it_was() -> None:
    told = Told(AWAY, AWAY, RUNS, FAILED, log=(b"on", b"e two t", b"hree"))
    server = Container(told, "server", broken_off(b"one", b" two"), Absences())
    assert b"".join(server.output()) == b"one two three"


@pytest.mark.parametrize("states", [(FAILED,), (RUNS, FAILED)], ids=["at-once", "a-moment-later"])
def test_output_that_came_to_its_end_is_not_asked_for_again(states: tuple[State, ...]) -> None:
    server = Container(Told(*states, log=(b"one", b"two")), "server", iter((b"one",)), Absences())
    assert b"".join(server.output()) == b"one"


def test_output_of_a_container_that_is_ended_is_not_waited_for() -> None:
    server = Container(Told(AWAY), "server", broken_off(b"one"), Absences())
    ending = iter(server.output())
    assert next(ending) == b"one"
    server.stop(0)
    assert list(ending) == []
