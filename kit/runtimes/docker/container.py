"""A container that was started, and how it ended: by itself, or with an engine that was stopped, restarted or killed."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

import requests
from docker.errors import APIError, NotFound
from docker.models.containers import Container as SdkContainer
from docker.types.daemon import CancellableStream

from kit.errors import IncompleteError
from kit.ports import Exit

GONE_S = 60.0
"""How long an engine may be away (a restart) before a run that needs it is given up."""
AWAY = (requests.exceptions.ConnectionError, requests.exceptions.Timeout)

_ENDED = (137, 143)
"""SIGKILL and SIGTERM, as an engine that is told to stop sends them."""
_PINGS = 15


class Absences:
    """How often an engine did not answer. Shared by all of its containers: one may be asked only when it is back."""

    def __init__(self) -> None:
        self.count = 0
        self._since: float | None = None

    def lasts_s(self) -> float:
        """The engine does not answer; for how long by now, in seconds."""
        if self._since is None:
            self.count += 1
            self._since = time.monotonic()
        return time.monotonic() - self._since

    def over(self) -> None:
        """The engine answers."""
        self._since = None


class Container:
    """A container that was started."""

    def __init__(self, container: SdkContainer, name: str, output: Iterable[bytes], absences: Absences) -> None:
        self._container = container
        self._name = name
        self._output = output
        self._absences = absences
        self._known = absences.count
        self._asked = False

    @property
    def id(self) -> str:
        return str(self._container.id)

    @property
    def process(self) -> int | None:
        """Its first process, as the engine numbers it."""
        with suppress(APIError, *AWAY):
            self._container.reload()
        return int(self._container.attrs["State"].get("Pid", 0)) or None

    def exit(self) -> Exit | None:
        """How it ended, or None while it runs. An engine that restarts is waited for."""
        try:
            self._container.reload()
        except NotFound:
            raise IncompleteError(f"the container of the {self._name} was removed by someone else") from None
        except (APIError, *AWAY) as error:
            if self._absences.lasts_s() > GONE_S:
                msg = f"the Docker engine has not answered for {GONE_S:g} s"
                raise IncompleteError(
                    msg, hint="start it again (systemctl start docker), then kit run --resume"
                ) from error
            return None
        self._absences.over()
        was_away, self._known = self._known != self._absences.count, self._absences.count
        state = self._container.attrs["State"]
        if state["Status"] in ("created", "running", "paused", "restarting"):
            return None
        code = int(state["ExitCode"])
        unasked = code != 0 and not self._asked and not state.get("OOMKilled")
        if unasked and (was_away or (code in _ENDED and self._engine_ends())):
            msg = f"the Docker engine was restarted in the middle of the run, and the {self._name} ended with it"
            raise IncompleteError(msg, hint="kit run --resume goes on where it was")
        # Docker writes signal 9 as 137, as shells do. The flag is also set when only a child of the program was killed.
        return Exit(-(code - 128) if code > 128 else code, out_of_memory=bool(state.get("OOMKilled")) and code != 0)

    def wait(self, timeout_s: float) -> None:
        """Wait for its end, at most `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self.exit() is None and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(0.1, left))

    def _engine_ends(self) -> bool:
        """Whether the engine is going away: one that is told to stop ends its containers first."""
        for _ in range(_PINGS):
            try:
                self._container.reload()
            except NotFound:
                return False
            except (APIError, *AWAY):
                return True
            time.sleep(0.1)
        return False

    def stop(self, timeout_s: int) -> None:
        """Ask it to end, and end it after `timeout_s`."""
        self._asked = True
        with suppress(APIError, *AWAY):
            self._container.stop(timeout=timeout_s)

    def output(self) -> Iterator[bytes]:
        """All that it writes, until it ends. What an engine broke off that comes back is gone on with."""
        told = 0
        output: Iterable[bytes] | None = self._output
        while output is not None:
            behind = told
            with suppress(APIError, *AWAY):
                for chunk in output:
                    new, behind = chunk[behind:], max(0, behind - len(chunk))
                    told += len(new)
                    yield new
            close(output)
            output = self._again()

    def _again(self) -> Iterable[bytes] | None:
        """Its output from the beginning, where an engine that was away is back; None where it came to its end."""
        away = False
        while not self._asked:
            try:
                self._container.reload()
                if away:
                    return self._container.logs(stream=True)
            except NotFound:
                return None
            except (APIError, *AWAY):
                away = True
            else:
                if self._container.attrs["State"]["Status"] != "running":
                    return None
            time.sleep(0.1)
        return None


def close(output: object) -> None:
    """Close a stream of output."""
    # The SDK shuts the socket of an attached stream down, but the response that reads from it holds the descriptor.
    if isinstance(output, CancellableStream):
        with suppress(OSError, AttributeError):
            output.close()
        response = vars(output).get("_response")
        if isinstance(response, requests.Response):
            response.close()
