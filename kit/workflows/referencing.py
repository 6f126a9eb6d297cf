"""`kit reference-server`: the reference server in the foreground, in the load generator's environment."""

from collections.abc import Callable
from pathlib import Path

from kit import packed, runtimes
from kit.errors import HostError, UsageError
from kit.host import LocalHost
from kit.instrument import schedule
from kit.instrument.times import ScheduleError
from kit.loadgens import GENERATORS
from kit.model import Program
from kit.runtimes import notes

LOOK_S = 0.5


def require_valid(ttft: str, itl: str, pauses: list[str], faults: list[str]) -> None:
    """Raises `UsageError` where a time, a distribution, a pause or a fault cannot be understood."""
    try:
        for text in (ttft, itl):
            schedule.draw(text)
        for text in pauses:
            schedule.pause(text)
        for text in faults:
            schedule.fault(text)
    except ScheduleError as error:
        raise UsageError(str(error), hint="kit reference-server --help has examples") from error


def serve(words: tuple[str, ...], port: int, tell: Callable[[str], None]) -> None:
    """Serve until interrupted. What the server says goes to `tell`, its own error as the last line."""
    host = LocalHost()
    if not host.port_is_free(port):
        raise HostError(f"port {port} is taken", hint="give another with --port")
    runtime = runtimes.make("process")
    environment = runtime.pin(GENERATORS["evalscope"].IMAGE, "1.0.1")
    runtime.prepare(environment, tell)
    program = Program(name="reference", environment=environment, argv=(*packed.COMMAND, "reference", *words))
    with notes.scratch("reference") as scratch:
        home = Path(scratch)
        packed.place(home, packed.digest())
        with runtime.start(program, directory=home, log=home / "log", secrets={}, on_line=tell) as running:
            while (ended := running.wait(LOOK_S)) is None:
                continue
    if ended.code != 0:
        raise HostError(f"the reference server ended with {ended}")
