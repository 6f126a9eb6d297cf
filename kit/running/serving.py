"""The server's life: started, watched until it is ready, watched while it serves, stopped in every case."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kit import packed, weights
from kit.engines import ENGINES, diagnose, fatal
from kit.engines import weights as named
from kit.engines.failures import HOST_MEMORY, Failure
from kit.errors import HostError, IncompleteError, KitError
from kit.events import Kind
from kit.formats import size
from kit.model import Doubt, Phase, Plan, ServerPlan, ServerStart, Target
from kit.model.bundle import Weights
from kit.ports import Doors, Endpoint, EndpointError, Host, Running
from kit.store import write_once

PROBE_S = 0.25
COMPLETION_LIMIT_S = 600.0
STUBBORN_S = 60.0
"""How long a server may be healthy and yet refuse a completion for the same reason before that is taken as final."""
TAIL_LINES = 200
SHOWN_LINES = 15

_WORKS = re.compile(r"(?i)prefill batch|prompt processing progress")
"""Lines by which engines tell that they work on a prompt, piece by piece: no token comes meanwhile."""

Tell = Callable[[Kind, str], None]


class ServerLostError(IncompleteError):
    """A server that served has ended, or hangs: another start may help."""


@contextmanager
def serving(plan: Plan, server: ServerPlan, doors: Doors, home: Path, tell: Tell) -> Iterator["Serving"]:
    """The server of a plan, ready; its command, log and start-up phases in `home`. Raises `IncompleteError`."""
    packed.place(home, server.program.instrument)
    write_once(home / "argv.txt", (doors.runtime.command(server.program, None) + "\n").encode())
    watch = _Watch(server.engine, doors.host, tell)
    tell("server", f"starting {ENGINES[server.engine].TITLE} on port {server.port}")
    started = doors.host.now()
    with doors.runtime.start(
        server.program, directory=home, log=home / "server.log", secrets={}, on_line=watch.line
    ) as running:
        alive = Serving(server, running, watch)
        _await_ready(plan, server, alive, watch, doors)
        start = ServerStart(
            started=started, ready_s=watch.elapsed(), phases=tuple(watch.phases), weights=tuple(_weights(server))
        )
        write_once(home / "phases.json", start.to_json())
        tell("server", f"the server is ready after {start.ready_s:.1f} s")
        alive.served = True
        yield alive


def _weights(server: ServerPlan) -> Iterator[Weights]:
    """The files that it serves from, as far as they are on this machine and can be read."""
    for path in named(server.engine, server.program.argv):
        # Containers see models under the path that they have on the host.
        if path.startswith("/") and Path(path).exists():
            with suppress(HostError, OSError):
                yield weights.named(Path(path))


class Serving:
    """A server that was started."""

    def __init__(self, plan: ServerPlan, running: Running, watch: "_Watch") -> None:
        self._plan = plan
        self._running = running
        self._watch = watch
        self.served = False

    def worked(self) -> int:
        """How often its log told of a prompt that it works on."""
        return self._watch.worked

    def require_alive(self, when: str, soon_s: float = 0.0) -> None:
        """Raise `IncompleteError` with the end of its log and the likely cause if the server has ended or cannot go on.

        It may end within `soon_s` too.

        Nothing else counts: a health endpoint may well answer 503 during a long prefill.
        """
        if ended := self._running.wait(soon_s) if soon_s else self._running.exited():
            limit = self._plan.program.container.memory
            limited = _limited(limit) if ended.out_of_memory and limit is not None else None
            killed = ended.out_of_memory or ended.code in (-9, 137)
            raise self.error(f"the server ended {when} ({ended})", HOST_MEMORY if killed else None, limited)
        if self._watch.fatal is not None:
            raise self.error(f"the server cannot go on ({when}): {self._watch.fatal}")

    def error(self, what: str, otherwise: Failure | None = None, certain: Failure | None = None) -> IncompleteError:
        """What happened, with what is certain, else what the server's log says about it, else `otherwise`."""
        found = certain or diagnose(self._plan.engine, self._watch.tail) or otherwise
        tail = "\n".join(f"    {line}" for line in list(self._watch.tail)[-SHOWN_LINES:])
        cause = f"\nlikely cause: {found.cause}" if found else ""
        hint = found.remedy if found else "the whole log is in server/server.log of the run"
        kind = ServerLostError if self.served else IncompleteError
        return kind(f"{what}{cause}\nthe end of its log:\n{tail or '    (it wrote nothing)'}", hint=hint)


@contextmanager
def blamed(server: Serving | None, when: str) -> Iterator[None]:
    """What fails because the server has just ended is told as the server's end: a container that would join it, for one."""
    try:
        yield
    except KitError:
        if server is not None:
            server.require_alive(when, soon_s=1.0)
        raise


def _limited(bytes_: int) -> Failure:
    """The kernel ended a server for its own container's limit: no other program had a part in it."""
    return Failure(
        pattern="",
        cause=f"its container may use {size(bytes_)} (server.container.memory), and it wanted more",
        remedy="raise server.container.memory or have the engine keep less, and start a new run",
    )


def flush(server: ServerPlan | None, target: Target, endpoint: Endpoint) -> Iterator[Doubt]:
    """Empty the server's prefix cache where it can be asked to; a doubt where it refuses."""
    if server is not None and server.flush_path is not None:
        try:
            endpoint.post(target, server.flush_path)
        except EndpointError as error:
            yield Doubt(kind="cache-not-flushed", values=(("reason", error.what),))


def _await_ready(plan: Plan, server: ServerPlan, alive: Serving, watch: "_Watch", doors: Doors) -> None:
    """Ready: alive, healthy, and one real completion came back. Health or the model list alone prove too little."""
    refused: tuple[str, float] | None = None
    while True:
        alive.require_alive("before it was ready")
        if doors.endpoint.healthy(plan.target, server.health_path):
            try:
                doors.endpoint.complete(plan.target, None, timeout_s=COMPLETION_LIMIT_S)
                return
            except EndpointError as error:
                if refused is None or refused[0] != error.what:
                    refused = error.what, doors.host.monotonic()
                if doors.host.monotonic() - refused[1] > STUBBORN_S:
                    raise IncompleteError(f"the server does not serve: {error.what}", hint=error.hint) from error
        if watch.elapsed() > server.ready_timeout_s:
            raise alive.error(f"the server was not ready after {server.ready_timeout_s:g} s")
        doors.host.sleep(PROBE_S)


class _Watch:
    """Reads a server's log as it is written: start-up phases, and the last lines for when it dies."""

    def __init__(self, engine: str, host: Host, tell: Tell) -> None:
        self._engine = engine
        self._waiting = [(name, re.compile(pattern)) for name, pattern in ENGINES[engine].PHASES]
        self.fatal: str | None = None
        self.worked = 0
        self._host = host
        self._tell = tell
        self._began = host.monotonic()
        self.phases: list[Phase] = []
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def elapsed(self) -> float:
        return self._host.monotonic() - self._began

    def line(self, line: str) -> None:
        self.tail.append(line[:2000])
        self.worked += bool(_WORKS.search(line[:2000]))
        if self.fatal is None and fatal(self._engine, line[:2000]):
            self.fatal = line[:300].strip()
        for name, pattern in self._waiting:
            if pattern.search(line):
                phase = Phase(name=name, at_s=self.elapsed(), line=line[:500])
                self.phases.append(phase)
                self._waiting.remove((name, pattern))
                self._tell("server", f"start-up: {name} at {phase.at_s:.1f} s")
                return
